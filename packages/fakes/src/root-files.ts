import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import type { NewFile, RootFiles, RootId, TreeFile, TreeSource } from '@spawnpoint/core'
import { directoryNode, type FileTree, fileNode, TreeFull } from './file-tree.ts'
import { guestError } from './file-view.ts'
import { cleaned, FakeTrees, nodeAt, resolved } from './trees.ts'

type Cancel = { signal?: AbortSignal | undefined }
type Call = <T>(step: string, root: RootId, work: (tree: FileTree) => T | Promise<T>) => Promise<T>

/** `Pool.files` on the roots of a `FakeHost`. */
export class FakeRootFiles implements RootFiles {
  readonly #call: Call
  readonly #trees: FakeTrees

  constructor(call: Call) {
    this.#call = call
    this.#trees = new FakeTrees((step, { id }, work) => call(step, id as RootId, (tree) => work(() => tree)))
  }

  async stat(root: RootId, path: string, options: Cancel = {}): Promise<TreeFile> {
    return timed(await this.#trees.stat(of(root), path, options))
  }

  async list(root: RootId, path: string, options: Parameters<RootFiles['list']>[2]) {
    const { entries, next } = await this.#trees.list(of(root), path, options)
    return { entries: entries.map(timed), next }
  }

  async read(
    root: RootId,
    path: string,
    options: Parameters<RootFiles['read']>[2] = {},
  ): Promise<{ info: TreeFile; body: Readable }> {
    const { info, body } = await this.#trees.read(of(root), path, options)
    return { info: timed(info), body }
  }

  write(
    root: RootId,
    path: string,
    content: AsyncIterable<Uint8Array>,
    options: NewFile & { exclusive: boolean } & Cancel,
  ): Promise<TreeFile> {
    const { exclusive, mode, uid, gid } = options
    return this.#change('write', root, path, async (tree) => {
      const at = place(tree, path, options)
      const there = at === '/' ? 'directory' : tree.get(at)?.type
      if (there !== undefined && exclusive) throw guestError('EEXIST', path)
      if (there === 'directory') throw guestError('EISDIR', path)
      const chunks: Uint8Array[] = []
      for await (const chunk of content) chunks.push(chunk)
      tree.set(at, fileNode(Buffer.concat(chunks), mode, uid, gid))
    })
  }

  makeDir(root: RootId, path: string, options: NewFile): Promise<TreeFile> {
    return this.#change('makeDir', root, path, (tree) => {
      const at = place(tree, path, options)
      if (tree.get(at) === undefined) return tree.set(at, directoryNode(options.mode, options.uid, options.gid))
      const isDirectory = nodeAt(tree, resolved(tree, path, true)).type === 'directory'
      if (!options.parents || !isDirectory) throw guestError('EEXIST', path)
    })
  }

  change(root: RootId, path: string, change: Parameters<RootFiles['change']>[2]): Promise<TreeFile> {
    return this.#change('change', root, path, (tree) => {
      const at = resolved(tree, path, true)
      const node = nodeAt(tree, at)
      const { uid = node.uid, gid = node.gid, mode = node.mode } = change
      tree.set(at, { ...node, uid, gid, mode })
    })
  }

  async remove(root: RootId, path: string): Promise<void> {
    await this.#call('remove', root, (tree) => {
      const at = resolved(tree, path, false)
      if (at === '/') throw guestError('EBUSY', path)
      for (const entry of [...tree.below(at), at]) tree.delete(entry)
    })
  }

  async #change(step: string, root: RootId, path: string, work: (tree: FileTree) => void | Promise<void>) {
    await this.#call(step, root, async (tree) => {
      try {
        await work(tree)
      } catch (error) {
        if (error instanceof TreeFull) throw guestError('EDQUOT', path)
        throw error
      }
    })
    return this.stat(root, path)
  }
}

function of(id: RootId): TreeSource {
  return { from: 'root', id }
}

/** Where something new is to be; directories on the way are made if that is asked for. */
function place(tree: FileTree, path: string, { parents, uid, gid }: NewFile): string {
  const clean = cleaned(path)
  if (clean === '/') return clean
  const above = posix.dirname(clean)
  const names = above.split('/').filter(Boolean)
  for (const [index] of parents ? names.entries() : []) {
    const prefix = `/${names.slice(0, index + 1).join('/')}`
    const at = posix.join(resolved(tree, posix.dirname(prefix), true), posix.basename(prefix))
    if (tree.get(at) === undefined) tree.set(at, directoryNode(0o777, uid, gid))
  }
  const dir = resolved(tree, above, true)
  if (nodeAt(tree, dir).type !== 'directory') throw guestError('ENOTDIR', path)
  return posix.join(dir, posix.basename(clean))
}

function timed<T extends { modifiedAt: Date }>(info: T): T & Pick<TreeFile, 'accessedAt' | 'changedAt'> {
  return { ...info, accessedAt: info.modifiedAt, changedAt: info.modifiedAt }
}
