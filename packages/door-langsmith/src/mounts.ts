import { invalidArgument, type Remote, type RemoteRequest } from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { unsupported } from './errors.ts'

const PLACE = '/mnt/'
const given = z.unknown().optional()

const mountSchema = z.object({
  id: z.string(),
  type: z.enum(['s3', 'gcs', 'azure_blob', 'git', 'contexthub']),
  mount_path: z.string(),
  git: optional(
    z.object({
      remote_url: z.string(),
      ref: optional(z.object({ type: z.enum(['branch', 'tag']), name: z.string() })),
      refresh_interval_seconds: optional(z.number().int().min(1).max(86_400)),
    }),
  ),
  read_only: given,
  cache: given,
})

export const mountConfigSchema = z.object({
  auth: optional(z.record(z.string(), z.unknown())),
  mounts: optional(z.array(mountSchema).max(256)),
})
type Mount = z.output<typeof mountSchema>

/** What its mounts are here: files that are brought into the box while it is made. */
export function remotesOf(config: z.output<typeof mountConfigSchema> | undefined): RemoteRequest[] | undefined {
  if (config === undefined) return undefined
  const remotes = (config.mounts ?? []).map((mount, index) => remoteOf(mount, `mount_config.mounts[${index}]`))
  for (const [provider, auth] of Object.entries(config.auth ?? {}))
    if (auth !== null && auth !== undefined)
      throw invalidArgument(`body.mount_config.auth.${provider}`, 'there is no mount that it is for')
  return remotes
}

function remoteOf({ id, type, mount_path: path, git, ...rest }: Mount, place: string): RemoteRequest {
  if (type === 'contexthub') throw unsupported(`${place}: contexthub, which is in LangSmith's own cloud,`)
  if (type !== 'git') throw unsupported(`${place}: the type ${type}`)
  if (git === undefined) throw invalidArgument(`body.${place}.git`, 'missing')
  for (const key of ['read_only', 'cache'] as const)
    if (rest[key] !== undefined && rest[key] !== null) throw invalidArgument(`body.${place}.${key}`, 'not of git')
  if (!path.startsWith(PLACE)) throw invalidArgument(`body.${place}.mount_path`, `below ${PLACE}`)
  const { remote_url: url, ref = null, refresh_interval_seconds: seconds } = git
  const refreshMs = seconds === undefined ? null : seconds * 1000
  return { name: id, path, source: { type, url, ref }, refreshMs }
}

/** `undefined` for none, as of boxes that were given no configuration. */
export function mountConfigJson(remotes: readonly Remote[]) {
  if (remotes.length === 0) return undefined
  return { auth: {}, mounts: remotes.map(mountJson) }
}

function mountJson({ name, path, source: { url, ref }, refreshMs }: Remote) {
  return {
    id: name,
    type: 'git',
    mount_path: path,
    git: {
      remote_url: url,
      ...(ref === null ? {} : { ref }),
      ...(refreshMs === null ? {} : { refresh_interval_seconds: refreshMs / 1000 }),
    },
  }
}
