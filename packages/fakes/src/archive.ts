import {
  type Archive,
  type ArchiveTarget,
  type BuildProgress,
  formatImageReference,
  type PackedRoot,
  type Pushed,
  SpawnpointError,
} from '@spawnpoint/core'
import type { FileTree } from './file-tree.ts'
import type { FakeHost } from './host.ts'

/** "Pushes" by keeping a copy in `FakeHost.pushed`, by full reference. Fault point: `archive.pushImage`. */
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
}

/** What a `FakeArchive` was given. */
export interface FakePushed {
  tree: FileTree
  root: PackedRoot
  username: string | null
}
