import type { IncomingHttpHeaders } from 'node:http'
import { type Principal, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'

const KEY_MAX = 512

/** Rejects `unauthenticated` if the key is missing, unknown or revoked. */
export async function authenticate(api: SpawnpointApi, headers: IncomingHttpHeaders): Promise<Principal> {
  const key = keyOf(headers)
  if (key === null || key.length > KEY_MAX) {
    throw new SpawnpointError('unauthenticated', 'Send your API key in the X-API-Key header', {})
  }
  return api.authenticate(key)
}

function keyOf(headers: IncomingHttpHeaders): string | null {
  const apiKey = headers['x-api-key']
  if (typeof apiKey === 'string' && apiKey !== '') return apiKey
  const bearer = /^Bearer +([^\s]+) *$/i.exec((headers.authorization ?? '').slice(0, KEY_MAX + 16))
  return bearer?.[1] ?? null
}
