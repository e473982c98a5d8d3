import {
  type Archive,
  type ArchiveTarget,
  type BuildProgress,
  type FoundSnapshot,
  formatImageReference,
  notFound,
  type PackedRoot,
  type PackedSnapshot,
  type Pushed,
  SpawnpointError,
} from '@spawnpoint/core'
import type { FileTree } from './file-tree.ts'
import type { FakeHost } from './host.ts'
import type { MemoryCapture } from './machine-state.ts'

/**
 * "Pushes" by keeping a copy in `FakeHost.pushed` and `pushedSnapshots`, by full reference. Fault points: `archive.pushImage`,
 * `archive.pushSnapshot`, `archive.findSnapshot`, `archive.fillRoot`, `archive.fillMemory`.
 */
export class FakeArchive implements Archive {
  readonly #host: FakeHost
  readonly #life

  constructor(host: FakeHost) {
    this.#host = host
    this.#life = host.faults.life
  }

  pushImage(
    root: PackedRoot,
    { reference, access }: ArchiveTarget,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<Pushed> {
    const name = formatImageReference(reference)
    return this.#host.faults.run(this.#life, 'archive.pushImage', name, () => {
      if (signal.aborted) throw new SpawnpointError('cancelled', 'The push was cancelled', { what: 'push' })
      report({ step: 'upload', fraction: 0, line: null })
      const tree = this.#host.tree(root.rootPath).clone()
      this.#host.pushed.set(name, { tree, root, username: access?.username ?? null })
      report({ step: 'upload', fraction: 1, line: null })
      return { digest: `sha256:${'0'.repeat(64)}`, sizeBytes: tree.usedBytes }
    })
  }

  pushSnapshot(
    snapshot: PackedSnapshot,
    { reference }: ArchiveTarget,
    sign: (payload: Buffer) => string,
    report: (progress: BuildProgress) => void,
  ): Promise<Pushed> {
    const name = formatImageReference(reference)
    return this.#host.faults.run(this.#life, 'archive.pushSnapshot', name, () => {
      report({ step: 'upload', fraction: 1, line: null })
      const tree = this.#host.tree(snapshot.rootPath).clone()
      const memory = snapshot.memoryDir === null ? null : this.#host.memoryAt(snapshot.memoryDir).memory
      const signature = sign(payloadOf(snapshot))
      this.#host.pushedSnapshots.set(name, { tree, memory, snapshot: structuredClone(snapshot), signature })
      return { digest: `sha256:${'1'.repeat(64)}`, sizeBytes: tree.usedBytes + (memory?.sizeBytes ?? 0) }
    })
  }

  findSnapshot({ reference }: ArchiveTarget): Promise<FoundSnapshot> {
    const name = formatImageReference(reference)
    return this.#host.faults.run(this.#life, 'archive.findSnapshot', name, () => {
      const pushed = this.#host.pushedSnapshots.get(name)
      if (pushed === undefined) throw notFound('snapshot', name)
      return this.#found(pushed)
    })
  }

  #found({ tree, memory, snapshot, signature }: FakePushedSnapshot): FoundSnapshot {
    const call = (step: string, work: () => void) => this.#host.faults.run(this.#life, `archive.${step}`, '', work)
    return {
      description: structuredClone(snapshot.description),
      digest: `sha256:${'1'.repeat(64)}`,
      payload: payloadOf(snapshot),
      signature,
      hasMemory: memory !== null,
      agentDigest: snapshot.agentFile,
      packedBytes: tree.usedBytes,
      fillRoot: (dir) =>
        call('fillRoot', () => {
          for (const [path, node] of tree.nodes) this.#host.tree(dir).set(path, node)
        }),
      fillMemory: (dir) =>
        call('fillMemory', () => {
          const place = this.#host.memoryAt(dir)
          place.memory = memory
          place.memoryFiles.writeFile('/pages.img', Buffer.alloc(memory?.sizeBytes ?? 0))
        }),
      agentFile: async () => snapshot.agentFile ?? '',
      [Symbol.asyncDispose]: async () => {},
    }
  }
}

function payloadOf({ description }: PackedSnapshot): Buffer {
  return Buffer.from(JSON.stringify(description))
}

/** What a `FakeArchive` was given as a snapshot. */
export interface FakePushedSnapshot {
  tree: FileTree
  memory: MemoryCapture | null
  snapshot: PackedSnapshot
  signature: string
}

/** What a `FakeArchive` was given. */
export interface FakePushed {
  tree: FileTree
  root: PackedRoot
  username: string | null
}
