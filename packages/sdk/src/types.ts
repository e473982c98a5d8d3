/** What the API speaks of. Times are `Date`s here and ISO 8601 text on the wire. */

export type Labels = Record<string, string>
export type Env = Record<string, string>

// ---------------------------------------------------------------- image

export type ImageState = 'building' | 'ready' | 'failed' | 'deleting'

/** What every sandbox made from an image starts with. */
export interface ImageDefaults {
  env: Env
  /** User that processes run as unless told: a name or `uid[:gid]` */
  user: string
  workdir: string
  /** Program started when a sandbox boots; empty for none */
  startCommand: string[]
  /** TCP ports that its programs listen on, as an image from a registry says */
  exposedPorts?: number[] | undefined
}

export type ImageSource =
  | { type: 'debian'; suite: string; packages: string[] }
  /** A root filesystem: the name of a tar file in `imports` of the server's data directory */
  | { type: 'tar'; path: string }
  /**
   * An image of a registry, named as for `docker pull`; or `oci:NAME[:TAG]`, `oci-archive:NAME[:TAG]`,
   * `docker-archive:NAME[:IMAGE]`: a layout or file in `imports` of the server's data directory. `digest` is what it stood
   * for when it was pulled.
   */
  | { type: 'oci'; reference: string; digest?: string | undefined }
  | Recipe

/** Steps run one after the other in a sandbox that starts from `from`; what its files are at the end is the image. */
export interface Recipe {
  type: 'recipe'
  /** Image or snapshot that the first step finds; of a snapshot its files alone */
  from: string
  steps: BuildStep[]
  /** Shell command that runs when a sandbox boots; it already runs, with its memory, in every sandbox of the image */
  startCommand?: string | undefined
  /** Shell command that succeeds once the start command has done its part; without it, 20 s are waited */
  readyCommand?: string | undefined
  /** Runs every step, whatever earlier builds left */
  force?: boolean | undefined
}

/** A step with `force`, and all that follow it, are run whatever earlier builds left. */
export type BuildStep = (
  | { type: 'run'; command: string; user?: string | undefined }
  | {
      type: 'copy'
      /** Key of an uploaded tar archive, plain or gzip; or instead of it `fromImage`, whose files are copied */
      blob?: string | undefined
      fromImage?: string | undefined
      /** Path in the archive or the image, which may have `*`, `?` and `[...]`; of a directory its content is copied */
      source: string
      /** Relative to the working directory; a directory if it ends with `/`, is one, or if several things are copied */
      destination: string
      /** Owner of all that is copied, `user[:group]`; default the user at this step */
      user?: string | undefined
      /** Permission bits of all that is copied; default those in the archive */
      mode?: number | undefined
    }
  | { type: 'env'; env: Env }
  | { type: 'workdir'; path: string }
  | { type: 'user'; user: string }
) & { force?: boolean | undefined }

export interface BuildImage {
  /** `[a-z0-9][a-z0-9._-]{0,63}`; may be used again, and then means the latest ready one */
  name: string
  /** Tags of the name that point to the image once it is ready; `default` is what the bare name means */
  tags?: string[] | undefined
  source: ImageSource
  /** For this pull from a registry; kept nowhere */
  credentials?: { username: string; password: string } | undefined
  defaults?: Partial<Omit<ImageDefaults, 'exposedPorts'>> | undefined
  /** For sandboxes made from it that are not told otherwise; a recipe is built with them too */
  resources?: Partial<Resources> | undefined
  labels?: Labels | undefined
}

export interface Image {
  id: string
  name: string
  state: ImageState
  failure: string | null
  source: ImageSource
  defaults: ImageDefaults
  /** `NAME:TAG` of each tag that points to it */
  tags: string[]
  /** What its sandboxes get unless told; what is absent comes from the server */
  resources: { [R in keyof Resources]?: Resources[R] | undefined }
  /** In its sandboxes the start command runs already, with its memory */
  startsFromMemory: boolean
  /** Image that its recipe began with */
  parentImageId: string | null
  /** Bytes of the root filesystem */
  sizeBytes: number
  labels: Labels
  createdAt: Date
  readyAt: Date | null
}

// ---------------------------------------------------------------- sandbox

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
  /** Root filesystem, in bytes, what the image brings included */
  diskBytes: number
  /** Processes and threads */
  maxProcesses: number
}

export interface NetworkPolicy {
  /** Outbound connections at all */
  internet: boolean
  /**
   * CIDRs. With precedence `deny` only these are reachable (if there is anything in `allow` or `allowDomains`), less what
   * `deny` names; with precedence `allow` everything is, but for what `deny` names and neither of the two lists excepts.
   */
  allow: string[]
  deny: string[]
  /** Host names, or `*.name` for all names below it, reachable over TLS and HTTP on TCP ports 443 and 80 */
  allowDomains: string[]
  precedence: 'deny' | 'allow'
}

export interface TimeoutPolicy {
  /** Milliseconds from creation, resume or extension to expiry; `null` for never */
  timeoutMs: number | null
  /** Milliseconds without a request to the sandbox until `onTimeout` happens; `null` for never */
  idleTimeoutMs: number | null
  /** What then happens. `stop` ends the processes and keeps the filesystem. */
  onTimeout: 'kill' | 'pause' | 'stop'
  /** A use of the paused or stopped sandbox brings it back, its timeout counting anew, and then goes on */
  autoResume: boolean
  /** Milliseconds paused or stopped until it is killed, counted from `haltedAt`; `null` for never */
  deleteAfterMs: number | null
}

export type PortAccess = 'open' | 'token' | 'closed'

/** Who reaches programs in a sandbox through an address of its own: anybody, only who shows a token, nobody. */
export interface IngressPolicy {
  /** For ports that are not in `ports` */
  default: PortAccess
  /** By port number */
  ports: Record<string, PortAccess>
  /** Host header that programs see; `${PORT}` in it stands for the port. `null` for the one that the client sent */
  hostHeader: string | null
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
  network: NetworkPolicy
  ingress: IngressPolicy
  timeout: TimeoutPolicy
  /** Counts restores of this line of memory; programs inside can watch it in `/run/spawnpoint/generation` */
  generation: number
  createdAt: Date
  /** Beginning of the present life of its processes */
  startedAt: Date | null
  /** While it runs: when `timeout.onTimeout` happens */
  expiresAt: Date | null
  /** Since when it is paused or stopped */
  haltedAt: Date | null
  endedAt: Date | null
}

/** What a new sandbox may have of its own; what is absent comes from the image or snapshot, then from the server. */
export interface SandboxOverrides {
  /** Unique among the team's living sandboxes; `[A-Za-z0-9][A-Za-z0-9._-]{0,127}` */
  name?: string | undefined
  /** Added to the source's */
  env?: Env | undefined
  labels?: Labels | undefined
  resources?: Partial<Resources> | undefined
  network?: Partial<NetworkPolicy> | undefined
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
}

export interface UpdateSandbox {
  name?: string | null | undefined
  /** Replaces all labels */
  labels?: Labels | undefined
  /** Replaces all of its own variables, for processes started from now on */
  env?: Env | undefined
  network?: Partial<NetworkPolicy> | undefined
  /** `ports` replaces all of them */
  ingress?: Partial<IngressPolicy> | undefined
  /** `timeoutMs` counts from now; of a paused or stopped sandbox it changes the policy only */
  timeout?: Partial<TimeoutPolicy> | undefined
  /** A `timeoutMs` that would bring the expiry closer changes nothing; default false */
  extendOnly?: boolean | undefined
}

/** Changes made together with a transition back to running; of a sandbox that runs already, nothing is changed. */
export interface BringBack {
  /** Becomes the policy's `timeoutMs`, and counts from when the sandbox runs */
  timeoutMs?: number | null | undefined
}

/** `origin`: what it was started from, its snapshot as that was taken, or its image booted anew. */
export type RollBack = { snapshot: string } | { origin: true }

export interface Team {
  id: string
  name: string
  /** Milliseconds that snapshots are kept unless told otherwise; `null` for ever */
  snapshotRetentionMs: number | null
  createdAt: Date
}

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
  /** For child n, over `overrides`; at most `count` entries */
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

// ---------------------------------------------------------------- snapshot

export type SnapshotKind = 'memory' | 'filesystem'
export type SnapshotState = 'creating' | 'ready' | 'failed' | 'deleting'

/**
 * How far the captured state can be relied on: `crash`, as after a power cut; `filesystem`, dirty data was flushed first
 * or memory and files are of one instant; `application`, programs inside prepared themselves through hooks.
 */
export type Consistency = 'crash' | 'filesystem' | 'application'

export interface HookOutcome {
  name: string
  outcome: 'ok' | 'failed' | 'timed_out'
  exitCode: number | null
  durationMs: number
  /** End of what it printed */
  output: string
}

/** What a snapshot cost and what it holds. */
export interface Receipt {
  /** Milliseconds the sandbox stood still */
  standstillMs: number
  /** Milliseconds from request to acknowledged */
  totalMs: number
  /** Milliseconds of each step, in order */
  steps: { step: string; ms: number }[]
  memoryBytes: number
  filesystemBytes: number
  /** Bytes this snapshot added to the store */
  newlyStoredBytes: number
  consistency: Consistency
  hooks: HookOutcome[]
}

/** What a restore needs of the host. */
export interface Requirements {
  runtime: string
  runtimeVersion: string
  agentDigest: string | null
  cpuFeatures: string[]
}

export interface SnapshotInfo {
  id: string
  name: string | null
  kind: SnapshotKind
  state: SnapshotState
  failure: string | null
  sandboxId: string
  /** Snapshot that the source sandbox itself came from: the lineage */
  parentId: string | null
  imageId: string
  env: Env
  resources: Resources
  generation: number
  requirements: Requirements | null
  receipt: Receipt | null
  sizeBytes: number
  labels: Labels
  /** Schedule that it was taken by */
  scheduleId: string | null
  /** Neither expires nor is thinned out while this is so */
  pinned: boolean
  createdAt: Date
  readyAt: Date | null
  expiresAt: Date | null
}

export interface CreateSnapshot {
  /** Default `memory` */
  kind?: SnapshotKind | undefined
  /** `[a-z0-9][a-z0-9._-]{0,127}`; may be used again, and then means the latest ready one */
  name?: string | undefined
  labels?: Labels | undefined
  /** Milliseconds until it is deleted, `null` for never; absent for what the team has set */
  ttlMs?: number | null | undefined
  /** Run the sandbox's `pre-snapshot` hooks; default true */
  hooks?: boolean | undefined
  /** A failing hook fails the snapshot; default false */
  requireHooks?: boolean | undefined
  /** What to do while another operation on the sandbox is under way; default `wait` */
  whenBusy?: 'wait' | 'reject' | undefined
}

export interface SnapshotFilter {
  states?: SnapshotState[] | undefined
  kind?: SnapshotKind | undefined
  name?: string | undefined
  nameContains?: string | undefined
  /** Taken of this sandbox */
  sandbox?: string | undefined
  parent?: string | undefined
  labels?: Labels | undefined
}

// ---------------------------------------------------------------- processes

export type OutputStream = 'stdout' | 'stderr' | 'pty'

export interface ProcessInfo {
  id: string
  pid: number
  args: string[]
  cwd: string
  user: string
  tag: string | null
  pty: boolean
  startedAt: Date
  exit: ProcessExit | null
}

export interface ProcessExit {
  /** Exit code; 128 + signal number when a signal ended it */
  code: number
  /** Signal name such as `SIGKILL`, else `null` */
  signal: string | null
  timedOut: boolean
  at: Date
}

/** One piece of output. `offset` is the position of its first byte in that stream since the process began. */
export type ProcessOutput =
  | { type: 'data'; stream: OutputStream; offset: number; data: Uint8Array }
  /** Bytes from `offset` to `resumeAt` were no longer kept when they were asked for */
  | { type: 'gap'; stream: OutputStream; offset: number; resumeAt: number }

// ---------------------------------------------------------------- files

export type FileType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'char' | 'block'

export interface FileInfo {
  path: string
  name: string
  type: FileType
  sizeBytes: number
  /** Permission bits, `0o7777` */
  mode: number
  uid: number
  gid: number
  owner: string
  group: string
  modifiedAt: Date
  symlinkTarget: string | null
}

export interface FileEvent {
  type: 'created' | 'modified' | 'removed' | 'renamed' | 'attributes'
  path: string
  fileType: FileType | null
}

// ---------------------------------------------------------------- operations, events, keys

export type OperationKind =
  | 'image.build'
  | 'image.delete'
  | 'sandbox.create'
  | 'sandbox.pause'
  | 'sandbox.resume'
  | 'sandbox.stop'
  | 'sandbox.start'
  | 'sandbox.fork'
  | 'sandbox.rollback'
  | 'sandbox.kill'
  | 'snapshot.create'
  | 'snapshot.delete'

export type OperationState = 'open' | 'done' | 'failed'

/** A recorded piece of work. */
export interface Operation {
  id: string
  kind: OperationKind
  state: OperationState
  phase: string
  sandboxId: string | null
  snapshotId: string | null
  imageId: string | null
  error: { code: string; message: string } | null
  createdAt: Date
  endedAt: Date | null
}

export interface OperationProgress {
  step: string
  /** 0 to 1 where known */
  fraction: number | null
  line: string | null
}

/** Something that happened, past tense: `sandbox.paused`, `snapshot.ready`. */
export interface SpawnpointEvent {
  /** Increasing number, the cursor of event streams */
  seq: number
  type: string
  sandboxId: string | null
  snapshotId: string | null
  imageId: string | null
  data: Record<string, unknown>
  at: Date
}

export interface ApiKey {
  id: string
  name: string
  /** First characters of the key, to tell keys apart in a list */
  hint: string
  createdAt: Date
  lastUsedAt: Date | null
  revokedAt: Date | null
}

/** How many of a schedule's snapshots stay; `null`s keep all. */
export interface KeepRule {
  /** The newest so many */
  last: number | null
  /** The newest of each of so many hours that have any; likewise days, ISO weeks and months */
  hourly: number | null
  daily: number | null
  weekly: number | null
  monthly: number | null
}

export interface ScheduleTick {
  at: Date
  outcome: 'fired' | 'skipped'
  /** Why it was skipped */
  reason: string | null
  snapshotId: string | null
}

export interface Schedule {
  id: string
  sandboxId: string
  /** Five fields: minute, hour, day of month, month, day of week */
  cron: string
  /** IANA name */
  timeZone: string
  kind: SnapshotKind
  keep: KeepRule
  enabled: boolean
  createdAt: Date
  /** The latest decision; earlier ones are events */
  lastTick: ScheduleTick | null
  nextAt: Date | null
}

export interface UpdateSchedule {
  cron?: string | undefined
  timeZone?: string | undefined
  kind?: SnapshotKind | undefined
  keep?: Partial<KeepRule> | undefined
  enabled?: boolean | undefined
}

export interface CreateSchedule extends UpdateSchedule {
  /** Id or name */
  sandbox: string
  cron: string
}
