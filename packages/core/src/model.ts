export type * from './ids.ts'
export type * from './policies.ts'

import type {
  ImageId,
  IncarnationId,
  KeyId,
  NameId,
  OperationId,
  RegistryId,
  RootId,
  SandboxId,
  ScheduleId,
  SnapshotId,
  TeamId,
} from './ids.ts'
import type { IngressPolicy, NetworkPolicy, TimeoutPolicy } from './policies.ts'

/** Free-form `key: value` pairs; at most 64, keys 1 to 128 characters, values up to 1,024. */
export type Labels = Record<string, string>
export type Env = Record<string, string>

export interface Team {
  id: TeamId
  /** Unique; `[a-z0-9]`, then up to 62 more of these and `-` */
  name: string
  /** Milliseconds that its snapshots are kept unless told otherwise when taken; `null` for ever */
  snapshotRetentionMs: number | null
  createdAt: Date
}

export interface ApiKey {
  id: KeyId
  teamId: TeamId
  name: string
  /** First characters of the key, to tell keys apart in a list */
  hint: string
  createdAt: Date
  lastUsedAt: Date | null
  revokedAt: Date | null
}

// ---------------------------------------------------------------- image

export type ImageState = 'building' | 'ready' | 'failed' | 'deleting'

/** What every sandbox made from an image starts with. */
export interface ImageDefaults {
  env: Env
  /** User that processes run as unless told: a name or `uid[:gid]` */
  user: string
  workdir: string
  /** Program started under the agent when a sandbox boots; empty for none */
  startCommand: string[]
  /** TCP ports that its programs listen on, as an image from a registry says; for information only */
  exposedPorts?: number[]
}

export type ImageSource = BaseSource | RecipeSource

/** Root filesystems that come from outside: an `ImageBuilder` makes them. */
export type BaseSource =
  | { type: 'debian'; suite: string; packages: string[] }
  | { type: 'tar'; path: string }
  /**
   * `reference` as `parseImageReference` reads it; `registryId` is the stored registry whose password was used, `digest`
   * what it stood for when it was pulled
   */
  | { type: 'oci'; reference: string; registryId?: RegistryId; digest?: string }

/** Steps run one after the other in a sandbox that starts from `from`; what its files are at the end is the image. */
export interface RecipeSource {
  type: 'recipe'
  /** Image or snapshot that the first step finds; of a snapshot its files alone */
  from: string
  steps: BuildStep[]
  /** Shell command that runs when a sandbox boots; it already runs, with its memory, in every sandbox of the image */
  startCommand?: string | undefined
  /** Shell command that succeeds once the start command has done its part */
  readyCommand?: string | undefined
  /** Runs every step, whatever earlier builds left */
  force?: boolean | undefined
}

/** A step with `force`, and all that follow it, are run whatever earlier builds left. */
export type BuildStep = (RunStep | CopyStep | EnvStep | WorkdirStep | UserStep) & { force?: boolean | undefined }

export interface RunStep {
  type: 'run'
  /** For a login shell, bash where the image has one */
  command: string
  /** Default the one of the last user step */
  user?: string | undefined
}

/** Exactly one of `blob` and `fromImage`. */
export interface CopyStep {
  type: 'copy'
  /** Key of an uploaded tar archive, plain or gzip */
  blob?: string | undefined
  /** Image whose files are copied */
  fromImage?: string | undefined
  /** Path in the archive or the image, which may have `*`, `?` and `[...]`; of a directory its content is copied */
  source: string
  /** Relative to the working directory; a directory if it ends with `/`, is one, or if several things are copied */
  destination: string
  /** Owner of all that is copied, `user[:group]`; default the user of the recipe at this step */
  user?: string | undefined
  /** Permission bits of all that is copied; default those in the archive */
  mode?: number | undefined
}

export interface EnvStep {
  type: 'env'
  /** For the steps that follow, and for every sandbox of the image */
  env: Env
}

export interface WorkdirStep {
  type: 'workdir'
  /** Made if missing; relative to the one before */
  path: string
}

export interface UserStep {
  type: 'user'
  /** A name or `uid[:gid]` */
  user: string
}

export interface Image {
  id: ImageId
  teamId: TeamId
  name: string
  state: ImageState
  failure: string | null
  source: ImageSource
  defaults: ImageDefaults
  /** What its sandboxes get unless told; what is absent comes from the server */
  resources: Partial<Resources>
  /** Internal memory snapshot that its sandboxes are started from; `null` if they boot */
  bootSnapshotId: SnapshotId | null
  /** Image that a recipe began with */
  parentImageId: ImageId | null
  /** Bytes of the root filesystem */
  sizeBytes: number
  labels: Labels
  createdAt: Date
  readyAt: Date | null
}

/** One line of what a build did and printed. */
export interface BuildLogEntry {
  at: Date
  level: 'debug' | 'info' | 'warn' | 'error'
  /** `base`, the number of a step counted from 1, or `finalize`; `null` where it concerns none */
  step: string | null
  message: string
}

// ---------------------------------------------------------------- name

/** A resource of its own, whose id stays while what its tags point to changes. */
export interface Name {
  id: NameId
  teamId: TeamId
  name: string
  createdAt: Date
}

/** Points to exactly one image or snapshot. */
export interface Tag {
  nameId: NameId
  tag: string
  imageId: ImageId | null
  snapshotId: SnapshotId | null
  /** When it was set to what it points to now */
  createdAt: Date
}

// ---------------------------------------------------------------- registry

/** Where a team's images are kept, and as whom it may get and put them there. */
export interface Registry {
  id: RegistryId
  teamId: TeamId
  /** Unique among the team's */
  name: string
  /** `https://HOST[:PORT][/PREFIX]`, or `http://…` for one without TLS */
  url: string
  username: string | null
  createdAt: Date
  updatedAt: Date
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
  /** Processor share in whole or part processors, 0.1 to the host's */
  cpus: number
  /** Memory of processes and tmpfs, in bytes */
  memoryBytes: number
  /** Root filesystem, in bytes, what the image brings included */
  diskBytes: number
  /** Processes and threads */
  maxProcesses: number
}

/** Why a sandbox is not running though nobody asked for it. */
export type FailureReason =
  | 'out_of_memory'
  | 'runtime_exited'
  | 'host_restarted'
  | 'create_failed'
  | 'resume_failed'
  | 'interrupted'
  | 'guest_unresponsive'

export interface Sandbox {
  id: SandboxId
  teamId: TeamId
  name: string | null
  state: SandboxState
  failure: { reason: FailureReason; detail: string } | null
  /** The present life of its runtime; `null` while none exists */
  incarnationId: IncarnationId | null
  /** Its root filesystem in the pool; `null` once killed */
  rootId: RootId | null
  /** Memory and filesystem it resumes from; set only while `paused`, `pausing` or `resuming` */
  pausedSnapshotId: SnapshotId | null
  imageId: ImageId
  /** Snapshot it was started from or last rolled back to */
  sourceSnapshotId: SnapshotId | null
  /** Snapshot it was started from; `null` where an image was booted for it */
  originSnapshotId: SnapshotId | null
  /** Sandbox it was forked from */
  parentSandboxId: SandboxId | null
  defaults: ImageDefaults
  env: Env
  labels: Labels
  resources: Resources
  network: NetworkPolicy
  ingress: IngressPolicy
  timeout: TimeoutPolicy
  /** Counts restores of this line of memory; programs inside can watch it in `/run/spawnpoint/generation` */
  generation: number
  createdAt: Date
  /** Beginning of the present incarnation */
  startedAt: Date | null
  /** While it runs: when `timeout.onTimeout` happens */
  expiresAt: Date | null
  /** Since when it is paused or stopped; kept until it runs again */
  haltedAt: Date | null
  endedAt: Date | null
}

/** What a sandbox used at one moment, as the host sees it. */
export interface SandboxMetrics {
  at: Date
  /** Processors it may use */
  cpus: number
  /** Share of these that it has used since the sample before, 0 to 100 */
  cpuUsedPercent: number
  memoryUsedBytes: number
  memoryTotalBytes: number
  /** Of files, on top of `memoryUsedBytes`; 0 where the host does not tell */
  memoryCacheBytes: number
  diskUsedBytes: number
  diskTotalBytes: number
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
  /** File name of the hook */
  name: string
  outcome: 'ok' | 'failed' | 'timed_out'
  exitCode: number | null
  durationMs: number
  /** End of what it printed, at most 4 KiB */
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

/** What a restore needs of the host; compared before one is tried. */
export interface Requirements {
  runtime: string
  runtimeVersion: string
  /** Digest of the agent frozen inside a memory snapshot */
  agentDigest: string | null
  cpuFeatures: string[]
}

export interface Snapshot {
  id: SnapshotId
  teamId: TeamId
  name: string | null
  kind: SnapshotKind
  state: SnapshotState
  failure: string | null
  /** Made by the system for a pause, a fork, a layer of a build or the boot of an image; never listed */
  internal: boolean
  /** Digest of the recipe up to the step that left this; set for layers of builds alone */
  cacheKey: string | null
  sandboxId: SandboxId
  /** Snapshot that the source sandbox itself came from: the lineage */
  parentId: SnapshotId | null
  imageId: ImageId
  defaults: ImageDefaults
  env: Env
  resources: Resources
  generation: number
  requirements: Requirements | null
  receipt: Receipt | null
  sizeBytes: number
  labels: Labels
  /** Schedule that it was taken by */
  scheduleId: ScheduleId | null
  /** Neither expires nor is thinned out while this is so */
  pinned: boolean
  createdAt: Date
  readyAt: Date | null
  expiresAt: Date | null
}

// ---------------------------------------------------------------- schedule

/** How many of a schedule's snapshots stay, see `kept`; a rule of `null`s keeps all. */
export interface KeepRule {
  last: number | null
  hourly: number | null
  daily: number | null
  weekly: number | null
  monthly: number | null
}

/** Takes snapshots of a sandbox at set times while that is running. */
export interface Schedule {
  id: ScheduleId
  teamId: TeamId
  sandboxId: SandboxId
  /** Five fields: minute, hour, day of month, month, day of week */
  cron: string
  /** IANA name that the fields are meant in */
  timeZone: string
  kind: SnapshotKind
  keep: KeepRule
  enabled: boolean
  createdAt: Date
  /** Every tick up to here was decided: fired or skipped. Whoever decides one moves this on in the same transaction. */
  decidedUntil: Date
  /** The latest decision; earlier ones are events */
  lastTick: ScheduleTick | null
}

export interface ScheduleTick {
  at: Date
  outcome: 'fired' | 'skipped'
  /** Why it was skipped */
  reason: string | null
  /** `null` while a fired one has not got as far */
  snapshotId: SnapshotId | null
}

// ---------------------------------------------------------------- operation

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
  | 'archive.push'

export type OperationState = 'open' | 'done' | 'failed'

/** A recorded piece of work. `phase` says what had begun when the server last wrote; start-up finishes or undoes it. */
export interface Operation {
  id: OperationId
  teamId: TeamId
  kind: OperationKind
  state: OperationState
  phase: string
  sandboxId: SandboxId | null
  snapshotId: SnapshotId | null
  imageId: ImageId | null
  /** What its recovery needs; each kind has its own shape, see `operations/` */
  detail: Record<string, unknown>
  error: { code: string; message: string } | null
  createdAt: Date
  endedAt: Date | null
}

/** Something that happened, past tense: `sandbox.paused`, `snapshot.ready`. */
export interface Event {
  /** Increasing number, the cursor of event streams */
  seq: number
  teamId: TeamId
  type: string
  sandboxId: SandboxId | null
  snapshotId: SnapshotId | null
  imageId: ImageId | null
  data: Record<string, unknown>
  at: Date
}
