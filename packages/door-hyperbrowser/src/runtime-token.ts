import type { SpawnpointApi } from '@spawnpoint/core'

/** Milliseconds; the client asks for another one a minute before. */
const LIFE_MS = 3_600_000
const PURPOSE = 'hyperbrowser-runtime'
const TOKEN = /^(\d{1,16})\.([0-9a-f]{64})$/

export interface RuntimeToken {
  token: string
  expiresAt: Date
}

/** Opens the inside of one sandbox for an hour. Nothing of it is kept: it says itself how long it holds. */
export function issueRuntimeToken({ tokens }: SpawnpointApi, sandboxId: string, now = Date.now()): RuntimeToken {
  const expiresAt = now + LIFE_MS
  return {
    token: `${expiresAt}.${tokens.issue(PURPOSE, `${sandboxId} ${expiresAt}`)}`,
    expiresAt: new Date(expiresAt),
  }
}

export function isRuntimeToken({ tokens }: SpawnpointApi, sandboxId: string, token: string, now = Date.now()): boolean {
  const [, expiresAt = '', proof = ''] = TOKEN.exec(token) ?? []
  return tokens.verify(PURPOSE, `${sandboxId} ${expiresAt}`, proof) && Number(expiresAt) > now
}

export function bearerOf(authorization: string | undefined): string {
  return /^Bearer +(\S{1,512}) *$/i.exec(authorization ?? '')?.[1] ?? ''
}
