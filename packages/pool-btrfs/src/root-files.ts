import type { Readable } from 'node:stream'
import type { NewFile, RootFiles, RootId, TreeFile } from '@spawnpoint/core'
import { fileOf } from './tree-answers.ts'
import type { TreeReader, TreeRequest } from './tree-reader.ts'
import { BtrfsTrees } from './trees.ts'

type Cancel = { signal?: AbortSignal | undefined }

/** Of a root as it is, not of an instant of it: what is asked for one path need not wait for all of it to be written out. */
export class BtrfsRootFiles implements RootFiles {
  readonly #reader: TreeReader
  readonly #pathOf: (root: RootId) => Promise<string>
  readonly #trees: BtrfsTrees

  /** `pathOf` rejects `not_found` where there is no such root, or not any more. */
  constructor(reader: TreeReader, pathOf: (root: RootId) => Promise<string>) {
    this.#reader = reader
    this.#pathOf = pathOf
    this.#trees = new BtrfsTrees(reader, async ({ id }) => {
      const check = async () => void (await pathOf(id as RootId))
      return { path: await pathOf(id as RootId), check, release: () => {} }
    })
  }

  stat(root: RootId, path: string, options: Cancel = {}): Promise<TreeFile> {
    return this.#trees.stat({ from: 'root', id: root }, path, options)
  }

  list(
    root: RootId,
    path: string,
    options: { depth: number; limit: number; after?: string | undefined } & Cancel,
  ): Promise<{ entries: TreeFile[]; next: string | null }> {
    return this.#trees.list({ from: 'root', id: root }, path, options)
  }

  read(
    root: RootId,
    path: string,
    options: { offset?: number | undefined; length?: number | undefined } & Cancel = {},
  ): Promise<{ info: TreeFile; body: Readable }> {
    return this.#trees.read({ from: 'root', id: root }, path, options)
  }

  async write(
    root: RootId,
    path: string,
    content: AsyncIterable<Uint8Array>,
    { signal, ...options }: NewFile & { exclusive: boolean } & Cancel,
  ): Promise<TreeFile> {
    return fileOf(await this.#change(root, { do: 'write', path, ...options }, { content, signal }))
  }

  async makeDir(root: RootId, path: string, options: NewFile): Promise<TreeFile> {
    return fileOf(await this.#change(root, { do: 'makeDir', path, ...options }))
  }

  async change(
    root: RootId,
    path: string,
    { uid = -1, gid = -1, mode }: { uid?: number | undefined; gid?: number | undefined; mode?: number | undefined },
  ): Promise<TreeFile> {
    const set = mode === undefined ? {} : { mode, setMode: true }
    return fileOf(await this.#change(root, { do: 'change', path, uid, gid, ...set }))
  }

  async remove(root: RootId, path: string): Promise<void> {
    await this.#change(root, { do: 'remove', path })
  }

  async #change(
    root: RootId,
    request: TreeRequest,
    more: { content?: AsyncIterable<Uint8Array> } & Cancel = {},
  ): Promise<unknown> {
    const path = await this.#pathOf(root)
    try {
      return await this.#reader.change({ request, roots: [path], signal: undefined, ...more })
    } catch (error) {
      // A root that has gone away is the reason of whatever else went wrong.
      await this.#pathOf(root)
      throw error
    }
  }
}
