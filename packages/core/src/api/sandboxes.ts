import type { Principal, Started } from '../api.ts'
import type {
  Env,
  IncarnationId,
  IngressPolicy,
  Labels,
  NetworkPolicy,
  OperationId,
  Resources,
  Sandbox,
  SandboxId,
  SandboxMetrics,
  SandboxState,
  TimeoutPolicy,
} from '../model.ts'
import type { Guest, Page, PageRequest } from '../ports/index.ts'
import type { CredentialRuleRequest } from './credentials.ts'
import type { RemoteRequest } from './remotes.ts'
import type { NewSandboxSchedule } from './schedules.ts'
import type { MountRequest } from './volumes.ts'

/** What a new sandbox may have of its own; what is absent comes from the image or snapshot, then from the server. */
export interface SandboxOverrides {
  /** Unique among the team's living sandboxes; `[A-Za-z0-9][A-Za-z0-9._-]{0,127}` */
  name?: string | undefined
  /** Added to the source's */
  env?: Env | undefined
  labels?: Labels | undefined
  resources?: Partial<Resources> | undefined
  network?: Partial<NetworkPolicy> | undefined
  /** A fork's child has its parent's unless given */
  credentials?: CredentialRuleRequest[] | undefined
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
  /** Made together with the sandbox: there are both, or neither */
  schedule?: NewSandboxSchedule | undefined
  /** Absent for those that the memory of the snapshot holds on to, if any */
  volumes?: MountRequest[] | undefined
  /** Absent for those that the snapshot carries. Whichever they are, they are brought anew before the sandbox runs */
  remotes?: RemoteRequest[] | undefined
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

export type ResizeRequest = { [K in 'cpus' | 'memoryBytes' | 'diskBytes']?: Resources[K] | undefined }

export interface UpdateSandboxRequest {
  name?: string | null | undefined
  labels?: Labels | undefined
  /** Over `labels`, or over those there are; `null` takes one away */
  changeLabels?: Record<string, string | null> | undefined
  /** Replaces the sandbox's own, for processes started from now on; what its image sets stays beneath */
  env?: Env | undefined
  /**
   * From its next start or resume, but the disk at once, which only grows. Memory of what runs only grows; of what is paused it
   * must hold what was in use.
   */
  resources?: ResizeRequest | undefined
  network?: Partial<NetworkPolicy> | undefined
  /** Replaces all of them; secrets that are not given stay */
  credentials?: CredentialRuleRequest[] | undefined
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
  /** Only those that mount it */
  volume?: string | undefined
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
  /** Every sandbox that runs, or that a use would bring back, of every team. */
  reachAll(): AsyncIterable<{ by: Principal; sandbox: Sandbox }>
  /** Resolves, never rejects, when this is not the sandbox's present incarnation any more. */
  gone(id: SandboxId, incarnationId: IncarnationId): Promise<void>
}
