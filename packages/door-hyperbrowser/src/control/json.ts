import {
  may,
  type NetworkPolicy,
  type Principal,
  type Resources,
  type Sandbox,
  type SandboxState,
  type Snapshot,
  type SpawnpointApi,
} from '@spawnpoint/core'
import { browserUrl } from '../exposed-ports.ts'
import { exposedUrl, type Origin, runtimeAddress } from '../runtime-address.ts'
import { issueRuntimeToken } from '../runtime-token.ts'
import { imageById, type NamedImage } from './images.ts'

const MIB = 2 ** 20

/** There is no state of rest here: what rests comes back when it is used. */
export const STATUSES: { readonly [S in SandboxState]: 'active' | 'closed' | 'error' } = {
  creating: 'active',
  running: 'active',
  snapshotting: 'active',
  pausing: 'active',
  paused: 'active',
  resuming: 'active',
  stopping: 'active',
  stopped: 'active',
  starting: 'active',
  rolling_back: 'active',
  killing: 'closed',
  killed: 'closed',
  failed: 'error',
}

export const SNAPSHOT_STATUSES = {
  creating: 'creating',
  ready: 'created',
  failed: 'failed',
  // On the way out; not listed.
  trashed: 'failed',
  deleting: 'failed',
} as const

/** Label of a sandbox with the region that it was asked for in. */
export const REGION_LABEL = 'hyperbrowser.region'

/** Label of a sandbox, and of its snapshots, with the name that it asked for its image by, where the image has another. */
export const IMAGE_LABEL = 'hyperbrowser.image'

export function networkJson({ internet, allow, allowDomains, deny }: NetworkPolicy) {
  const plain = (cidr: string) => cidr.replace(/\/32$/, '')
  return { allowInternetAccess: internet, allowOut: [...allow.map(plain), ...allowDomains], denyOut: deny.map(plain) }
}

/** In whole numbers: Python's client takes no others, and loses a whole list over one. */
function sizesJson({ cpus, memoryBytes, diskBytes }: Resources) {
  return { vcpus: Math.ceil(cpus), memMiB: Math.ceil(memoryBytes / MIB), diskSizeMiB: Math.ceil(diskBytes / MIB) }
}

/** Without a session. What opens a port is for who may write. */
export function sandboxJson(
  api: SpawnpointApi,
  by: Principal,
  sandbox: Sandbox,
  origin: Origin,
  domain: string | null,
) {
  const { id, teamId, resources, timeout } = sandbox
  const shown = STATUSES[sandbox.state] === 'closed' || !may(by, 'write') ? {} : sandbox.ingress.ports
  // What is left of one that is being ended is the server's business: to clients it is over.
  const endedAt = sandbox.endedAt ?? (STATUSES[sandbox.state] === 'closed' ? new Date() : null)
  const end = endedAt?.getTime() ?? null
  const start = (sandbox.startedAt ?? sandbox.createdAt).getTime()
  return {
    id,
    teamId,
    status: STATUSES[sandbox.state],
    startTime: start,
    endTime: end,
    createdAt: sandbox.createdAt.toISOString(),
    updatedAt: (endedAt ?? sandbox.startedAt ?? sandbox.createdAt).toISOString(),
    closeReason: sandbox.failure?.detail ?? null,
    dataConsumed: 0,
    proxyDataConsumed: 0,
    usageType: 'sandbox',
    jobId: null,
    launchState: null,
    creditsUsed: null,
    region: sandbox.labels[REGION_LABEL] ?? 'us',
    sessionUrl: `${origin.scheme}://${origin.host}/sandboxes/${id}`,
    duration: Math.max(0, (end ?? Date.now()) - start),
    proxyBytesUsed: 0,
    ...sizesJson(resources),
    timeoutMinutes: timeout.timeoutMs === null ? null : Math.ceil(timeout.timeoutMs / 60_000),
    // None are put into sandboxes.
    containsSecrets: false,
    network: networkJson(sandbox.network),
    runtime: runtimeAddress(origin, domain, id),
    exposedPorts: Object.keys(shown)
      .map((port) => exposureJson(api, sandbox, Number(port), origin, domain))
      .filter((exposure) => exposure !== null),
  }
}

/** Without what opens its inside for who may only read. */
export function detailJson(api: SpawnpointApi, by: Principal, sandbox: Sandbox, origin: Origin, domain: string | null) {
  const json = sandboxJson(api, by, sandbox, origin, domain)
  const session = json.status === 'active' && may(by, 'write') ? issueRuntimeToken(api, sandbox.id) : null
  return {
    ...json,
    token: session?.token ?? null,
    tokenExpiresAt: session?.expiresAt.toISOString() ?? null,
  }
}

/** `null` if the port is not exposed. */
export function exposureJson(
  api: SpawnpointApi,
  { id, ingress }: Sandbox,
  port: number,
  origin: Origin,
  domain: string | null,
) {
  const access = ingress.ports[String(port)] ?? ingress.default
  if (access === 'closed') return null
  const url = exposedUrl(runtimeAddress(origin, domain, id), port)
  if (access === 'open') return { port, auth: false, url, browserUrl: url, browserUrlExpiresAt: null }
  const browser = browserUrl(api, url, id, port)
  return { port, auth: true, url, ...browser, browserUrlExpiresAt: browser.browserUrlExpiresAt.toISOString() }
}

export function imageJson({ name, image, source }: NamedImage, namespace: string) {
  const [command = null, ...args] = image.defaults.startCommand
  return {
    id: image.id,
    imageName: name,
    namespace,
    source,
    imageInit: { env: image.defaults.env, command, args, workingDir: image.defaults.workdir },
    uploaded: true,
    ready: true,
    createdAt: image.createdAt.toISOString(),
    updatedAt: (image.readyAt ?? image.createdAt).toISOString(),
  }
}

export async function snapshotJson(api: SpawnpointApi, by: Principal, snapshot: Snapshot, namespace: string) {
  const image = await imageById(api, by, snapshot.imageId)
  const { [IMAGE_LABEL]: askedFor, ...metadata } = snapshot.labels
  return {
    id: snapshot.id,
    snapshotName: snapshot.name ?? snapshot.id,
    namespace,
    imageNamespace: namespace,
    imageName: askedFor ?? image?.name ?? '',
    imageId: snapshot.imageId,
    status: SNAPSHOT_STATUSES[snapshot.state],
    ...sizesJson(snapshot.resources),
    containsSecrets: false,
    compatibilityTag: snapshot.requirements?.runtimeVersion ?? '',
    metadata,
    uploaded: snapshot.state === 'ready',
    createdAt: snapshot.createdAt.toISOString(),
    updatedAt: (snapshot.readyAt ?? snapshot.createdAt).toISOString(),
  }
}
