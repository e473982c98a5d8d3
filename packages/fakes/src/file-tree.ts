export interface TreeNode {
  readonly type: 'file' | 'directory' | 'symlink'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly modifiedMs: number
  /** Empty but for files; never written in place */
  readonly data: Uint8Array
  /** Empty but for symlinks */
  readonly target: string
  readonly xattrs: Readonly<Record<string, string>>
}

const EMPTY = new Uint8Array(0)

export function directoryNode(mode = 0o755, uid = 0, gid = 0): TreeNode {
  return { type: 'directory', mode, uid, gid, modifiedMs: Date.now(), data: EMPTY, target: '', xattrs: {} }
}

export function fileNode(data: Uint8Array, mode = 0o644, uid = 0, gid = 0): TreeNode {
  return { type: 'file', mode, uid, gid, modifiedMs: Date.now(), data, target: '', xattrs: {} }
}

export function symlinkNode(target: string, uid = 0, gid = 0): TreeNode {
  return { type: 'symlink', mode: 0o777, uid, gid, modifiedMs: Date.now(), data: EMPTY, target, xattrs: {} }
}

/** Thrown when a write does not fit in the tree's limit; the guest sees it as EDQUOT. */
export class TreeFull extends Error {
  override readonly name = 'TreeFull'
}

/** A root filesystem: absolute path → node. Nodes are replaced, never changed, so a clone is a copy of the map. */
export class FileTree {
  readonly nodes: Map<string, TreeNode>
  limitBytes = Number.POSITIVE_INFINITY
  #usedBytes = 0

  constructor(nodes: Map<string, TreeNode> = new Map([['/', directoryNode()]]), usedBytes = 0) {
    this.nodes = nodes
    this.#usedBytes = usedBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  clone(): FileTree {
    return new FileTree(new Map(this.nodes), this.#usedBytes)
  }

  get(path: string): TreeNode | undefined {
    return this.nodes.get(path)
  }

  set(path: string, node: TreeNode): void {
    const used = this.#usedBytes - (this.nodes.get(path)?.data.length ?? 0) + node.data.length
    if (used > this.limitBytes && used > this.#usedBytes) throw new TreeFull(`disk quota exceeded: ${path}`)
    this.nodes.set(path, node)
    this.#usedBytes = used
  }

  delete(path: string): void {
    const node = this.nodes.get(path)
    if (!node) return
    this.nodes.delete(path)
    this.#usedBytes -= node.data.length
  }

  /** Paths below a directory, its own not included. */
  below(path: string): string[] {
    const prefix = path === '/' ? '/' : `${path}/`
    return [...this.nodes.keys()].filter((key) => key !== path && key.startsWith(prefix))
  }

  /** For hosts and tests: text of a file, `null` if there is none. Follows no links. */
  readText(path: string): string | null {
    const node = this.nodes.get(path)
    return node?.type === 'file' ? Buffer.from(node.data).toString('utf8') : null
  }

  /** For hosts: with its missing parents. */
  makeDirectory(path: string): void {
    this.#makeParents(`${path}/x`)
  }

  /** For hosts and tests: writes a file and its missing parents. */
  writeFile(path: string, data: string | Uint8Array, mode = 0o644): void {
    this.#makeParents(path)
    this.set(path, fileNode(Buffer.from(data as Uint8Array), mode))
  }

  #makeParents(path: string): void {
    const parts = path.split('/').slice(1, -1)
    parts.forEach((_, index) => {
      const parent = `/${parts.slice(0, index + 1).join('/')}`
      if (!this.nodes.has(parent)) this.set(parent, directoryNode())
    })
  }
}
