import { type CreateSandboxRequest, type IngressPolicy, invalidArgument, type TimeoutPolicy } from '@spawnpoint/core'
import { ENVD_PORT, INSECURE_PORTS } from '../secure.ts'
import { registered } from './iam-tokens.ts'
import { egressOf } from './network.ts'
import { credentialsOf } from './network-rules.ts'
import type { CreateBody } from './schemas.ts'
import { lifetimeMs } from './timeouts.ts'

/** What differs between the older and the newer call. */
export interface CreateDefaults {
  timeoutS: number
  /** The agent asks for its token whatever the request says */
  alwaysSecure: boolean
}

export const CREATE_V1: CreateDefaults = { timeoutS: 15, alwaysSecure: false }
export const CREATE_V2: CreateDefaults = { timeoutS: 300, alwaysSecure: true }

export function createRequest(body: CreateBody, defaults: CreateDefaults): CreateSandboxRequest {
  refuseUnsupported(body)
  // Left out it is not said to be insecure either: the clients that can say it always do.
  const secure = defaults.alwaysSecure || body.secure !== false
  if (!secure && body.network?.allowPublicTraffic === false) {
    throw invalidArgument('network.allowPublicTraffic', 'a sandbox whose traffic is not public must be secure')
  }
  return {
    from: body.templateID,
    // What is not said comes with the memory of a snapshot.
    ...((body.volumeMounts ?? []).length === 0
      ? {}
      : { volumes: body.volumeMounts?.map(({ name, path }) => ({ volume: name, path })) }),
    env: body.envVars,
    labels: body.metadata,
    network: egressOf({
      allowOut: body.network?.allowOut,
      denyOut: body.network?.denyOut,
      dnsServers: body.network?.dnsServers,
      allowInternetAccess: body.allow_internet_access,
      rules: body.network?.rules,
    }),
    credentials: [...credentialsOf(body.network?.rules, audiencesOf(body)), ...registered(audiencesOf(body))],
    ingress: ingressOf({ ...body.network, secure }),
    timeout: timeoutOf(body, defaults),
  }
}

function audiencesOf({ iam }: CreateBody): Record<string, string> {
  return Object.fromEntries(Object.entries(iam?.tokens ?? {}).map(([name, { audience }]) => [name, audience]))
}

export function ingressOf(asked: {
  secure?: boolean | undefined
  allowPublicTraffic?: boolean | undefined
  maskRequestHost?: string | undefined
  httpsPorts?: number[] | undefined
}): Partial<IngressPolicy> {
  return {
    default: asked.allowPublicTraffic === false ? 'token' : 'open',
    ports: asked.secure === false ? INSECURE_PORTS : {},
    hostHeader: asked.maskRequestHost ?? null,
    ...tlsPorts(asked.httpsPorts),
  }
}

/** Of programs that speak TLS themselves. */
export function tlsPorts(asked: number[] | undefined): { tlsPorts?: number[] } {
  if (asked === undefined) return {}
  if (asked.includes(ENVD_PORT)) throw invalidArgument('network.httpsPorts', `not ${ENVD_PORT}, which is the agent's`)
  return { tlsPorts: asked }
}

function timeoutOf(body: CreateBody, { timeoutS }: CreateDefaults): Partial<TimeoutPolicy> {
  const autoResume = body.autoResume?.enabled ?? false
  if (body.autoPauseMemory === false && body.autoPause !== true) {
    throw invalidArgument('autoPauseMemory', 'says how to pause: it needs autoPause')
  }
  if (body.autoPauseMemory === false && autoResume) {
    throw invalidArgument('autoResume', 'what is paused without its memory cannot be resumed by traffic')
  }
  return {
    timeoutMs: lifetimeMs(body.timeout ?? timeoutS),
    onTimeout: body.autoPause === true ? (body.autoPauseMemory === false ? 'stop' : 'pause') : 'kill',
    autoResume,
  }
}

/** Nothing that was asked for is left out in silence. */
export function refuseUnsupported(body: { network?: { egressProxy?: object | undefined } | undefined }): void {
  const asked = {
    'network.egressProxy': body.network?.egressProxy !== undefined,
  }
  for (const [path, wanted] of Object.entries(asked)) {
    if (wanted) throw invalidArgument(path, 'not supported by this server')
  }
}
