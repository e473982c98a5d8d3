import type { IncomingMessage } from 'node:http'

/** The host, `name[:port]`, that a client has reached this server by; `localhost` where what it says is none. */
export function hostOf({ headers: { host = '' } }: Pick<IncomingMessage, 'headers'>): string {
  return /^[A-Za-z0-9.:[\]_-]{1,255}$/.test(host) && URL.canParse(`http://${host}`) ? host : 'localhost'
}

/**
 * A path to send a browser on to, `/` for what leads to another host: two slashes do, and what browsers take for one, or leave out
 * between them.
 */
export function insideOnly(path: string): string {
  return path.length <= 2048 && /^\/(?![/\\])[\x21-\x7e]*$/.test(path) && !path.includes('\\') ? path : '/'
}
