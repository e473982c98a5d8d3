import { type ImageId, newId, type Pool, type RootId, type SnapshotId } from '@spawnpoint/core'

export interface PoolUnderTest extends AsyncDisposable {
  /** Opened */
  pool: Pool
  /** Closes `pool` and opens another on the same store, as a restarted server does; `pool` is that one afterwards. */
  reopen(): Promise<void>
  /** Content of a file in a directory that the pool gave out (`rootPath`, `fill`, `memoryDir`); `null` if there is none. */
  readFile(dir: string, name: string): Promise<string | null>
  /** Writes a file there; rejects when the disk limit says no. */
  writeFile(dir: string, name: string, data: Buffer): Promise<void>
}

export const MIB = 2 ** 20

/** The store under test, and what the tests make in it again and again. */
export class PoolBench {
  #subject: PoolUnderTest | undefined

  get subject(): PoolUnderTest {
    if (!this.#subject) throw new Error('the factory did not finish')
    return this.#subject
  }

  set subject(subject: PoolUnderTest) {
    this.#subject = subject
  }

  readonly read = (dir: string, file = 'state') => this.subject.readFile(dir, file)
  readonly write = (dir: string, text: string, file = 'state') => this.subject.writeFile(dir, file, Buffer.from(text))
  readonly path = (id: RootId) => this.subject.pool.rootPath(id)

  readonly makeImage = async (text = 'image'): Promise<ImageId> => {
    const id = newId<ImageId>()
    await this.subject.pool.createImage(id, (dir) => this.write(dir, text))
    return id
  }

  readonly makeRoot = async (
    from: { image: ImageId } | { snapshot: SnapshotId },
    diskBytes = 512 * MIB,
  ): Promise<RootId> => {
    const id = newId<RootId>()
    const source =
      'image' in from
        ? ({ from: 'image', id: from.image } as const)
        : ({ from: 'snapshot', id: from.snapshot } as const)
    await this.subject.pool.createRoot(id, source, { diskBytes })
    return id
  }

  readonly capture = async (root: RootId, manifest: unknown = {}, memory?: string): Promise<SnapshotId> => {
    const id = newId<SnapshotId>()
    const { memoryDir } = await this.subject.pool.stageSnapshot(id)
    if (memory !== undefined) await this.write(memoryDir, memory, 'memory')
    await this.subject.pool.captureRoot(id, root)
    await this.subject.pool.publishSnapshot(id, manifest)
    return id
  }
}
