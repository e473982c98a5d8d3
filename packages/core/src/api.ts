import type { Readable } from 'node:stream'
import type {
  ApiKey,
  BuildLogEntry,
  Env,
  Event,
  Image,
  ImageDefaults,
  ImageId,
  ImageSource,
  IncarnationId,
  IngressPolicy,
  KeepRule,
  KeyId,
  Labels,
  Name,
  NetworkPolicy,
  Operation,
  OperationId,
  OperationKind,
  OperationState,
  Registry,
  Resources,
  Sandbox,
  SandboxId,
  SandboxMetrics,
  SandboxState,
  Schedule,
  Snapshot,
  SnapshotId,
  SnapshotKind,
  SnapshotState,
  Tag,
  Team,
  TeamId,
  TimeoutPolicy,
} from './model.ts'
import type { Guest, Page, PageRequest, RuntimeInfo } from './ports/index.ts'

/**
 * The closed list of what can be asked of Spawnpoint. Doors translate their protocol to these calls and back; nothing
 * else enters the core. Every call rejects with `SpawnpointError` only. What belongs to another team is `not_found`.
 *
 * A `ref` names a resource: a sandbox by id or by the name it bears while it lives; an image or a snapshot by
 *
 *     ID          its own (`ID:TAG` as well; the tag says nothing), or that of a name
 *     NAME        what the tag `default` of the name points to, else the latest ready one that bears the name
 *     NAME:TAG    what that tag points to; so does the id of a name in the place of NAME
 *     NAME@ID     the one of that id, if it bears the name
 *     TEAM/NAME   with or without a tag: TEAM is the name or the id of the caller's own team
 */
export interface SpawnpointApi {
  readonly runtime: RuntimeInfo
  /** What a sandbox gets where nothing else is said, and the most it may ask for */
  readonly limits: { readonly resources: Resources; readonly maxResources: Resources }
  /** Rejects `unauthenticated`. The key's prefix is cosmetic: its last 64 hex characters count. */
  authenticate(key: string): Promise<Principal>
  readonly keys: KeysApi
  readonly names: NamesApi
  readonly blobs: BlobsApi
  readonly images: ImagesApi
  /** The image or the snapshot that `ref` names; if a name was given to both, the newer of the latest ready ones. */
  resolve(by: Principal, ref: string): Promise<Resolved>
  readonly sandboxes: SandboxesApi
  readonly snapshots: SnapshotsApi
  readonly schedules: SchedulesApi
  readonly registries: RegistriesApi
  readonly archives: ArchivesApi
  readonly operations: OperationsApi
  readonly events: EventsApi
  readonly idempotency: IdempotencyApi
  readonly tokens: TokensApi
}

export type Resolved = { image: Image } | { snapshot: Snapshot }

export interface Principal {
  teamId: TeamId
  /** `null` for the server itself: expiry, schedules */
  keyId: KeyId | null
  /** Set by `IdempotencyApi.once` for the work it runs */
  once?: OnceKey | undefined
}

/** The idempotency key that something is asked under. */
export interface OnceKey {
  key: string
  /** What an earlier request with this key has done without being answered: a call of this kind gets its outcome */
  begun: Operation | null
}

/** Work that goes on after the call has returned. Not awaiting `done` is fine: it never raises an unhandled rejection. */
export interface Started<T> {
  operationId: OperationId
  /** The resource as it was when the work was accepted */
  value: T
  /** The resource at the end, or the error that ended the work */
  done: Promise<T>
}

// ---------------------------------------------------------------- tokens

/**
 * Secrets that the server can tell again without having stored them: made from its own secret, the same as long as that is.
 * `purpose` separates uses (`envd`, `ingress`, `download`, …), so that a token for one is none for another.
 */
export interface TokensApi {
  /** 64 hex characters */
  issue(purpose: string, subject: string): string
  /** In constant time; `false` for whatever `issue` does not give. */
  verify(purpose: string, subject: string, token: string): boolean
}

// ---------------------------------------------------------------- keys

export interface KeysApi {
  /** `secret` is shown this once; only its hash is kept. */
  create(by: Principal, request: { name: string }): Promise<{ key: ApiKey; secret: string }>
  list(by: Principal, page: PageRequest): Promise<Page<ApiKey>>
  revoke(by: Principal, id: string): Promise<void>
  team(by: Principal): Promise<Team>
}

// ---------------------------------------------------------------- names

export type TagTarget = { imageId: ImageId } | { snapshotId: SnapshotId }

/** Names begin with a letter or digit and have letters, digits, `.`, `_` and `-`, as do tags, which may begin with `_` too. */
export interface NamesApi {
  /** By id or name. */
  get(by: Principal, ref: string): Promise<Name>
  /** The team's name of this text, made if there is none. */
  ensure(by: Principal, name: string): Promise<Name>
  list(by: Principal, page: PageRequest): Promise<Page<Name>>
  /** With its tags; what they pointed to stays. */
  delete(by: Principal, ref: string): Promise<void>
  /** Newest first. */
  tags(by: Principal, ref: string): Promise<Tag[]>
  /** Points each tag to `target`, also one that exists. Rejects `wrong_state` unless the target is ready. */
  tag(by: Principal, ref: string, tags: string[], target: TagTarget): Promise<Tag[]>
  /** Tags that do not exist are ignored. */
  untag(by: Principal, ref: string, tags: string[]): Promise<void>
  /** Every tag that points to one of these images or snapshots, with its name. */
  tagsOf(by: Principal, ids: readonly (ImageId | SnapshotId)[]): Promise<{ name: Name; tag: Tag }[]>
}

// ---------------------------------------------------------------- blobs

/**
 * Files that builds copy from. A key is `sha256:` and 64 hex digits, which the content must match, or any other
 * `[a-z0-9]+:[A-Za-z0-9._-]+`. One that nothing has used for 30 days is removed.
 */
export interface BlobsApi {
  /** Replaces what was there, once all of it has arrived. Rejects `invalid_argument` if the digest is another. */
  put(by: Principal, key: string, body: Readable): Promise<{ sizeBytes: number }>
  has(by: Principal, key: string): Promise<boolean>
  delete(by: Principal, key: string): Promise<void>
}

// ---------------------------------------------------------------- images

export interface BuildImageRequest {
  /** `[a-z0-9][a-z0-9._-]{0,63}`; may be used again, and then means the latest ready one */
  name: string
  /** Tags of the name that point to the image once it is ready */
  tags?: string[] | undefined
  source: ImageSource
  defaults?: Partial<Omit<ImageDefaults, 'exposedPorts'>> | undefined
  /** For sandboxes made from it that are not told otherwise; a recipe is built with them too */
  resources?: Partial<Resources> | undefined
  labels?: Labels | undefined
  /**
   * Stored registry, by id or name, whose user and password are for this pull. Absent, the team's registry at the same
   * address is taken, the one with the longest prefix first.
   */
  registry?: string | undefined
  /** For this pull from a registry, before any that are stored; kept nowhere */
  credentials?: { username: string; password: string } | undefined
}

export interface ImagesApi {
  build(by: Principal, request: BuildImageRequest): Promise<Started<Image>>
  get(by: Principal, ref: string): Promise<Image>
  list(
    by: Principal,
    filter: { name?: string | undefined; states?: Image['state'][] | undefined; labels?: Labels | undefined },
    page: PageRequest,
  ): Promise<Page<Image>>
  /** Sandboxes, snapshots and images made from it live on. */
  delete(by: Principal, ref: string): Promise<void>
  /**
   * What its build did and printed: entries from number `offset` on, at most `limit` (1 to 1,000). Nothing is added once
   * the image is ready or failed; of a failed one the last entry has the level `error` and the step that failed.
   */
  log(by: Principal, ref: string, range: { offset: number; limit: number }): Promise<BuildLogEntry[]>
}

// ---------------------------------------------------------------- sandboxes

/** What a new sandbox may have of its own; what is absent comes from the image or snapshot, then from the server. */
export interface SandboxOverrides {
  /** Unique among the team's living sandboxes; `[A-Za-z0-9][A-Za-z0-9._-]{0,127}` */
  name?: string | undefined
  /** Added to the source's */
  env?: Env | undefined
  labels?: Labels | undefined
  resources?: Partial<Resources> | undefined
  network?: Partial<NetworkPolicy> | undefined
  /** `ports` replaces all of them */
  ingress?: Partial<IngressPolicy> | undefined
  timeout?: Partial<TimeoutPolicy> | undefined
}

export interface CreateSandboxRequest extends SandboxOverrides {
  /** Exactly one of `image`, `snapshot` and `from` */
  image?: string | undefined
  snapshot?: string | undefined
  /** An image or a snapshot, whichever it names */
  from?: string | undefined
  /** Boot from the filesystem alone: without the memory of the snapshot, or of the image's start command */
  cold?: boolean | undefined
}

export interface ForkRequest {
  /** 1 to 100 */
  count: number
  mode: 'all_or_nothing' | 'best_effort'
  /** For every child; `name` is not allowed here */
  overrides?: SandboxOverrides | undefined
  /** For child n, over `overrides`; at most `count` entries */
  children?: SandboxOverrides[] | undefined
}

export type ForkedChild =
  | { sandbox: Sandbox; error: null }
  | { sandbox: null; error: { code: string; message: string } }

export interface UpdateSandboxRequest {
  name?: string | null | undefined
  labels?: Labels | undefined
  /** Replaces the sandbox's own, for processes started from now on; what its image sets stays beneath */
  env?: Env | undefined
  network?: Partial<NetworkPolicy> | undefined
  /** `ports` replaces all of them */
  ingress?: Partial<IngressPolicy> | undefined
  /** `timeoutMs` counts from now; of a paused or stopped sandbox it changes the policy only */
  timeout?: Partial<TimeoutPolicy> | undefined
  /** A `timeout.timeoutMs` that would bring the expiry closer changes nothing; default false */
  extendOnly?: boolean | undefined
}

/** Changes made together with a transition, in its transaction. Where nothing is left to do they are not made. */
export interface ArrivalRequest {
  /** Boot from the files alone, without the memory it was paused with, which is then lost; default false */
  cold?: boolean | undefined
  /** Becomes the policy's `timeoutMs`, and counts from when the sandbox runs */
  timeoutMs?: number | null | undefined
}

/** `origin`: what it was started from, its snapshot as that was taken, or its image booted anew. */
export type RollbackRequest = { snapshot: string } | { origin: true }

export interface SandboxListFilter {
  /** Default: every living state */
  states?: SandboxState[] | undefined
  name?: string | undefined
  labels?: Labels | undefined
  image?: string | undefined
  snapshot?: string | undefined
}

export interface SandboxesApi {
  create(by: Principal, request: CreateSandboxRequest): Promise<Started<Sandbox>>
  get(by: Principal, ref: string): Promise<Sandbox>
  list(by: Principal, filter: SandboxListFilter, page: PageRequest): Promise<Page<Sandbox>>
  update(by: Principal, ref: string, request: UpdateSandboxRequest): Promise<Sandbox>
  pause(by: Principal, ref: string): Promise<Started<Sandbox>>
  resume(by: Principal, ref: string, request?: ArrivalRequest): Promise<Started<Sandbox>>
  stop(by: Principal, ref: string): Promise<Started<Sandbox>>
  start(by: Principal, ref: string, request?: ArrivalRequest): Promise<Started<Sandbox>>
  fork(
    by: Principal,
    ref: string,
    request: ForkRequest,
  ): Promise<{ operationId: OperationId; done: Promise<ForkedChild[]> }>
  /** Back to one of its own snapshots, or to what it was started from; same id. */
  rollback(by: Principal, ref: string, request: RollbackRequest): Promise<Started<Sandbox>>
  /** Resolves once nothing of it runs. Killing a killed sandbox is `not_found`. */
  kill(by: Principal, ref: string): Promise<void>
  /**
   * The inside of a running sandbox; counts as activity for the idle timeout. While the sandbox is being snapshotted,
   * calls wait. One that is paused or stopped, or about to be, is brought back first if its policy is `autoResume`, with
   * the error of that if it fails; else rejects `wrong_state`.
   */
  guest(by: Principal, ref: string): Promise<{ sandbox: Sandbox; guest: Guest }>
  /**
   * Keeps the idle timeout from striking while the returned lease is held (an open stream). Brings a paused or stopped
   * sandbox back first if its policy is `autoResume`.
   */
  keepActive(by: Principal, ref: string): Promise<Disposable>
  usage(by: Principal, ref: string): Promise<{ cpuMs: number; memoryBytes: number; diskBytes: number }>
  /**
   * Oldest first. A sample is taken of each running sandbox every 5 s and kept for an hour, in memory: a server that starts
   * has none. If none is kept of a running sandbox, one is taken now.
   */
  metrics(
    by: Principal,
    ref: string,
    range: { from?: Date | undefined; to?: Date | undefined },
  ): Promise<SandboxMetrics[]>
  /** For who is addressed by a sandbox's id alone: whose it is, and who may act on it. `null` if unknown or killed. */
  reach(id: string): Promise<{ by: Principal; sandbox: Sandbox } | null>
  /** Every sandbox that is running, of every team. */
  reachAll(): AsyncIterable<{ by: Principal; sandbox: Sandbox }>
  /** Resolves, never rejects, when this is not the sandbox's present incarnation any more. */
  gone(id: SandboxId, incarnationId: IncarnationId): Promise<void>
}

// ---------------------------------------------------------------- snapshots

export interface CreateSnapshotRequest {
  kind: SnapshotKind
  /** `[a-z0-9][a-z0-9._-]{0,127}`; may be used again */
  name?: string | undefined
  /** Tag of `name`, which must be given, that points to the snapshot once it is ready */
  tag?: string | undefined
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

export interface SnapshotListFilter {
  states?: SnapshotState[] | undefined
  kind?: SnapshotKind | undefined
  name?: string | undefined
  nameContains?: string | undefined
  sandbox?: string | undefined
  parent?: string | undefined
  labels?: Labels | undefined
}

export interface SnapshotsApi {
  create(by: Principal, sandboxRef: string, request: CreateSnapshotRequest): Promise<Started<Snapshot>>
  get(by: Principal, ref: string): Promise<Snapshot>
  list(by: Principal, filter: SnapshotListFilter, page: PageRequest): Promise<Page<Snapshot>>
  update(
    by: Principal,
    ref: string,
    request: { labels?: Labels | undefined; ttlMs?: number | null | undefined; pinned?: boolean | undefined },
  ): Promise<Snapshot>
  /** Waits for restores under way. With `ifUnused`, rejects `in_use` while sandboxes started from it live. */
  delete(by: Principal, ref: string, options?: { ifUnused?: boolean }): Promise<void>
}

// ---------------------------------------------------------------- registries

export interface CreateRegistryRequest {
  /** Unique among the team's; `[A-Za-z0-9][A-Za-z0-9._-]{0,127}` */
  name: string
  /** `[https://]HOST[:PORT][/PREFIX]`, or `http://…` for one without TLS */
  url: string
  username?: string | undefined
  /** Stored sealed, and never given out */
  password?: string | undefined
}

export interface UpdateRegistryRequest {
  name?: string | undefined
  url?: string | undefined
  username?: string | null | undefined
  password?: string | null | undefined
}

export interface RegistriesApi {
  create(by: Principal, request: CreateRegistryRequest): Promise<Registry>
  /** By id or name. */
  get(by: Principal, ref: string): Promise<Registry>
  list(by: Principal, filter: { nameContains?: string | undefined }, page: PageRequest): Promise<Page<Registry>>
  /** What is absent stays as it is; a new address without a new password forgets the password. */
  update(by: Principal, ref: string, request: UpdateRegistryRequest): Promise<Registry>
  /** Images that came from it stay. */
  delete(by: Principal, ref: string): Promise<void>
}

// ---------------------------------------------------------------- archives

/** Where something is to go, and as whom. */
export interface PushRequest {
  /** As `parseImageReference` reads it; a layout or archive is made in the server's exports directory */
  reference: string
  /** As for a pull */
  registry?: string | undefined
  credentials?: { username: string; password: string } | undefined
}

export interface PushedTo {
  /** In full */
  reference: string
  /** Of the manifest: what to pull it by, whatever its tag means later */
  digest: string
  /** Bytes of all that belongs to it, packed */
  sizeBytes: number
}

export interface ArchivesApi {
  /**
   * An image, or the files of a snapshot, as an ordinary OCI image that any container engine runs, with environment, user,
   * working directory and start command. Variables given to a sandbox do not go along: they may be secrets.
   */
  pushImage(
    by: Principal,
    ref: string,
    request: PushRequest,
  ): Promise<{ operationId: OperationId; done: Promise<PushedTo> }>
}

// ---------------------------------------------------------------- schedules

export interface CreateScheduleRequest {
  /** Id or name of a living sandbox */
  sandbox: string
  /** Five fields: minute, hour, day of month, month, day of week */
  cron: string
  /** IANA name; default UTC */
  timeZone?: string | undefined
  kind: SnapshotKind
  /** Default: all are kept */
  keep?: Partial<KeepRule> | undefined
  enabled?: boolean | undefined
}

export interface UpdateScheduleRequest {
  cron?: string | undefined
  timeZone?: string | undefined
  kind?: SnapshotKind | undefined
  keep?: Partial<KeepRule> | undefined
  enabled?: boolean | undefined
}

export interface ScheduleView extends Schedule {
  /** `null` while it is switched off, or if it never fires again */
  nextAt: Date | null
}

/** They end with their sandbox. A tick fires only while that runs and no snapshot of it is in flight. */
export interface SchedulesApi {
  create(by: Principal, request: CreateScheduleRequest): Promise<ScheduleView>
  get(by: Principal, id: string): Promise<ScheduleView>
  list(by: Principal, filter: { sandbox?: string | undefined }, page: PageRequest): Promise<Page<ScheduleView>>
  update(by: Principal, id: string, request: UpdateScheduleRequest): Promise<ScheduleView>
  delete(by: Principal, id: string): Promise<void>
}

// ---------------------------------------------------------------- operations, events, idempotency

export interface OperationsApi {
  get(by: Principal, id: string): Promise<Operation>
  list(
    by: Principal,
    filter: {
      states?: OperationState[] | undefined
      kinds?: OperationKind[] | undefined
      sandbox?: string | undefined
    },
    page: PageRequest,
  ): Promise<Page<Operation>>
  /** The operation now and at every change of phase or progress, ending with its end. */
  follow(
    by: Principal,
    id: string,
    signal: AbortSignal,
  ): AsyncIterable<{ operation: Operation; progress: OperationProgress | null }>
}

export interface OperationProgress {
  step: string
  /** 0 to 1 where known */
  fraction: number | null
  line: string | null
}

/**
 * `after` is the `seq` of the last event that the caller knows, 0 for all that are kept. Rejects `cursor_expired` if events
 * that followed it are not kept any more: the caller has missed some, and must look at the resources themselves.
 */
export interface EventsApi {
  list(by: Principal, filter: { sandbox?: string | undefined }, after: number, limit: number): Promise<Event[]>
  /** `seq` of the latest event, 0 if there is none: `after` for who wants only what comes. */
  latest(by: Principal): Promise<number>
  /** Everything after `after`, then what comes, until `signal`. */
  follow(
    by: Principal,
    filter: { sandbox?: string | undefined },
    after: number,
    signal: AbortSignal,
  ): AsyncIterable<Event>
}

export interface IdempotencyApi {
  /**
   * Runs `work` once for a key of a team: a repeat gets the stored response, a repeat while the first is under way
   * `operation_in_progress`, the key with another request `idempotency_mismatch`. Keys are kept 24 hours. A 5xx is not
   * stored, so that it can be tried again.
   *
   * `work` makes its calls as the principal it is given: the first operation that one of them begins is tied to the key. If
   * the server dies before the response is stored, the repeat runs `work` again, and that call gets what the first one
   * did; if that was undone, it is done anew.
   */
  once(
    by: Principal,
    key: string,
    requestHash: string,
    work: (by: Principal) => Promise<{ status: number; body: unknown }>,
  ): Promise<{ status: number; body: unknown; replayed: boolean }>
}
