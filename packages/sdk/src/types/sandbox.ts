import type { Env, Labels } from './common.ts'
import type { CredentialRule, SetCredentialRule } from './credential.ts'
import type { BringRemote, Remote } from './remote.ts'
import type { NewSandboxSchedule } from './schedule.ts'
import type { MountVolume, VolumeMount } from './volume.ts'

export type SandboxState =
  | 'creating'
  | 'running'
  | 'snapshotting'
  | 'pausing'
  | 'paused'
  | 'resuming'
  | 'stopping'
  | 'stopped'
  | 'starting'
  | 'rolling_back'
  | 'killing'
  | 'killed'
  | 'failed'

export interface Resources {
  /** Processors, whole or in part */
  cpus: number
  /** Memory of processes and tmpfs, in bytes */
  memoryBytes: number
  /** Root filesystem, in bytes, including what the image brings */
  diskBytes: number
  /** Processes and threads */
  maxProcesses: number
}

export interface NetworkPolicy {
  /** Outbound connections at all */
  internet: boolean
  /**
   * CIDRs, each with `:PORT` behind it for that TCP port alone. With precedence `deny`, only what `allow` and `allowDomains` name is
   * reachable (everything, if both are empty), except for what `deny` names. With precedence `allow`, everything is reachable,
   * except for what `deny` names and neither `allow` nor `allowDomains` does.
   */
  allow: string[]
  deny: string[]
  /**
   * Host names that are reachable whatever their addresses are: over TLS on port 443 and HTTP on port 80 or, with `:PORT` behind the
   * name, on that TCP port alone. `*.name` stands for all names below it, `~EXPRESSION` for those in which an RE2 expression is
   * found. The name servers are then reachable too.
   */
  allowDomains: string[]
  /**
   * Host names, written the same way, that are never reachable: name servers do not resolve them, and connections to ports 443 and
   * 80 are judged by the host name that they ask for, and refused if they name none. With `:PORT` behind a name, that TCP port is
   * shut at every address that `allowDomains` does not open, since nothing says which name such a connection is for. Default none
   */
  denyDomains?: string[] | undefined
  precedence: 'deny' | 'allow'
}

export interface TimeoutPolicy {
  /** Milliseconds from creation, resume or extension to expiry; `null` for never */
  timeoutMs: number | null
  /** Milliseconds without any request to the sandbox until `onTimeout` happens; `null` for never */
  idleTimeoutMs: number | null
  /** What happens when either time has passed. `stop` keeps the filesystem and ends the processes */
  onTimeout: 'kill' | 'pause' | 'stop'
  /** A use of the paused or stopped sandbox first brings it back; its timeout counts anew */
  autoResume: boolean
  /** Milliseconds paused, stopped or failed until it is killed, counted from `haltedAt`; `null` for never */
  deleteAfterMs: number | null
}

export type PortAccess = 'open' | 'token' | 'closed'

/** Who can reach programs in a sandbox through its own address: anybody, whoever shows a token, or nobody. */
export interface IngressPolicy {
  /** For ports that are not in `ports` */
  default: PortAccess
  /** By port number */
  ports: Record<string, PortAccess>
  /** Host header that programs get; `${PORT}` in it stands for the port. `null` for the one that the client sent */
  hostHeader: string | null
  /** Ports whose programs speak TLS themselves; their certificates are not checked. Default none */
  tlsPorts?: number[] | undefined
}

export type FailureReason =
  | 'out_of_memory'
  | 'runtime_exited'
  | 'host_restarted'
  | 'create_failed'
  | 'resume_failed'
  | 'interrupted'
  | 'guest_unresponsive'

export interface SandboxInfo {
  id: string
  name: string | null
  state: SandboxState
  failure: { reason: FailureReason; detail: string } | null
  /** `name` is `null` if the image is deleted */
  image: { id: string; name: string | null }
  /** Snapshot it was started from or last rolled back to */
  sourceSnapshotId: string | null
  /** Snapshot it was started from; `null` where an image was booted for it */
  originSnapshotId: string | null
  /** Sandbox it was forked from */
  parentSandboxId: string | null
  env: Env
  labels: Labels
  resources: Resources
  volumes: VolumeMount[]
  remotes: Remote[]
  network: NetworkPolicy
  credentials: CredentialRule[]
  ingress: IngressPolicy
  timeout: TimeoutPolicy
  /** How often this line of memory was restored; programs inside can watch it in `/run/spawnpoint/generation` */
  generation: number
  createdAt: Date
  /** Beginning of the present life of its processes */
  startedAt: Date | null
  /** While it runs: when `timeout.onTimeout` happens */
  expiresAt: Date | null
  /** Since when it is paused, stopped or failed */
  haltedAt: Date | null
  endedAt: Date | null
}

/** What a request may set for a new sandbox. What is absent comes from the image or snapshot, else from the server. */
export interface SandboxOverrides {
  /** Unique among the team's living sandboxes; `[A-Za-z0-9][A-Za-z0-9._-]{0,127}` */
  name?: string | undefined
  /** Added to the source's */
  env?: Env | undefined
  labels?: Labels | undefined
  resources?: Partial<Resources> | undefined
  network?: Partial<NetworkPolicy> | undefined
  /** What is put into requests to named hosts; a fork's child has its parent's */
  credentials?: SetCredentialRule[] | undefined
  ingress?: Partial<IngressPolicy> | undefined
  timeout?: Partial<TimeoutPolicy> | undefined
}

/** Exactly one of `image`, `snapshot` and `from`, each by id, name, `NAME:TAG` or `NAME@ID`. */
export interface CreateSandbox extends SandboxOverrides {
  image?: string | undefined
  snapshot?: string | undefined
  /** An image or a snapshot, whichever it names */
  from?: string | undefined
  /** Boot from the filesystem alone, without any memory */
  cold?: boolean | undefined
  /** Made together with the sandbox: either both are made, or neither */
  schedule?: NewSandboxSchedule | undefined
  /** Default: those that the memory of the snapshot holds on to, if any */
  volumes?: MountVolume[] | undefined
  /** Absent for those that the snapshot carries; brought anew before the sandbox runs */
  remotes?: BringRemote[] | undefined
}

export interface UpdateSandbox {
  name?: string | null | undefined
  /** Replaces all labels */
  labels?: Labels | undefined
  /** Replaces all of its own variables, for processes started from now on */
  env?: Env | undefined
  /** From its next start or resume, but the disk at once, which only grows; memory of what runs only grows */
  resources?: Partial<Pick<Resources, 'cpus' | 'memoryBytes' | 'diskBytes'>> | undefined
  network?: Partial<NetworkPolicy> | undefined
  /** Replaces all of them */
  credentials?: SetCredentialRule[] | undefined
  /** `ports` replaces all of them */
  ingress?: Partial<IngressPolicy> | undefined
  /** `timeoutMs` counts from now; for a paused or stopped sandbox only the policy changes */
  timeout?: Partial<TimeoutPolicy> | undefined
  /** A `timeoutMs` that would bring the expiry closer changes nothing; default false */
  extendOnly?: boolean | undefined
}

/** Changes made together with a transition back to running; of a sandbox that runs already, nothing is changed. */
export interface BringBack {
  /** Becomes the policy's `timeoutMs`, counted from when the sandbox runs */
  timeoutMs?: number | null | undefined
}

/** `origin`: what the sandbox was started from: the snapshot, or the image booted anew. */
export type RollBack = { snapshot: string } | { origin: true }

export interface SandboxFilter {
  /** Default: every living state */
  states?: SandboxState[] | undefined
  name?: string | undefined
  labels?: Labels | undefined
  image?: string | undefined
  snapshot?: string | undefined
}

export interface Fork {
  /** 1 to 100; default 1 */
  count?: number | undefined
  /** `all_or_nothing`, the default: one failure undoes all. `best_effort`: what came up stays. */
  mode?: 'all_or_nothing' | 'best_effort' | undefined
  /** For every child */
  overrides?: Omit<SandboxOverrides, 'name'> | undefined
  /** For child n, over `overrides` field by field; at most `count` entries */
  children?: SandboxOverrides[] | undefined
}

export interface Metrics {
  /** Processor time since the present life began, as the host sees it */
  cpuMs: number
  memoryBytes: number
  diskBytes: number
  resources: Resources
  /** What the agent inside says; `null` unless asked for */
  inside: {
    cpuMs: number
    memoryUsedBytes: number
    memoryTotalBytes: number
    diskUsedBytes: number
    diskTotalBytes: number
    processes: number
  } | null
}

/** What a sandbox used at one moment, as the host sees it. */
export interface SandboxMetrics {
  at: Date
  /** Processors it may use */
  cpus: number
  /** Share of these used since the sample before, 0 to 100 */
  cpuUsedPercent: number
  memoryUsedBytes: number
  memoryTotalBytes: number
  /** Of files, on top of `memoryUsedBytes`; 0 where the host does not tell */
  memoryCacheBytes: number
  diskUsedBytes: number
  diskTotalBytes: number
}

/** What to show to ports whose ingress policy is `token`. */
export interface IngressToken {
  token: string
  /** Request header to show it in */
  header: string
}
