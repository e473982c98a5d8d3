import { type Principal, SpawnpointError, type TokensApi } from '@spawnpoint/core'

const PURPOSE = 'langsmith-service'

/** Opens one port of one sandbox until `expiresAt`. Rejects `forbidden` for who may only read. */
export async function issueServiceToken(
  tokens: TokensApi,
  by: Principal,
  { id, port }: { id: string; port: number },
  expiresAt: Date,
): Promise<string> {
  const until = expiresAt.getTime().toString(36)
  return `${until}.${await tokens.issueFor(by, PURPOSE, `${id} ${port} ${until}`)}`
}

/** When it expires. Rejects `unauthenticated` for one that opens nothing, or does so no longer. */
export function checkServiceToken(tokens: TokensApi, { id, port }: { id: string; port: number }, token: string): Date {
  const [, until = '', proof = ''] = /^([0-9a-z]{1,10})\.([0-9a-f]{64})$/.exec(token) ?? []
  if (!tokens.verify(PURPOSE, `${id} ${port} ${until}`, proof))
    throw new SpawnpointError('unauthenticated', 'Authentication required', {})
  const expiresAt = new Date(Number.parseInt(until, 36))
  if (expiresAt.getTime() <= Date.now()) throw new SpawnpointError('unauthenticated', 'Service link has expired', {})
  return expiresAt
}
