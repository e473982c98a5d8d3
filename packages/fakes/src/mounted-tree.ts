import { FileTree, type TreeNode } from './file-tree.ts'

/** Thrown when something in a tree that is mounted to be read is to be changed; the guest sees it as EROFS. */
export class TreeReadOnly extends Error {
  override readonly name = 'TreeReadOnly'
}

/** Another tree, seen below a directory of this one. */
export class MountedTree extends FileTree {
  readonly path: string
  readonly #of: FileTree
  readonly #readOnly: boolean

  constructor(path: string, of: FileTree, readOnly: boolean) {
    super(new Map())
    this.path = path
    this.#of = of
    this.#readOnly = readOnly
  }

  has(path: string): boolean {
    return path === this.path || path.startsWith(`${this.path}/`)
  }

  override get usedBytes(): number {
    return this.#of.usedBytes
  }

  override get(path: string): TreeNode | undefined {
    return this.#of.get(this.#inside(path))
  }

  override set(path: string, node: TreeNode): void {
    this.#mustWrite(path)
    this.#of.set(this.#inside(path), node)
  }

  override delete(path: string): void {
    this.#mustWrite(path)
    this.#of.delete(this.#inside(path))
  }

  override below(path: string): string[] {
    const outside = (inside: string) => (inside === '/' ? this.path : this.path + inside)
    if (this.has(path)) return this.#of.below(this.#inside(path)).map(outside)
    const prefix = path === '/' ? '/' : `${path}/`
    return this.path.startsWith(prefix) ? [this.path, ...this.#of.below('/').map(outside)] : []
  }

  #inside(path: string): string {
    return path === this.path ? '/' : path.slice(this.path.length)
  }

  #mustWrite(path: string): void {
    if (this.#readOnly) throw new TreeReadOnly(`read-only: ${path}`)
  }
}
