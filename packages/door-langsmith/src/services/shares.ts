import { invalidArgument, type Labels, type Principal, type Sandbox, type SpawnpointApi } from '@spawnpoint/core'
import { z } from 'zod'
import { jsonOf, OWN } from '../labels.ts'

const common = { created_at: z.string(), created_by: z.string().optional() }
/** A port that somebody was given an address of, until its token is over. */
const tokenSchema = z.object({ access: z.literal('token').default('token'), expires_at: z.string(), ...common })
/** A port for whoever signs in, until it is not shared any more. */
const loginSchema = z.object({
  access: z.enum(['restricted', 'workspace']),
  embed_origins: z.array(z.string()).optional(),
  /** Where this server is, as whoever shares it reaches it */
  at: z.string(),
  ...common,
})
const shareSchema = z.union([loginSchema, tokenSchema])
export type LoginShare = z.output<typeof loginSchema>
type Share = z.output<typeof shareSchema> & { port: number }

const MAX_LABEL_CHARS = 1024

const labelOf = (port: number) => `${OWN.service}.${port}`

/** Ports that are shared now, with what is known of that; the tokens themselves are kept nowhere. */
export function sharesOf(sandbox: { labels: Labels }) {
  return allOf(sandbox).map((share) => {
    if (share.access === 'token') return share
    const { at: _, ...told } = share
    return told
  })
}

/** How a port is shared with those who sign in, if it is. */
export function loginOf(sandbox: { labels: Labels }, port: number): LoginShare | undefined {
  const found = allOf(sandbox).find((share) => share.port === port)
  return found === undefined || found.access === 'token' ? undefined : found
}

function allOf({ labels }: { labels: Labels }): Share[] {
  return Object.entries(labels)
    .flatMap(([key, text]): Share[] => {
      const port = key.startsWith(`${OWN.service}.`) ? Number(key.slice(OWN.service.length + 1)) : Number.NaN
      const parsed = Number.isInteger(port) ? shareSchema.safeParse(jsonOf(text)) : undefined
      if (parsed?.success !== true) return []
      const { data } = parsed
      if (data.access === 'token' && new Date(data.expires_at).getTime() <= Date.now()) return []
      return [{ port, ...data }]
    })
    .sort((a, b) => a.port - b.port)
}

export async function noteShare(
  api: SpawnpointApi,
  by: Principal,
  sandbox: Sandbox,
  { port, expiresAt }: { port: number; expiresAt: Date },
): Promise<void> {
  const before = allOf(sandbox).find((one) => one.port === port)
  const until =
    before?.access === 'token' ? new Date(Math.max(Date.parse(before.expires_at), expiresAt.getTime())) : expiresAt
  await note(api, by, sandbox, port, { access: 'token', expires_at: until.toISOString(), ...firstOf(before, by) })
}

/** Each call sets all of it anew; who had signed in stays so. */
export async function noteLogin(
  api: SpawnpointApi,
  by: Principal,
  sandbox: Sandbox,
  port: number,
  { access, origins, at }: { access: LoginShare['access']; origins: readonly string[]; at: string },
): Promise<void> {
  const before = loginOf(sandbox, port)
  const embeds = origins.length === 0 ? {} : { embed_origins: [...origins] }
  await note(api, by, sandbox, port, { access, ...embeds, at, ...firstOf(before, by) })
}

function firstOf(before: Pick<Share, 'created_at' | 'created_by'> | undefined, { keyId }: Principal) {
  return {
    created_at: before?.created_at ?? new Date().toISOString(),
    ...(keyId === null ? {} : { created_by: before?.created_by ?? keyId }),
  }
}

async function note(
  api: SpawnpointApi,
  by: Principal,
  sandbox: Sandbox,
  port: number,
  share: z.output<typeof shareSchema>,
): Promise<void> {
  const text = JSON.stringify(share)
  if (text.length > MAX_LABEL_CHARS) throw invalidArgument('body.embed_origins', 'too long in all')
  await api.sandboxes.update(by, sandbox.id, { changeLabels: { ...overOf(sandbox), [labelOf(port)]: text } })
}

/** What was minted stays good until it expires. */
export async function forgetShares(
  api: SpawnpointApi,
  by: Principal,
  { id, labels }: Sandbox,
  port: number | undefined,
): Promise<void> {
  const keys = Object.keys(labels).filter((key) =>
    port === undefined ? key.startsWith(`${OWN.service}.`) : key === labelOf(port),
  )
  if (keys.length === 0) return
  await api.sandboxes.update(by, id, { changeLabels: Object.fromEntries(keys.map((key) => [key, null])) })
}

/** Notes of what has expired go with the next one. */
function overOf(sandbox: Sandbox): Record<string, null> {
  const lasting = new Set(allOf(sandbox).map(({ port }) => labelOf(port)))
  const noted = Object.keys(sandbox.labels).filter((key) => key.startsWith(`${OWN.service}.`))
  return Object.fromEntries(noted.filter((key) => !lasting.has(key)).map((key) => [key, null]))
}
