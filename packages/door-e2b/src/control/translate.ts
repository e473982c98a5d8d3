import { may, type Principal, type Sandbox } from '@spawnpoint/core'
import { isSecure } from '../secure.ts'
import { ENVD_TOKEN, TRAFFIC_TOKEN } from '../tokens.ts'
import { CLIENT_ID, ENVD_VERSION } from '../version.ts'
import type { DoorContext } from './door-context.ts'
import { isPublic, networkJson } from './network.ts'
import { resourcesJson } from './resources.ts'
import { shownState } from './states.ts'
import type { TemplateOf } from './template-names.ts'

/** What is said to end a sandbox that has no timeout: clients want a date, and some compute with it. */
const NEVER = '9999-01-01T00:00:00.000Z'

/** What a client needs to reach a sandbox. */
export async function sandboxJson(context: DoorContext, templates: TemplateOf, sandbox: Sandbox, host: string) {
  return {
    ...(await identityJson(templates, sandbox)),
    ...reachJson(context, sandbox, host),
    trafficAccessToken: trafficToken(context, sandbox),
  }
}

export async function listedJson(context: DoorContext, templates: TemplateOf, sandbox: Sandbox, by: Principal) {
  return {
    ...(await identityJson(templates, sandbox)),
    startedAt: startTime(sandbox).toISOString(),
    endAt: endTime(sandbox),
    state: shownState(sandbox) ?? 'running',
    ...resourcesJson(context.api, sandbox.resources),
    metadata: sandbox.labels,
    ...(sandbox.volumes.length === 0 ? {} : { volumeMounts: await mountsJson(context, by, sandbox) }),
  }
}

/** Without the token of its agent for who may only read: that opens more. */
export async function detailJson(
  context: DoorContext,
  templates: TemplateOf,
  sandbox: Sandbox,
  { by, host }: { by: Principal; host: string },
) {
  const network = networkJson(sandbox)
  const { envdAccessToken: token, ...reach } = reachJson(context, sandbox, host)
  return {
    ...(await listedJson(context, templates, sandbox, by)),
    ...reach,
    ...(token === undefined || !may(by, 'write') ? {} : { envdAccessToken: token }),
    allowInternetAccess: sandbox.network.internet,
    ...(network === undefined ? {} : { network }),
    ...pauseJson(sandbox),
    lifecycle: {
      onTimeout: sandbox.timeout.onTimeout === 'kill' ? 'kill' : 'pause',
      autoResume: sandbox.timeout.autoResume,
    },
  }
}

/** What was kept of it, once that is sure. */
function pauseJson({ state }: Sandbox): { pauseMode?: 'full' | 'filesystem' } {
  if (state === 'paused') return { pauseMode: 'full' }
  return state === 'stopped' || state === 'failed' ? { pauseMode: 'filesystem' } : {}
}

/** A volume cannot be deleted while it is mounted. */
function mountsJson({ api }: DoorContext, by: Principal, { volumes }: Sandbox) {
  return Promise.all(
    volumes.map(async ({ volumeId, path }) => ({ name: (await api.volumes.get(by, volumeId)).name, path })),
  )
}

/** When it began to run, which is also where it stands in a list. */
export function startTime(sandbox: Sandbox): Date {
  return sandbox.startedAt ?? sandbox.createdAt
}

function endTime(sandbox: Sandbox): string {
  return (sandbox.haltedAt ?? sandbox.expiresAt)?.toISOString() ?? NEVER
}

async function identityJson(templates: TemplateOf, sandbox: Sandbox) {
  const { templateID, alias } = await templates(sandbox)
  return {
    templateID,
    sandboxID: sandbox.id,
    clientID: CLIENT_ID,
    envdVersion: ENVD_VERSION,
    ...(alias === null ? {} : { alias }),
  }
}

function reachJson(context: DoorContext, sandbox: Sandbox, host: string): { domain: string; envdAccessToken?: string } {
  return { domain: domainOf(context, host), ...agentToken(context, sandbox) }
}

export function domainOf({ domain }: DoorContext, host: string): string {
  return domain ?? domainFrom(host)
}

/**
 * For a server without a domain: clients that are given none turn to their vendor's, with the token. Below `localhost`
 * every server on this machine has names for ports, if only without TLS.
 */
function domainFrom(host: string): string {
  return host.replace(/^(127\.\d+\.\d+\.\d+|\[::1\])(?=:|$)/, 'localhost')
}

/** All that a client of a sandbox it was given by no more than its id has to know. */
export function sandboxTokens(context: DoorContext, sandbox: Sandbox) {
  const traffic = trafficToken(context, sandbox)
  return {
    envdVersion: ENVD_VERSION,
    ...agentToken(context, sandbox),
    ...(traffic === null ? {} : { trafficAccessToken: traffic }),
  }
}

function agentToken({ api }: DoorContext, sandbox: Sandbox): { envdAccessToken?: string } {
  return isSecure(sandbox) ? { envdAccessToken: api.tokens.issue(ENVD_TOKEN, sandbox.id) } : {}
}

/** What programs that are not open to everybody ask for. */
export function trafficToken({ api }: DoorContext, sandbox: Sandbox): string | null {
  return isPublic(sandbox.ingress) ? null : api.tokens.issue(TRAFFIC_TOKEN, sandbox.id)
}
