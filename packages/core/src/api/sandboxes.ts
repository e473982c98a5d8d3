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

/** What a request may set for a new sandbox. What is absent comes from the image or snapshot, else from the server. */
export interface SandboxOverrides {
  /** Unique among the team's living sandboxes; `[A-Za-z0-9][A-Za-z0-9._-]{0,127}` */
  name?: string | undefined
  /** Added to the source's */
  env?: Env | undefined
  labels?: Labels | undefined
  resources?: Partial<Resources> | undefined
  network?: Partial<NetworkPolicy> | undefined
  /** Default: those of the snapshot, or of the parent of a fork */
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
  /** Made together with the sandbox: either both are made, or neither */
  schedule?: NewSandboxSchedule | undefined
  /** Default: those that the memory of the snapshot holds on to, if any */
  volumes?: MountRequest[] | undefined
  /** Default: those that the snapshot carries. In any case their files are fetched anew before the sandbox runs */
  remotes?: RemoteRequest[] | undefined
}

export interface ForkRequest {
  /** 1 to 100 */
  count: number
  mode: 'all_or_nothing' | 'best_effort'
  /** For every child; `name` is not allowed here */
  overrides?: SandboxOverrides | undefined
  /** For child n, over `overrides` field by field; at most `count` entries */
  children?: SandboxOverrides[] | undefined
}

export type ForkedChild =
  | { sandbox: Sandbox; error: null }
  | { sandbox: null; error: { code: string; message: string } }

export type ResizeRequest = { [K in 'cpus' | 'memoryBytes' | 'diskBytes']?: Resources[K] | undefined }

export interface UpdateSandboxRequest {
  name?: string | null | undefined
  labels?: Labels | undefined
  /** Changes to `labels` or, without that, to the present ones; `null` removes a label */
  changeLabels?: Record<string, string | null> | undefined
  /** Replaces the sandbox's own, for processes started from now on; the image's variables stay beneath */
  env?: Env | undefined
  /**
   * The disk changes at once and only grows; the rest changes with the next start or resume. Memory of a running sandbox only
   * grows; that of a paused one must have room for what was in use.
   */
  resources?: ResizeRequest | undefined
  network?: Partial<NetworkPolicy> | undefined
  /** Replaces all rules; secrets that are left out stay as they were */
  credentials?: CredentialRuleRequest[] | undefined
  /** `ports` replaces all of them */
  ingress?: Partial<IngressPolicy> | undefined
  /** `timeoutMs` counts from now; for a paused or stopped sandbox only the policy changes */
  timeout?: Partial<TimeoutPolicy> | undefined
  /** A `timeout.timeoutMs` that would bring the expiry closer changes nothing; default false */
  extendOnly?: boolean | undefined
}

/** Changes made in the same transaction as the transition. Not made if the sandbox is already as asked. */
export interface ArrivalRequest {
  /** Boot from the files alone, without the memory it was paused with, which is then lost; default false */
  cold?: boolean | undefined
  /** Becomes the policy's `timeoutMs`, counted from when the sandbox runs */
  timeoutMs?: number | null | undefined
}

/** `origin`: what the sandbox was started from: the snapshot, or the image booted anew. */
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
  /** Takes the sandbox back to one of its own snapshots, or to what it was started from; it keeps its id. */
  rollback(by: Principal, ref: string, request: RollbackRequest): Promise<Started<Sandbox>>
  /**
   * Brings what was written inside into the buckets of its writable remotes, and what is new there into the sandbox, at once. How it went
   * is in the record (`writes`). Rejects `wrong_state` where it does not run.
   */
  exchange(by: Principal, ref: string): Promise<Sandbox>
  /** Resolves once nothing of the sandbox runs. Rejects `not_found` if it is already killed. */
  kill(by: Principal, ref: string): Promise<void>
  /**
   * The inside of a running sandbox; counts as activity for the idle timeout. Calls wait while a snapshot is taken. A sandbox
   * that is paused or stopped, or about to be, is brought back first if its policy is `autoResume`, and the call rejects with
   * the error of that if it fails; without `autoResume` it rejects `wrong_state`.
   */
  guest(by: Principal, ref: string): Promise<{ sandbox: Sandbox; guest: Guest }>
  /**
   * The sandbox does not count as idle while the returned lease is held (by an open stream). Brings a paused or stopped sandbox
   * back first if its policy is `autoResume`.
   */
  keepActive(by: Principal, ref: string): Promise<Disposable>
  usage(by: Principal, ref: string): Promise<{ cpuMs: number; memoryBytes: number; diskBytes: number }>
  /**
   * Oldest first. Every running sandbox is sampled every 5 s; samples are kept for an hour, in memory, and are gone after a
   * restart of the server. If there is none of a running sandbox, one is taken now.
   */
  metrics(
    by: Principal,
    ref: string,
    range: { from?: Date | undefined; to?: Date | undefined },
  ): Promise<SandboxMetrics[]>
  /** For requests that name a sandbox by its id alone: the sandbox, and the principal to act as. `null` if unknown or killed. */
  reach(id: string): Promise<{ by: Principal; sandbox: Sandbox } | null>
  /** All teams' sandboxes that run or that a use would bring back. */
  reachAll(): AsyncIterable<{ by: Principal; sandbox: Sandbox }>
  /** Resolves, never rejects, when this is no longer the sandbox's present incarnation. */
  gone(id: SandboxId, incarnationId: IncarnationId): Promise<void>
}
