import type { IncomingMessage } from 'node:http'
import type { FileAccess, Sandbox } from '@spawnpoint/core'

const NAME_MAX = 128

/** User that a request names by basic authorization, without a password; `undefined` for the sandbox's default one. */
export function userOf(req: IncomingMessage): string | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=]{1,512}) *$/i.exec(req.headers.authorization ?? '')?.[1]
  return encoded === undefined ? undefined : userNamed(Buffer.from(encoded, 'base64').toString('utf8').split(':', 1)[0])
}

/** A name as it can be one; whether there is such a user is the guest's to say. */
export function userNamed(name: string | null | undefined): string | undefined {
  return name === null || name === undefined || name === '' ? undefined : name.replaceAll('\0', '').slice(0, NAME_MAX)
}

/** The agent is root, and what it makes belongs to the user. */
export function on(user: string | undefined): FileAccess {
  return user === undefined ? {} : { owner: user }
}

/** A path of a request; none means the working directory. */
export function pathOf(path: string, sandbox: Sandbox): string {
  return path === '' ? sandbox.defaults.workdir || '~' : path
}
