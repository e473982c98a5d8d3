import { type Principal, SpawnpointError, type TokensApi } from '@spawnpoint/core'

const PURPOSE = 'langsmith-service'

interface Service {
  id: string
  port: number
}

/** What a token opens, besides a port: pages that may show it in a frame are bound into it. */
export interface ServiceToken {
  expiresAt: Date
  origins: string[]
}

/** Opens one port of one sandbox until `expiresAt`. Rejects `forbidden` for who may only read. */
export async function issueServiceToken(
  tokens: TokensApi,
  by: Principal,
  service: Service,
  { expiresAt, origins }: ServiceToken,
): Promise<string> {
  const said = [expiresAt.getTime().toString(36), ...(origins.length === 0 ? [] : [encoded(origins)])].join('.')
  return `${said}.${await tokens.issueFor(by, PURPOSE, subjectOf(service, said))}`
}

/** Rejects `unauthenticated` for one that opens nothing, or does so no longer. */
export function checkServiceToken(tokens: TokensApi, service: Service, token: string): ServiceToken {
  const [, said = '', until = '', origins = '', proof = ''] =
    /^(([0-9a-z]{1,10})(?:\.([A-Za-z0-9_-]{1,1024}))?)\.([0-9a-f]{64})$/.exec(token) ?? []
  if (!tokens.verify(PURPOSE, subjectOf(service, said), proof))
    throw new SpawnpointError('unauthenticated', 'Authentication required', {})
  const expiresAt = new Date(Number.parseInt(until, 36))
  if (expiresAt.getTime() <= Date.now()) throw new SpawnpointError('unauthenticated', 'Service link has expired', {})
  return { expiresAt, origins: Buffer.from(origins, 'base64url').toString().split(' ').filter(Boolean) }
}

function subjectOf({ id, port }: Service, said: string): string {
  return `${id} ${port} ${said}`
}

function encoded(origins: readonly string[]): string {
  return Buffer.from(origins.join(' ')).toString('base64url')
}
