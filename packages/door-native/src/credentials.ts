import type { IncomingHttpHeaders } from 'node:http'
import { type Principal, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'

const KEY_MAX = 512
/** Browsers cannot set headers on a WebSocket; they offer the key as a subprotocol of this form. */
export const KEY_SUBPROTOCOL = 'spawnpoint.key.'

/** Where a request carried its key; `header` must not reach programs in a sandbox. */
export interface Credentials {
  key: string
  header: 'authorization' | 'x-api-key' | 'sec-websocket-protocol'
}

export function credentialsOf(headers: IncomingHttpHeaders): Credentials | null {
  const apiKey = headers['x-api-key']
  if (typeof apiKey === 'string' && apiKey !== '') return { key: apiKey, header: 'x-api-key' }
  const bearer = /^Bearer +([^\s]+) *$/i.exec((headers.authorization ?? '').slice(0, KEY_MAX + 16))
  if (bearer?.[1] !== undefined) return { key: bearer[1], header: 'authorization' }
  const protocols = headers['sec-websocket-protocol']?.split(',').map((text) => text.trim())
  const offered = protocols?.find((text) => text.startsWith(KEY_SUBPROTOCOL))
  if (offered !== undefined) return { key: offered.slice(KEY_SUBPROTOCOL.length), header: 'sec-websocket-protocol' }
  return null
}

/** Rejects `unauthenticated` if the key is missing, unknown or revoked. */
export async function authenticate(
  api: SpawnpointApi,
  headers: IncomingHttpHeaders,
): Promise<{ by: Principal; credentials: Credentials }> {
  const credentials = credentialsOf(headers)
  if (credentials === null || credentials.key.length > KEY_MAX) {
    throw new SpawnpointError('unauthenticated', 'Send "Authorization: Bearer KEY" or "X-API-Key: KEY"', {})
  }
  return { by: await api.authenticate(credentials.key), credentials }
}
