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
 * Runs incarnations: one isolated kernel each, on a root filesystem that the Pool has made. Knows nothing of sandboxes, teams
 * or states; the core makes only calls that the lifecycle allows.
 *
 * Laws every driver keeps (the contract suite checks them):
 * - `kill`, `pause` and `resume` are idempotent; `kill` of an unknown incarnation succeeds. `kill` of one that is coming up
 *   cuts it off: its `start` or `restore` rejects `stale_incarnation`.
 * - Once `kill` has resolved, no process of the incarnation runs and nothing is written to its root. Slower clean-up (state
 *   directories, network slots, control groups) goes on in the background; `close` or the next `open` finishes it.
 * - Incarnations live on when the server dies. `list` after `open` tells which; `attach` reaches them.
 * - `checkpoint` leaves the incarnation paused and alive, even if it fails.
 * - A failed `start` or `restore` leaves nothing behind.
 * - What has ended, or was to be killed, and cannot be is listed until nothing of it runs, and every other call for it rejects
 *   `runtime_failed`. It does not keep `open` from resolving.
 */
export interface Runtime {
  /** Checks the host, adopts what runs. Rejects `unavailable` saying what is missing and how to install it. */
  open(): Promise<void>
  /** Lets go of all incarnations without stopping them. */
  close(): Promise<void>
  readonly info: RuntimeInfo
  /**
   * Cold boot. Resolves when the agent answers. `greet` gets the guest as soon as messages can be sent to it, which may be
   * before it runs: they are answered once it runs, and reject if it does not come up. If a first attempt fails and there is
   * a second one, `greet` is called again.
   */
  start(spec: IncarnationSpec, greet?: (guest: Guest) => void): Promise<Guest>
  /**
   * Restores memory and processes. Resolves when the agent answers; `greet` as for `start`. If the requirements are not met, it
   * rejects `incompatible` before anything is tried.
   */
  restore(spec: IncarnationSpec, memory: MemoryImage, greet?: (guest: Guest) => void): Promise<Guest>
  /**
   * Does in advance what it can of a `start` (`memory` is `null`) or `restore`: the call with the same `id` that follows is then
   * quicker. That call may differ in `network`, `credentials` and `hostname`; if anything else differs, the preparation is
   * thrown away. A prepared incarnation is not listed, and `kill` and `close` end it. A rejection leaves nothing behind.
   */
  prepare?(spec: IncarnationSpec, memory: MemoryImage | null): Promise<void>
  /** Rejects `incompatible` if `restore` would. `brings.agent`: the agent comes along with the memory. */
  checkRestore(needs: Requirements, brings: { agent: boolean }): Promise<void>
  /** Agents that memory was frozen with: a restore needs the very file. */
  readonly agents: RuntimeAgents
  pause(id: IncarnationId): Promise<void>
  resume(id: IncarnationId): Promise<void>
  /** Writes memory and processes into the empty directory `dir`. Preconditions: paused. Rejects `capture_refused`. */
  checkpoint(id: IncarnationId, dir: string): Promise<{ memoryBytes: number; requirements: Requirements }>
  /**
   * Does in advance what it can of a `checkpoint` into the empty directory `dir`, while the incarnation still runs: that call is
   * then quicker. Disposing of the result, or the end of the server, undoes what was not used.
   */
  expectCheckpoint?(id: IncarnationId, dir: string): Promise<AsyncDisposable>
  kill(id: IncarnationId): Promise<void>
  /** Reaches an incarnation started by an earlier server; rejects `stale_incarnation` if it is not there. */
  attach(id: IncarnationId): Promise<Guest>
  list(): Promise<{ id: IncarnationId; paused: boolean }[]>
  setNetwork(id: IncarnationId, policy: NetworkPolicy): Promise<void>
  /**
   * Replaces the spec's credentials, for requests that begin from now on. Absent where a driver cannot change requests. The
   * driver keeps no values on disk: after a restart it refuses requests to the rules' hosts until this is called again.
   */
  setCredentials?(id: IncarnationId, rules: readonly OutgoingRule[]): Promise<void>
  /** What the incarnation uses, measured by the host; the guest is not asked. */
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
  /** PEM certificate that guests must trust so that the driver can answer in place of hosts, for `OutgoingRule`s */
  authority?: string
  /** Upper bounds for `Resources` on this host */
  host: { cpus: number; memoryBytes: number }
}

/** An enabled `CredentialRule` with its values in clear. A value of `null` is a lost secret: requests that need it are refused. */
export interface OutgoingRule
  extends Pick<CredentialRule, 'hosts' | 'port' | 'everywhere' | 'paths' | 'matchHeaders' | 'rewrite'> {
  headers: OutgoingValue[]
  /** As in the rule. A driver that does not know the type refuses requests to the rule's hosts */
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

/** Signs the tokens that go with the server's questions to web services (`CredentialCallback`). */
export interface CallbackSigner {
  /** PEM, PKCS #8, Ed25519 */
  privateKey: string
  keyId: string
  issuer: string
}

/** Signs the tokens that tell clouds who a sandbox is (`CredentialIdentity`). */
export interface IdentitySigner {
  /** PEM, PKCS #8, RSA */
  privateKey: string
  keyId: string
  issuer: string
}

export interface HostUsage {
  /** Processor time used since the incarnation began, in milliseconds */
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
  /** What is put into requests on their way out, with secrets in clear */
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
