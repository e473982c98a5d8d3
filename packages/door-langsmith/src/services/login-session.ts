import type { KeyId, Principal, Sandbox, SpawnpointApi } from '@spawnpoint/core'
import { SpawnpointError } from '@spawnpoint/core'
import { everyPage } from '@spawnpoint/door-kit'
import { OWN } from '../labels.ts'
import { type LoginShare, loginOf } from './shares.ts'

const PURPOSE = 'langsmith-login'
const SESSION_MS = 12 * 3_600_000

interface Reached {
  by: Principal
  sandbox: Sandbox
}

/** Somebody who has signed in with an API key, and until when that holds. */
export interface Session {
  keyId: KeyId
  member: string | null
  expiresAt: Date
  share: LoginShare
}

/** For the browser of whom an API key is. Rejects `unauthenticated` and `forbidden`. */
export async function openSession(
  api: SpawnpointApi,
  { sandbox }: Reached,
  port: number,
  key: string,
): Promise<{ token: string; share: LoginShare }> {
  const share = loginOf(sandbox, port)
  if (share === undefined) throw new SpawnpointError('unauthenticated', 'The port is not shared', {})
  const who = await api.authenticate(key)
  if (who.teamId !== sandbox.teamId || who.keyId === null)
    throw new SpawnpointError('unauthenticated', 'This API key is of another team', {})
  mustBeLetIn(share, sandbox, { id: who.keyId, scopes: who.scopes ?? [] })
  const said = `${(Date.now() + SESSION_MS).toString(36)}.${who.keyId}`
  return { token: `login.${said}.${api.tokens.issue(PURPOSE, subjectOf(sandbox, port, share, said))}`, share }
}

/** `null` for a token of another kind. Rejects `unauthenticated` once it is over, the port not shared, or the key revoked. */
export async function sessionOf(
  api: SpawnpointApi,
  { by, sandbox }: Reached,
  port: number,
  token: string,
): Promise<Session | null> {
  if (!token.startsWith('login.')) return null
  const [, said = '', until = '', keyId = '', proof = ''] =
    /^login\.(([0-9a-z]{1,10})\.([0-9a-f]{24}))\.([0-9a-f]{64})$/.exec(token) ?? []
  const share = loginOf(sandbox, port)
  const expiresAt = new Date(Number.parseInt(until, 36))
  if (share === undefined || !api.tokens.verify(PURPOSE, subjectOf(sandbox, port, share, said), proof))
    throw new SpawnpointError('unauthenticated', 'Authentication required', {})
  const keys = await everyPage((page) => api.keys.list(by, page))
  const key = keys.find(({ id, revokedAt }) => id === keyId && revokedAt === null)
  if (key === undefined || expiresAt.getTime() <= Date.now())
    throw new SpawnpointError('unauthenticated', 'Sign in again', {})
  mustBeLetIn(share, sandbox, key)
  return { keyId: key.id, member: key.member, expiresAt, share }
}

/** All of the team, or who made the box and those who may run things in it. */
function mustBeLetIn({ access }: LoginShare, { labels }: Sandbox, key: { id: KeyId; scopes: readonly string[] }): void {
  if (access === 'workspace' || key.scopes.includes('write') || labels[OWN.createdBy] === key.id) return
  throw new SpawnpointError('forbidden', 'This API key may not use boxes', { what: 'service' })
}

/** Sharing a port again does not bring back who had signed in before. */
function subjectOf({ id }: Sandbox, port: number, { created_at }: LoginShare, said: string): string {
  return `${id} ${port} ${created_at} ${said}`
}
