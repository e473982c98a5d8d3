import {
  type AttachOptions,
  type Guest,
  isCode,
  type ProcessInfo,
  type ProcessOutput,
  SpawnpointError,
} from '@spawnpoint/core'
import { processIdOf } from './command-id.ts'
import { termsOf } from './terms.ts'

export type Followed = { info: ProcessInfo; output: AsyncIterable<ProcessOutput> }

/** A command that was started before, unless it ended too long ago. Rejects `process_not_found`. */
export async function comeBack({ processes }: Guest, id: string, options: AttachOptions): Promise<Followed> {
  try {
    const followed = await processes.follow(processIdOf(id), options)
    const { ttlMs } = termsOf(followed.info.tag)
    const endedAt = followed.info.exit?.at.getTime()
    if (endedAt === undefined || ttlMs === null || Date.now() - endedAt <= ttlMs) return followed
  } catch (error) {
    if (!isCode(error, 'process_not_found')) throw error
  }
  throw new SpawnpointError('process_not_found', `No command, or not any more: ${id.slice(0, 80)}`, { ref: id })
}
