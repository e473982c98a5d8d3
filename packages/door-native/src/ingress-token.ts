import type { IncomingMessage } from 'node:http'
import type { Sandbox, SpawnpointApi } from '@spawnpoint/core'

/** Request header, in lower case, that shows a sandbox's token to its ports; the programs do not see it */
export const INGRESS_TOKEN_HEADER = 'spawnpoint-token'
export const INGRESS_PURPOSE = 'ingress'

/** Whether a request shows the token of this sandbox. For whoever passes traffic on to ports. */
export function showsIngressToken(api: SpawnpointApi): (req: IncomingMessage, sandbox: Sandbox) => boolean {
  return (req, sandbox) => {
    const shown = req.headers[INGRESS_TOKEN_HEADER]
    return typeof shown === 'string' && api.tokens.verify(INGRESS_PURPOSE, sandbox.id, shown)
  }
}
