import type { Labels, Principal, Sandbox, SpawnpointApi } from '@spawnpoint/core'
import { z } from 'zod'
import { OWN } from '../labels.ts'

/** A port that somebody was given an address of, until its token is over. */
const shareSchema = z.object({ created_at: z.string(), expires_at: z.string(), created_by: z.string().optional() })

const labelOf = (port: number) => `${OWN.service}.${port}`

/** Ports that are shared now, with what is known of that; the tokens themselves are kept nowhere. */
export function sharesOf({ labels }: { labels: Labels }) {
  return Object.entries(labels)
    .flatMap(([key, text]) => {
      const port = key.startsWith(`${OWN.service}.`) ? Number(key.slice(OWN.service.length + 1)) : Number.NaN
      const parsed = Number.isInteger(port) ? shareSchema.safeParse(jsonOf(text)) : undefined
      if (parsed?.success !== true || new Date(parsed.data.expires_at).getTime() <= Date.now()) return []
      return [{ port, access: 'token' as const, ...parsed.data }]
    })
    .sort((a, b) => a.port - b.port)
}

export async function noteShare(
  api: SpawnpointApi,
  by: Principal,
  sandbox: Sandbox,
  { port, expiresAt }: { port: number; expiresAt: Date },
): Promise<void> {
  const before = sharesOf(sandbox).find((one) => one.port === port)
  const until =
    before === undefined ? expiresAt : new Date(Math.max(Date.parse(before.expires_at), expiresAt.getTime()))
  const share: z.output<typeof shareSchema> = {
    created_at: before?.created_at ?? new Date().toISOString(),
    expires_at: until.toISOString(),
    ...(by.keyId === null ? {} : { created_by: before?.created_by ?? by.keyId }),
  }
  await api.sandboxes.update(by, sandbox.id, {
    changeLabels: { ...overOf(sandbox), [labelOf(port)]: JSON.stringify(share) },
  })
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
  const lasting = new Set(sharesOf(sandbox).map(({ port }) => labelOf(port)))
  const noted = Object.keys(sandbox.labels).filter((key) => key.startsWith(`${OWN.service}.`))
  return Object.fromEntries(noted.filter((key) => !lasting.has(key)).map((key) => [key, null]))
}

/** Labels can be changed through other protocols: what is no JSON says nothing. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
