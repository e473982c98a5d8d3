import { type Answer, type AnyRoute, route } from '@spawnpoint/door-kit'

/**
 * The vendor's secrets become variables of processes. The secrets that are kept here are put into requests and never enter a
 * sandbox, so none of them can stand for one of those. Clients know this answer and do not repeat the call.
 */
export const NO_SECRETS: Answer = {
  status: 503,
  body: {
    code: 'SECRETS_NOT_CONFIGURED',
    message: 'There are no vaults here, and no secrets for processes: variables can be given as env',
    retryable: false,
  },
}

const METHODS = ['GET', 'POST', 'PATCH', 'DELETE'] as const

/** What a client calls to keep secrets and vaults. */
export function noSecretRoutes(): AnyRoute[] {
  const paths = ['secrets', 'vaults'].flatMap((name) => [`/api/${name}`, `/api/${name}/*`])
  return paths.flatMap((path) => METHODS.map((method) => route({ method, path, handle: async () => NO_SECRETS })))
}

/** Whether a start asks for any; nothing at all does not. */
export function wantsSecrets({ secrets, vault, onePassword }: Record<'secrets' | 'vault' | 'onePassword', unknown>) {
  const isNone = (given: unknown) =>
    given === undefined || (typeof given === 'object' && given !== null && Object.keys(given).length === 0)
  return ![secrets, vault, onePassword].every(isNone)
}
