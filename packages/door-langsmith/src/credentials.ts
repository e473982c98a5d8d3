import type { IncomingHttpHeaders } from 'node:http'
import { type Principal, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'

export const KEY_HEADER = 'x-api-key'
const KEY_MAX = 512

export async function authenticate(api: SpawnpointApi, headers: IncomingHttpHeaders): Promise<Principal> {
  const key = headers[KEY_HEADER]
  if (typeof key !== 'string' || key === '') throw new SpawnpointError('unauthenticated', 'API key is required', {})
  return api.authenticate(key.slice(0, KEY_MAX))
}
