import { dirname } from 'node:path/posix'
import {
  type AnswerRoom,
  type FileInfo,
  type Guest,
  invalidArgument,
  isCode,
  type Sandbox,
  type SpawnpointApi,
} from '@spawnpoint/core'
import { type AnyRoute, optional, roomFor, route } from '@spawnpoint/door-kit'
import { holdActive } from '@spawnpoint/gateway'
import { z } from 'zod'
import { fileAccess } from '../file-access.ts'
import { reachBox } from '../reach-box.ts'
import { globMatcher, reachOf } from '../search/glob.ts'
import { grepFiles } from '../search/grep.ts'
import { select } from '../search/select.ts'
import { dataParams } from './execute.ts'

/** Entries that one search looks at; the agent lists no more at once */
const LOOKED_AT_MAX = 100_000
const DEPTH_MAX = 64
const DEFAULT_LIMIT = 1000
const LIMIT_MAX = 10_000
const WITHIN_MS = 50_000

/** Who asks for more than there is to have is told that it was cut */
const limit = optional(
  z
    .number()
    .int()
    .min(1)
    .transform((asked) => Math.min(asked, LIMIT_MAX)),
)
const pattern = z.string().min(1).max(1024)
const path = optional(z.string().min(1).max(4096))

export function searchRoutes(api: SpawnpointApi): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/:id/glob',
      params: dataParams,
      body: z.object({ pattern, path, limit }),
      handle: async (call) => {
        const { by, params, body, signal } = call
        const { sandbox, guest } = await reachBox(api, by, params.id)
        using _ = holdActive(api, by, sandbox.id)
        const { base, depth } = reachOf(relative('body.pattern', body.pattern))
        const { found, root, whole } = await entries(guest, sandbox, {
          path: body.path ?? '.',
          base,
          depth,
          ...roomFor(call),
        })
        const matches = globMatcher(body.pattern)
        const late = AbortSignal.any([signal, AbortSignal.timeout(WITHIN_MS)])
        const hits = await select(found, (one) => matches(below(root, one)), body.limit ?? DEFAULT_LIMIT, late)
        return { status: 200, body: { matches: hits.found.map(entryJson), truncated: !(whole && hits.whole) } }
      },
    }),
    route({
      method: 'POST',
      path: '/:id/grep',
      params: dataParams,
      body: z.object({ pattern, path, glob: optional(pattern), limit }),
      handle: async (call) => {
        const { by, params, body, signal } = call
        const { sandbox, guest } = await reachBox(api, by, params.id)
        using _ = holdActive(api, by, sandbox.id)
        const { found, root, whole } = await entries(guest, sandbox, {
          path: body.path ?? '.',
          base: '',
          depth: null,
          ...roomFor(call),
        })
        const wanted = body.glob === undefined ? () => true : fileMatcher(relative('body.glob', body.glob))
        const late = AbortSignal.any([signal, AbortSignal.timeout(WITHIN_MS)])
        const isWanted = (entry: FileInfo) => entry.type === 'file' && wanted(below(root, entry))
        const files = await select(found, isWanted, LOOKED_AT_MAX, late)
        const searched = { guest, access: fileAccess(sandbox), files: files.found }
        const { matches, truncated } = await grepFiles(
          searched,
          Buffer.from(body.pattern),
          body.limit ?? DEFAULT_LIMIT,
          late,
        )
        return { status: 200, body: { matches, truncated: truncated || !(whole && files.whole) } }
      },
    }),
  ]
}

/** A pattern without a slash is about names, at any depth. */
function fileMatcher(glob: string): (path: string) => boolean {
  const matches = globMatcher(glob)
  return glob.includes('/') || glob.includes('**') ? matches : (path) => matches(path.slice(path.lastIndexOf('/') + 1))
}

function relative(field: string, glob: string): string {
  if (glob.startsWith('/') || glob.split('/').includes('..'))
    throw invalidArgument(field, 'relative to path, and not above it')
  return glob
}

/** All that there is below `base` of a directory, as far as limits allow; nothing if the base is missing. */
async function entries(
  guest: Guest,
  sandbox: Sandbox,
  { path, base, depth, room }: { path: string; base: string; depth: number | null; room: AnswerRoom },
) {
  const access = fileAccess(sandbox)
  const about = await guest.files.stat(path, access)
  if (about.type === 'file' && base === '') return { found: [about], root: dirname(about.path), whole: true }
  const root = about.path
  const from = base === '' ? root : `${root === '/' ? '' : root}/${base}`
  try {
    const found = await guest.files.list(from, { ...access, depth: depth ?? DEPTH_MAX, limit: LOOKED_AT_MAX, room })
    return { found, root, whole: found.length < LOOKED_AT_MAX }
  } catch (error) {
    const missing = isCode(error, 'guest_error') && ['ENOENT', 'ENOTDIR'].includes(error.context.errno)
    if (base === '' || !missing) throw error
    return { found: [], root, whole: true }
  }
}

function below(root: string, { path }: FileInfo): string {
  return path.slice(root === '/' ? 1 : root.length + 1)
}

function entryJson({ path, type, sizeBytes, modifiedAt }: FileInfo) {
  return { path, is_dir: type === 'directory', size_bytes: sizeBytes, modified_at: modifiedAt.toISOString() }
}
