import type { IngressPolicy, Sandbox } from '@spawnpoint/core'

/** Port of E2B's agent, which the server answers itself. */
export const ENVD_PORT = 49_983

/** Entry of an ingress policy that lets everybody at the agent; without it a token is asked for. */
export const INSECURE_PORTS: IngressPolicy['ports'] = { [ENVD_PORT]: 'open' }

/** The agent of the sandbox asks for its token. */
export function isSecure({ ingress }: Pick<Sandbox, 'ingress'>): boolean {
  return ingress.ports[ENVD_PORT] !== 'open'
}
