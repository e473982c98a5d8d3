import type {
  CredentialCallback,
  CredentialIdentity,
  CredentialRule,
  CredentialScheme,
  IncarnationId,
  NetworkPolicy,
  Requirements,
  Resources,
} from '../model.ts'
import type { Guest } from './guest.ts'

/**
 * Runs incarnations: one isolated kernel each, on a root filesystem the Pool made. Knows nothing of sandboxes, teams or
 * states; the core calls in the order the lifecycle allows.
 *
 * Laws every driver keeps (the contract suite checks them):
 * - `kill`, `pause` and `resume` are idempotent; `kill` of an unknown incarnation succeeds. One that is coming up is cut off:
 *   its `start` or `restore` rejects `stale_incarnation`.
 * - After `kill` resolves no process of the incarnation runs and nothing is written to its root any more. Slower
 *   clean-up (state directories, network slots, cgroups) goes on behind and is finished by `close` or the next `open`.
 * - Incarnations live on when the server dies. `list` after `open` tells which; `attach` reaches them.
 * - `checkpoint` leaves the incarnation paused and alive, also when it fails.
 * - A failed `start` or `restore` leaves nothing behind.
 */
export interface Runtime {
  /** Checks the host, adopts what runs. Rejects `unavailable` saying what is missing and how to install it. */
  open(): Promise<void>
  /** Lets go of all incarnations without stopping them. */
  close(): Promise<void>
  readonly info: RuntimeInfo
  /**
   * Cold boot. Resolves when the agent answers. `greet` is given the guest as soon as it can be told something, which may be
   * before it runs: what is asked of it then is answered when it does, and rejects if it comes to nothing. It is called
   * again if a first try comes to nothing and there is another one.
   */
  start(spec: IncarnationSpec, greet?: (guest: Guest) => void): Promise<Guest>
  /**
   * Rejects `incompatible` before anything is tried if `requirements` are not met. Resolves when the agent answers. `greet`
   * as for `start`.
   */
  restore(spec: IncarnationSpec, memory: MemoryImage, greet?: (guest: Guest) => void): Promise<Guest>
  /**
   * Does what of a `start` (`memory` is `null`) or `restore` can be done before it is wanted; the call with the same `id`
   * that follows is then quicker. That call may differ in `network`, `credentials` and `hostname`; if anything else differs, what was
   * prepared goes to waste. Not listed, ended by `kill` and by `close`. A rejection leaves nothing behind.
   */
  prepare?(spec: IncarnationSpec, memory: MemoryImage | null): Promise<void>
  /** Rejects `incompatible`, as `restore` would; `brings.agent` if the agent comes along with the memory. */
  checkRestore(needs: Requirements, brings: { agent: boolean }): Promise<void>
  /** Agents that memory was frozen with: a restore needs the very file. */
  readonly agents: RuntimeAgents
  pause(id: IncarnationId): Promise<void>
  resume(id: IncarnationId): Promise<void>
  /** Writes memory and processes into the empty directory `dir`. Preconditions: paused. Rejects `capture_refused`. */
  checkpoint(id: IncarnationId, dir: string): Promise<{ memoryBytes: number; requirements: Requirements }>
  /**
   * Does what of a `checkpoint` into the empty directory `dir` can be done while the incarnation still runs; that call is
   * then quicker. What came to nothing goes with the result, and with the server.
   */
  expectCheckpoint?(id: IncarnationId, dir: string): Promise<AsyncDisposable>
  kill(id: IncarnationId): Promise<void>
  /** Reaches an incarnation started by an earlier server; rejects `stale_incarnation` if it is not there. */
  attach(id: IncarnationId): Promise<Guest>
  list(): Promise<{ id: IncarnationId; paused: boolean }[]>
  setNetwork(id: IncarnationId, policy: NetworkPolicy): Promise<void>
  /**
   * Replaces those of its spec, for requests that begin from now on. Absent where a driver can put nothing into requests. The
   * driver keeps none of the values on disk: after a restart it answers the rules' hosts itself until they are set again.
   */
  setCredentials?(id: IncarnationId, rules: readonly OutgoingRule[]): Promise<void>
  /** What the host sees of it; asks nothing of the incarnation itself. */
  usage(id: IncarnationId): Promise<HostUsage>
  /** Called once for each incarnation that ends without `kill`. */
  onExit(listener: (exit: IncarnationExit) => void): void
}

export interface RuntimeAgents {
  /** Path of the agent with this SHA-256 (hex), `null` if it is not here. */
  file(digest: string): Promise<string | null>
  /** Takes a copy of a file; returns its SHA-256 (hex). One that is there already stays as it is. */
  add(file: string): Promise<string>
}

export interface RuntimeInfo {
  name: string
  version: string
  capabilities: {
    /** Deleted but open files on the root filesystem can be captured */
    capturesDeletedFiles: boolean
    /** Connections to the outside survive a snapshot in the origin */
    keepsConnections: boolean
    /** Paused and idle incarnations use no CPU */
    idleIsFree: boolean
    memorySnapshots: boolean
  }
  cpuFeatures: string[]
  /** PEM: what guests must trust where the driver takes the place of hosts, for `OutgoingRule`s */
  authority?: string
  /** Upper bounds for `Resources` on this host */
  host: { cpus: number; memoryBytes: number }
}

/** A `CredentialRule` that is enabled, opened; a `null` is a secret that is lost: requests that need it are refused. */
export interface OutgoingRule
  extends Pick<CredentialRule, 'hosts' | 'port' | 'everywhere' | 'paths' | 'matchHeaders' | 'rewrite'> {
  headers: OutgoingValue[]
  /** As the rule's; a driver that does not know the type refuses requests to the hosts */
  auth?: OutgoingAuth | undefined
}

export interface OutgoingValue {
  name: string
  value: string | null
}

export type OutgoingAuth = { values: OutgoingValue[] } & (
  | Exclude<CredentialScheme, CredentialCallback | CredentialIdentity>
  /** `signer` is `null` where the server gives out no identities any more: requests are refused */
  | (CredentialIdentity & { signer: IdentitySigner | null; identity: { team: string; sandbox: string } })
  | (CredentialCallback & { signer: CallbackSigner; identity: { tenant_id: string; sandbox_id: string } })
)

/** What the tokens of a server's questions are signed with. */
export interface CallbackSigner {
  /** PEM, PKCS #8, Ed25519 */
  privateKey: string
  keyId: string
  issuer: string
}

/** What the tokens are signed with that say who a sandbox is. */
export interface IdentitySigner {
  /** PEM, PKCS #8, RSA */
  privateKey: string
  keyId: string
  issuer: string
}

export interface HostUsage {
  /** Since the incarnation began */
  cpuMs: number
  memoryBytes: number
  /** Memory that caches files, not in `memoryBytes`; 0 where the host does not tell */
  memoryCacheBytes: number
}

export interface IncarnationSpec {
  id: IncarnationId
  /** Opaque value of `Pool.rootPath` */
  rootPath: string
  hostname: string
  resources: Resources
  /** Directories of the host that are mounted inside, sorted by path; the same paths at a restore as at the start */
  volumes?: readonly { path: string; source: string; readOnly: boolean }[]
  network: NetworkPolicy
  /** What is put into requests on their way out; what is secret in them is in clear here */
  credentials?: readonly OutgoingRule[]
  /** Deadline for the agent's first answer, in milliseconds */
  bootTimeoutMs: number
}

export interface MemoryImage {
  /** Directory that `checkpoint` filled */
  dir: string
  requirements: Requirements
}

export interface IncarnationExit {
  id: IncarnationId
  reason: 'out_of_memory' | 'runtime_exited'
  detail: string
}
