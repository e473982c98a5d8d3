import type { Duplex, Readable } from 'node:stream'
import type { Census, Env, HookOutcome } from '../model.ts'

/**
 * The agent inside one incarnation, seen from outside. Everything it returns comes from an adversary: drivers parse it, bound
 * it and time out before it gets here. Every call may reject with `guest_error` (the guest said no), `guest_unresponsive` (it
 * broke the protocol or a time limit) or `stale_incarnation` (the incarnation has ended).
 * A `Guest` belongs to one incarnation and is never revived; streams and calls of a dead one reject.
 * While the guest is held (`hold`), calls wait; they go on at `release`.
 */
export interface Guest {
  readonly agentVersion: string
  readonly protocolVersion: number
  /** Resolves, never rejects, when the incarnation or the connection to it is gone for good. */
  readonly gone: Promise<void>
  /** Gives a (re)booted or restored incarnation its identity. First call on every new incarnation. */
  identify(identity: GuestIdentity): Promise<IdentityReport>
  /**
   * Replaces what `identify` gave as `env`, for processes started from now on. Rejects `incompatible` if the agent is an older
   * one, frozen in a snapshot, that cannot.
   */
  setEnv(env: Env): Promise<void>
  /**
   * Replaces what `identify` gave as `authority`. An older agent, frozen in a snapshot, may not know how and changes nothing:
   * programs inside then do not trust the server where it answers in place of hosts.
   */
  setAuthority(pem: string): Promise<void>
  /**
   * Prepares for a snapshot: runs the `pre-snapshot` hooks, flushes the filesystem, then stops all traffic in both directions
   * between two frames. Preconditions: not held.
   */
  hold(options: HoldOptions): Promise<HoldReport>
  /** Ends `hold` in an incarnation that runs on. Idempotent. Streams go on with no byte lost or doubled. */
  release(): Promise<void>
  /** Asks every process to end (SIGTERM, then SIGKILL after `graceMs`) and flushes the filesystem. */
  shutdown(graceMs: number): Promise<void>
  metrics(): Promise<GuestMetrics>
  /** What runs now, `null` if the agent is too old to know. With `sync`, the filesystem is flushed first. */
  census(options: { sync: boolean }): Promise<Census | null>
  readonly processes: GuestProcesses
  readonly files: GuestFiles
  /** Connects to a TCP port inside: loopback first, then the sandbox's own address. Rejects `port_closed`. */
  connectPort(port: number): Promise<Duplex>
}

export interface GuestIdentity {
  sandboxId: string
  hostname: string
  /** For every process started from now on, under the request's own */
  env: Env
  /** PEM certificates that programs inside shall trust besides the system's own; empty for none */
  authority?: string
  generation: number
  /** 32 random bytes, hex; mixed into the kernel's pool */
  seed: string
  dns: string[]
  limits: { maxProcesses: number; memoryBytes: number }
  /** `boot` on a cold start, `restore` in a clone or after a resume: whether post-restore hooks run */
  cause: 'boot' | 'restore'
  hookTimeoutMs: number
  /** Unmounts the tmpfs of /tmp and /var/tmp, so that files there are on the root. For builds */
  tmpOnRoot?: boolean
  /** User, workdir and start command of the image */
  defaults: { user: string; workdir: string; startCommand: string[] }
}

/** What the agent refreshed; kept in the event log. */
export interface IdentityReport {
  hostname: boolean
  machineId: boolean
  entropy: boolean
  generation: number
  hooks: HookOutcome[]
}

export interface HoldOptions {
  hooks: boolean
  hookTimeoutMs: number
  /** Flush the filesystem before holding */
  sync: boolean
  /** Look for files that an older runtime cannot capture; costs a scan of all processes */
  findCulprits: boolean
  /** Tell what runs, after the hooks have run */
  census?: boolean
}

export interface HoldReport {
  hooks: HookOutcome[]
  /** Files that an older runtime cannot capture: deleted but open, on the root filesystem */
  culprits: { pid: number; what: string; path: string }[]
  /** If it was asked for; `null` if the agent is too old to know */
  census?: Census | null
}

export interface GuestMetrics {
  /** CPU time used since boot, in milliseconds */
  cpuMs: number
  memoryUsedBytes: number
  memoryTotalBytes: number
  diskUsedBytes: number
  diskTotalBytes: number
  processes: number
}

// ---------------------------------------------------------------- processes

export interface ProcessSpec {
  /** Unique in the sandbox; the agent makes one if absent. Starting with a known id returns that process. */
  id?: string
  args: string[]
  env: Env
  cwd?: string
  user?: string
  /** Real PTY if present */
  pty?: { cols: number; rows: number }
  /** Keep stdin open for `writeStdin`; otherwise it reads as empty */
  stdin: boolean
  /** Free text to find it by */
  tag?: string
  /** Milliseconds after which the process group is ended with SIGKILL */
  timeoutMs?: number
  /** Bytes of each output stream kept for readers that come back; default 1 MiB, at most 16 MiB */
  bufferBytes?: number
  /**
   * Its exit is reported only when no process keeps its output open any more (a child in the background may), however long that
   * takes; `timeoutMs` goes on until then. SIGKILL and SIGTERM through `signal` end the wait.
   */
  untilOutputEnds?: boolean
  /**
   * Milliseconds that `startAndFollow` may wait before it reports anything, so that all about a short process comes in one
   * piece; default 0, at most 1,000. Older agents do not know it and report at once.
   */
  gatherMs?: number
}

export interface ProcessInfo {
  id: string
  pid: number
  args: string[]
  /** As in the request, at most 16 KiB of it */
  env: Env
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

export type ProcessStream = 'stdout' | 'stderr' | 'pty'

/** One piece of output. `offset` is the position of its first byte in that stream since the process began. */
export type ProcessOutput =
  | { type: 'data'; stream: ProcessStream; offset: number; data: Buffer }
  /** Bytes from `offset` to `resumeAt` are no longer in the buffer */
  | { type: 'gap'; stream: ProcessStream; offset: number; resumeAt: number }
  | { type: 'exit'; exit: ProcessExit }

export interface AttachOptions {
  /** First byte wanted of each stream; absent means 0, `'now'` only what comes from now on */
  from?: Partial<Record<ProcessStream, number>> | 'now'
  /** Ends after what has been kept so far; for a process that still runs there is then no `exit` */
  kept?: boolean
  signal?: AbortSignal
}

/** The output of a process for one reader; ends after its `exit`. */
export interface Output extends AsyncIterable<ProcessOutput> {
  /**
   * Takes the items that have already arrived, without waiting; the iteration goes on after them. Preconditions: nobody waits
   * for the next item. Absent in drivers that do not know what has arrived.
   */
  arrived?(): ProcessOutput[]
}

/** Where room is taken for what an answer will hold. Whoever made it gives that back once the answer has been told. */
export interface AnswerRoom {
  /** Whether there is room for so many bytes more; waits a while for it */
  taken(bytes: number): Promise<boolean>
}

/** Lists are as long as the guest likes. Those that do not fit into the room reject `rate_limited`. */
export interface ListOptions {
  room?: AnswerRoom | undefined
}

export interface GuestProcesses {
  /** Rejects `invalid_argument` by the rules of `checkProcessSpec`, as `startAndFollow` does. */
  start(spec: ProcessSpec): Promise<ProcessInfo>
  /**
   * Starts and attaches in one round trip. Ends after the `exit` item. A reader that falls behind holds the process
   * back for at most 30 s, then gets a `gap`. Several readers may follow one process.
   */
  startAndFollow(spec: ProcessSpec, signal?: AbortSignal): Promise<{ info: ProcessInfo; output: Output }>
  /** Follows a process by agent id or `pid:<number>`; rejects `process_not_found`. */
  follow(ref: string, options: AttachOptions): Promise<{ info: ProcessInfo; output: Output }>
  /** Resolves when the bytes are in the pipe or PTY. */
  writeStdin(ref: string, data: Buffer): Promise<void>
  closeStdin(ref: string): Promise<void>
  /** Sends a signal (name or number) to the process group, or to the process alone. */
  signal(ref: string, signal: string | number, toGroup: boolean): Promise<void>
  resize(ref: string, size: { cols: number; rows: number }): Promise<void>
  list(options?: ListOptions): Promise<ProcessInfo[]>
  get(ref: string): Promise<ProcessInfo>
  wait(ref: string, signal?: AbortSignal): Promise<ProcessExit>
}

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
  /** What a symlink leads to in the end, if that was asked for; `null` if it leads nowhere, or this is no symlink */
  target: { path: string; type: FileType; mode: number } | null
  /** Extended attributes that were asked for, at most 8 KiB */
  xattrs: Record<string, string>
}

/** At most one of the two; neither means the default user as `owner`. */
export interface FileAccess {
  /** Acts with this user's rights: what is created is theirs, relative paths start at their home */
  user?: string
  /** Acts with root's rights, but relative paths start at this user's home and what is created is theirs */
  owner?: string
}

export interface FileDetails {
  /** Report extended attributes whose names begin with this, which itself begins with `user.` */
  xattrs?: string
  /** Report the `target` of symlinks */
  targets?: boolean
}

export interface WriteOptions extends FileAccess {
  /** Permission bits; default 0o644, an existing file keeps its own */
  mode?: number
  /** Set before the file gets its name; one that replaces another has these alone */
  xattrs?: Record<string, string>
  /** Refuse if the path exists: `guest_error` EEXIST */
  exclusive?: boolean
  append?: boolean
}

export interface UnpackRequest {
  /** Path in the archive that may have `*`, `?` and `[...]`; of a directory its content is meant; `.` for all */
  source: string
  /** Made if missing. A single file takes its place unless it ends with `/` or is a directory */
  destination: string
  /** Of all that is made, `user[:group]` */
  owner: string
  /**
   * Entries keep the owners that the archive says, by number, and so does a destination that was not there before; whatever else
   * is made belongs to `owner`. Rejects `incompatible` if the agent is an older one, frozen in a snapshot, that cannot.
   */
  keepOwners?: boolean
  /** Permission bits of all that is made; in directories, whoever may read may also enter */
  mode?: number
}

export interface FileEvent {
  type: 'created' | 'modified' | 'removed' | 'renamed' | 'attributes'
  path: string
  fileType: FileType | null
}

/**
 * Paths are resolved by the agent, inside; relative ones and `~/` start at a home. Unless a user is named, the agent acts as
 * root on behalf of the default user. An agent too old to know `owner` takes it for `user`; one too old for `FileDetails`
 * reports none.
 */
export interface GuestFiles {
  stat(path: string, options?: FileAccess & FileDetails): Promise<FileInfo>
  /** Entries to `depth` levels (1 = the directory's own), at most `limit`, sorted by path. */
  list(
    path: string,
    options: { depth: number; limit: number } & ListOptions & FileAccess & FileDetails,
  ): Promise<FileInfo[]>
  read(
    path: string,
    options?: { offset?: number; length?: number; signal?: AbortSignal } & FileAccess,
  ): Promise<{ info: FileInfo; body: Readable }>
  /** Atomic (temporary file, rename) unless appending; makes missing parents. */
  write(path: string, body: AsyncIterable<Uint8Array>, options?: WriteOptions): Promise<FileInfo>
  mkdir(path: string, options?: { mode?: number; parents?: boolean } & FileAccess): Promise<FileInfo>
  remove(path: string, options?: { recursive?: boolean } & FileAccess): Promise<void>
  move(from: string, to: string, options?: FileAccess & FileDetails): Promise<FileInfo>
  chmod(path: string, mode: number): Promise<void>
  chown(path: string, owner: string): Promise<void>
  getXattr(path: string): Promise<Record<string, string>>
  setXattr(path: string, attributes: Record<string, string>): Promise<void>
  /**
   * Unpacks a tar archive, plain or gzip, as it arrives: the entries that `source` matches, and all below them. Nothing is made
   * outside the destination, whatever the archive says. Rejects `invalid_argument` for an archive that cannot be read or leads
   * out of the destination, and `guest_error` ENOENT if nothing matches; what was unpacked by then stays.
   */
  unpack(archive: AsyncIterable<Uint8Array>, request: UnpackRequest): Promise<{ entries: number; bytes: number }>
  /** A tar archive of what `source` matches below `/`, for `unpack` with the same source. Other mounts are left out. */
  pack(source: string, options?: { signal?: AbortSignal }): Promise<Readable>
  /** Follows changes; the iterator is live once the promise resolves. */
  watch(
    path: string,
    options: { recursive: boolean; signal?: AbortSignal } & FileAccess,
  ): Promise<AsyncIterable<FileEvent>>
}
