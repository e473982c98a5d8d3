import { type ImageId, type IncarnationId, type RootId, type SnapshotId, SpawnpointError } from '@spawnpoint/core'
import type { FakePushed, FakePushedSnapshot } from './archive.ts'
import { Faults } from './faults.ts'
import type { FileTree } from './file-tree.ts'
import type { FakeIncarnation } from './incarnation.ts'
import type { MemoryCapture } from './machine-state.ts'
import { MemoryLedgerStore } from './memory-ledger-store.ts'
import { BUILT_IN_PROGRAMS, type FakeProgram } from './programs.ts'
import type { FakeRepository } from './remotes.ts'

export interface StoredRoot {
  tree: FileTree
  /** Bytes it had when it was cloned, shared with its source */
  sharedBytes: number
}

export interface StoredSnapshot {
  tree: FileTree | null
  /** Files of the memory directory */
  memoryFiles: FileTree
  /** What `checkpoint` wrote there; `null` in a filesystem snapshot */
  memory: MemoryCapture | null
  manifest: unknown
  /** Of its memory, from when it was first checked */
  digest?: string
}

export type StagedEntry =
  | { type: 'image'; id: ImageId; tree: FileTree }
  | { type: 'snapshot'; id: SnapshotId; content: StoredSnapshot }

/**
 * The machine under the fakes: what is on disk and what runs. It outlives every `FakePool`, `FakeRuntime` and
 * `MemoryLedger` made on it, so a test lets the server die (`crashServer`, `faults.crashAt`), makes new instances on the
 * same host, and looks at what they find.
 */
export class FakeHost {
  readonly faults = new Faults()
  readonly ledger = new MemoryLedgerStore(this.faults)
  readonly images = new Map<ImageId, FileTree>()
  readonly roots = new Map<RootId, StoredRoot>()
  readonly snapshots = new Map<SnapshotId, StoredSnapshot>()
  readonly staged = new Map<string, StagedEntry>()
  /** What was pushed, by full reference */
  readonly pushed = new Map<string, FakePushed>()
  readonly pushedSnapshots = new Map<string, FakePushedSnapshot>()
  /** What is elsewhere, by address */
  readonly repositories = new Map<string, FakeRepository>()
  /** By `TYPE:BUCKET/PREFIX` */
  readonly buckets = new Map<string, FakeRepository>()
  /** By team and key */
  readonly blobs = new Map<string, { data: Buffer; usedAt: number }>()
  readonly incarnations = new Map<IncarnationId, FakeIncarnation>()
  /** Programs that processes inside can run, by the base name of `args[0]`; tests may add theirs */
  readonly programs = new Map<string, FakeProgram>(BUILT_IN_PROGRAMS)
  /** Free space that `Pool.space` tells */
  freeBytes = 100 * 2 ** 30

  /** The server process dies; incarnations run on, the disk stays. */
  crashServer(): void {
    this.faults.crash()
  }

  /** The machine restarts: the server and all incarnations die, the disk stays. */
  reboot(): void {
    this.faults.crash('a reboot')
    for (const incarnation of [...this.incarnations.values()]) incarnation.end('runtime_exited', 'host restarted')
  }

  /** One incarnation dies without `kill`. */
  crashIncarnation(id: IncarnationId, reason: 'out_of_memory' | 'runtime_exited' = 'runtime_exited'): void {
    const incarnation = this.incarnations.get(id)
    if (!incarnation) throw new Error(`No incarnation ${id} to crash`)
    incarnation.end(reason, reason === 'out_of_memory' ? 'memory limit reached' : 'sandbox process exited')
  }

  /** Everything that exists and would be left over if nobody knew of it. */
  leaks() {
    return {
      incarnations: [...this.incarnations.keys()].sort(),
      roots: [...this.roots.keys()].sort(),
      staged: [...this.staged.keys()].sort(),
      images: [...this.images.keys()].sort(),
      snapshots: [...this.snapshots.keys()].sort(),
    }
  }

  /** Incarnations that stand still now, whoever asks. */
  pausedIncarnations(): IncarnationId[] {
    return [...this.incarnations.values()].filter(({ paused }) => paused).map(({ spec }) => spec.id)
  }

  /** The tree behind a directory that `FakePool` gave out. */
  tree(path: string): FileTree {
    const [, kind = '', id = '', memory] = HOST_PATH.exec(path) ?? []
    const entry = this.staged.get(id)
    const snapshot = this.#snapshot(kind, id)
    if (memory !== undefined) return snapshot?.memoryFiles ?? missing(path)
    if (kind === 'roots') return this.roots.get(id as RootId)?.tree ?? missing(path)
    if (kind === 'images') return this.images.get(id as ImageId) ?? missing(path)
    if (kind === 'staged' && entry?.type === 'image') return entry.tree
    return snapshot?.tree ?? missing(path)
  }

  /** The snapshot, staged or published, whose memory directory this is. */
  memoryAt(dir: string): StoredSnapshot {
    const [, kind = '', id = '', memory] = HOST_PATH.exec(dir) ?? []
    return (memory && this.#snapshot(kind, id)) || missing(dir)
  }

  #snapshot(kind: string, id: string): StoredSnapshot | undefined {
    if (kind === 'snapshots') return this.snapshots.get(id as SnapshotId)
    const entry = kind === 'staged' ? this.staged.get(id) : undefined
    return entry?.type === 'snapshot' ? entry.content : undefined
  }
}

const HOST_PATH = /^fake:\/(roots|images|snapshots|staged)\/([^/]+)(\/memory)?$/

function missing(path: string): never {
  throw new SpawnpointError('runtime_failed', 'A directory is missing', { step: 'fake host', detail: path })
}
