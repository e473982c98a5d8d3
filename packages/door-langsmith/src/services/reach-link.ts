import type { IncomingMessage } from 'node:http'
import { type Principal, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { BASES } from '../address.ts'
import { readDownloadToken } from './download-token.ts'
import { sandboxOf, serviceOf } from './service-path.ts'

/**
 * On whose behalf an address with a token in it acts; `null` for every other. Rejects `unauthenticated`. What a service's
 * token is good for is looked at by the route: it may send a browser to where it gets one.
 */
export async function reachLink(api: SpawnpointApi, req: IncomingMessage): Promise<Principal | null> {
  const service = serviceOf(req.url ?? '/')
  if (service !== null) return (await sandboxOf(api, service)).by
  const [path = '', search = ''] = (req.url ?? '/').split('?', 2)
  if (!BASES.some((base) => path === `${base}/downloads`)) return null
  const { id } = readDownloadToken(api.tokens, new URLSearchParams(search).get('token') ?? '')
  const reached = await api.sandboxes.reach(id)
  if (reached === null) throw new SpawnpointError('unauthenticated', 'Invalid download link', {})
  return reached.by
}
