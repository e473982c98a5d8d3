import { constants } from 'node:fs'
import { open, readdir, rm } from 'node:fs/promises'
import { isCode, type Requirements } from '@spawnpoint/core'
import { captureRefusal } from './capture-refusal.ts'
import { runtimeFailed } from './failure.ts'
import type { Host } from './host.ts'
import type { Incarnation } from './incarnation.ts'
import { memoryImageBytes, writeFrozenSpec } from './memory-image.ts'

/**
 * From this much memory on, pages are written past the page cache. Measured into the pool, medians of 7 and worst in ms, page
 * cache against direct: 64 MiB 41 (45) to 67 (79), 256 MiB 127 (133) to 95 (109), 768 MiB 483 (626) to 243 (291). The
 * page cache gets slower still when the kernel holds writers back.
 */
const DIRECT_FROM_BYTES = 160 * 1024 * 1024

/**
 * Writes memory and processes of a paused incarnation into the empty directory `dir`. Rejects `capture_refused` if the
 * sandbox holds what cannot be saved. It stays paused either way.
 */
export async function checkpoint(
  host: Host,
  incarnation: Incarnation,
  dir: string,
): Promise<{ memoryBytes: number; agentDigest: Requirements['agentDigest'] }> {
  const { frozen, agentDigest } = incarnation.record
  if ((await readdir(dir)).length > 0) throw runtimeFailed('checkpoint', `${dir} is not empty`)
  return await incarnation.whilePaused(async (call) => {
    const { args, memoryBytes } = await checkpointArgs(host, incarnation, dir)
    try {
      await call(args, memoryBytes)
    } catch (error) {
      if (!isCode(error, 'runtime_failed')) throw error
      throw captureRefusal(error.context.detail, host.runsc.capabilities) ?? error
    }
    await writeFrozenSpec(dir, frozen)
    return { memoryBytes: await memoryImageBytes(dir), agentDigest }
  })
}

/** Starts the call that `checkpoint` into the same directory will make. One that then needs another makes that one. */
export async function expectCheckpoint(host: Host, incarnation: Incarnation, dir: string): Promise<AsyncDisposable> {
  const { args } = await checkpointArgs(host, incarnation, dir)
  return await incarnation.expectCheckpoint(args)
}

async function checkpointArgs(host: Host, { id }: Incarnation, dir: string) {
  const { memoryBytes } = host.cgroups.usage(id)
  const direct =
    memoryBytes >= DIRECT_FROM_BYTES &&
    host.runsc.capabilities.checkpointFlags.includes('direct') &&
    (await takesDirect(dir))
  const args = ['-compression', 'none', '-leave-running', '-image-path', dir, ...(direct ? ['-direct'] : [])]
  return { args, memoryBytes }
}

/** Whether the file system of `dir` can be written past the page cache. */
async function takesDirect(dir: string): Promise<boolean> {
  const path = `${dir}/.direct`
  try {
    const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_DIRECT)
    await file.close()
    return true
  } catch {
    // EINVAL: it cannot.
    return false
  } finally {
    await rm(path, { force: true })
  }
}
