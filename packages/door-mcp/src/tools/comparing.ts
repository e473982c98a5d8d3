import type { Comparable, FileChange } from '@spawnpoint/core'
import { z } from 'zod'
import { READS, type Tool, tool } from '../tool.ts'
import { path } from './fields.ts'

/** Of each kind of change */
const FILES = 100
const PROCESSES = 30
const TEXT_CHARS = 48_000

const side = z
  .object({ sandbox: z.string().min(1).max(200).optional(), snapshot: z.string().min(1).max(200).optional() })
  .describe('Either a sandbox as it is now, or a snapshot')

export function comparingTools(): Tool[] {
  return [
    tool({
      name: 'compare',
      description:
        'What is different in `after`: files that were added, removed or changed, processes, listening ports. With `path` of one file, the difference of its text. /tmp and /run are not compared.',
      input: z.object({
        before: side,
        after: side,
        path: path.optional().describe('A file, or a directory to look below'),
      }),
      annotations: READS,
      async run({ before, after, path }, { api, by, signal }) {
        const [from, to] = [comparable(before), comparable(after)]
        if (path !== undefined) {
          const { outcome, unified } = await api.compare.compareText(by, from, to, path, signal).catch(noFile)
          if (outcome !== 'not_a_file') {
            const text = unified ?? ''
            return { outcome, unified: text.length > TEXT_CHARS ? `${text.slice(0, TEXT_CHARS)}\n… cut …` : text }
          }
        }
        const { files, processes, ports } = await api.compare.compare(by, from, to, { path, limit: FILES }, signal)
        return {
          counts: files.counts,
          added: files.added.map(({ path }) => path),
          removed: files.removed.map(({ path }) => path),
          changed: files.changed.map(changed),
          ...(files.truncated || files.incomplete !== null ? { incomplete: true } : {}),
          processes: processes && {
            started: processes.started.slice(0, PROCESSES).map(({ pid, command }) => `${pid} ${command}`),
            ended: processes.ended.slice(0, PROCESSES).map(({ pid, command }) => `${pid} ${command}`),
          },
          ports: ports && {
            opened: ports.opened.map(({ port }) => port),
            closed: ports.closed.map(({ port }) => port),
          },
        }
      },
    }),
  ]
}

function comparable({ sandbox, snapshot }: z.output<typeof side>): Comparable {
  if (sandbox !== undefined && snapshot === undefined) return { sandbox }
  if (snapshot !== undefined && sandbox === undefined) return { snapshot }
  throw new z.ZodError([
    { code: 'custom', path: ['before', 'after'], message: 'say either `sandbox` or `snapshot`', input: undefined },
  ])
}

/** A directory is none, and then what is below it is compared. */
function noFile(error: unknown): { outcome: 'not_a_file'; unified: null } {
  if (error instanceof Error && 'context' in error && /EISDIR/.test(error.message)) {
    return { outcome: 'not_a_file', unified: null }
  }
  throw error
}

function changed({ path, differs }: FileChange): string {
  return differs.length === 1 && differs[0] === 'content' ? path : `${path} (${differs.join(', ')})`
}
