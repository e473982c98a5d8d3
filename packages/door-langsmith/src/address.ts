import type { IncomingMessage } from 'node:http'
import { hostOf } from '@spawnpoint/door-kit'

export const LANGSMITH_PREFIX = '/langsmith'
/** Newer clients put `/api` before it, older ones do not. */
export const BASES = [`${LANGSMITH_PREFIX}/api/v2/sandboxes`, `${LANGSMITH_PREFIX}/v2/sandboxes`] as const

/** What belongs to the workspace, not to its sandboxes. */
export const WORKSPACE_BASE = `${LANGSMITH_PREFIX}/api/v1`

type Request = Pick<IncomingMessage, 'headers' | 'socket'>

/** How the client reaches this server, as far as it can be told from its request. */
export function originOf({ headers, socket }: Request): string {
  const told = headers['x-forwarded-proto']
  const scheme = told === 'https' || ('encrypted' in socket && socket.encrypted === true) ? 'https' : 'http'
  return `${scheme}://${hostOf({ headers })}`
}

/** Where calls about what is in a sandbox go; without a slash at its end. */
export function dataPlaneUrl(request: Request, id: string): string {
  return `${originOf(request)}${BASES[1]}/${id}`
}
