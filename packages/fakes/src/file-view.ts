import { posix } from 'node:path'
import {
  type FileAccess,
  type FileDetails,
  type FileEvent,
  type FileInfo,
  isCode,
  SpawnpointError,
  type WriteOptions,
} from '@spawnpoint/core'
import { directoryNode, type FileTree, fileNode, symlinkNode, TreeFull, type TreeNode } from './file-tree.ts'
import { type MountedTree, TreeReadOnly } from './mounted-tree.ts'

/** Directories that are memory inside a sandbox: in a memory snapshot, not in a filesystem one. */
export const MEMORY_DIRS = ['/tmp', '/var/tmp', '/dev/shm', '/run']

const TEMPORARY = ['/tmp', '/var/tmp']

export function guestError(
  errno: string,
  path?: string,
  what?: 'user' | 'cwd' | 'program',
): SpawnpointError<'guest_error'> {
  return new SpawnpointError('guest_error', path === undefined ? errno : `${errno}: ${path}`, {
    errno,
    ...(path === undefined ? {} : { path }),
    ...(what === undefined ? {} : { what }),
  })
}

export function resolvePath(path: string, base: string): string {
  return posix.resolve(base, path)
}

export interface Account {
  name: string
  uid: number
  gid: number
  home: string
}

/** The file system as the guest sees it: the root's tree with the memory directories over it. Throws `guest_error`. */
export class FileView {
  readonly #root: FileTree
  readonly #memory: FileTree
  readonly #mounts: readonly MountedTree[]
  readonly #listeners = new Set<(event: FileEvent) => void>()
  #memoryDirs = MEMORY_DIRS

  constructor(root: FileTree, memory: FileTree, mounts: readonly MountedTree[] = []) {
    this.#root = root
    this.#memory = memory
    this.#mounts = mounts
    for (const dir of MEMORY_DIRS) {
      if (!memory.get(dir)) memory.set(dir, directoryNode(dir === '/run' ? 0o755 : 0o1777))
    }
  }

  /** What `GuestIdentity.tmpOnRoot` asks for. */
  tmpOnRoot(): void {
    this.#memoryDirs = MEMORY_DIRS.filter((dir) => !TEMPORARY.includes(dir))
    for (const dir of TEMPORARY) this.mkdir(dir, { parents: true, mode: 0o1777 })
  }

  get diskUsedBytes(): number {
    return this.#root.usedBytes
  }

  get diskTotalBytes(): number {
    return this.#root.limitBytes
  }

  onChange(listener: (event: FileEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  account(user: string): Account {
    const [wanted = '', wantedGroup] = user.split(':')
    for (const line of (this.#root.readText('/etc/passwd') ?? 'root:x:0:0:root:/root:/bin/sh').split('\n')) {
      const [name = '', , uid, gid, , home = '/'] = line.split(':')
      if (name === '' || (name !== wanted && uid !== wanted)) continue
      return { name, uid: Number(uid), gid: Number(wantedGroup ?? gid), home }
    }
    if (!/^\d+$/.test(wanted)) throw guestError('EINVAL', undefined, 'user')
    return { name: wanted, uid: Number(wanted), gid: Number(wantedGroup ?? 0), home: '/' }
  }

  exists(path: string): boolean {
    return this.#tree(path).get(path) !== undefined
  }

  info(path: string, user?: string): FileInfo {
    return this.#info(this.#walk(path, false, user))
  }

  list(path: string, depth: number, limit: number, user?: string): FileInfo[] {
    const dir = this.#walk(path, true, user)
    if (this.#node(dir).type !== 'directory') throw guestError('ENOTDIR', path)
    const level = dir === '/' ? 0 : dir.split('/').length - 1
    return this.#below(dir)
      .filter((entry) => entry.split('/').length - 1 - level <= depth)
      .sort()
      .slice(0, limit)
      .map((entry) => this.#info(entry))
  }

  read(path: string, user?: string): Buffer {
    const real = this.#walk(path, true, user)
    const node = this.#node(real)
    if (node.type === 'directory') throw guestError('EISDIR', path)
    this.#allow(node, 4, path, user)
    return Buffer.from(node.data)
  }

  write(path: string, data: Uint8Array, options: WriteOptions = {}): FileInfo {
    const { user } = options
    const account = this.account(user ?? options.owner ?? 'root')
    try {
      this.mkdir(posix.dirname(path), { ...options, parents: true, mode: 0o755 })
    } catch (error) {
      throw isCode(error, 'guest_error') && error.context.errno === 'EEXIST' ? guestError('ENOTDIR', path) : error
    }
    const parent = this.#walk(posix.dirname(path), true, user)
    let real = posix.join(parent, posix.basename(path))
    if (this.exists(real) && options.exclusive) throw guestError('EEXIST', path)
    if (this.exists(real)) real = this.#walk(real, true, user)
    const old = this.exists(real) ? this.#node(real) : null
    if (old?.type === 'directory') throw guestError('EISDIR', path)
    if (old) this.#allow(old, 2, path, user)
    else this.#allow(this.#node(parent), 2, path, user)
    const body = options.append && old ? Buffer.concat([old.data, data]) : Buffer.from(data)
    const mode = (options.mode ?? old?.mode ?? 0o644) & 0o7777
    this.#set(real, {
      ...fileNode(body, mode, old?.uid ?? account.uid, old?.gid ?? account.gid),
      xattrs: { ...(options.append ? old?.xattrs : {}), ...options.xattrs },
    })
    this.#emit({ type: old ? 'modified' : 'created', path: real, fileType: 'file' })
    return this.#info(real)
  }

  mkdir(path: string, options: { mode?: number; parents?: boolean } & FileAccess = {}): FileInfo {
    const { user } = options
    const account = this.account(user ?? options.owner ?? 'root')
    const parts = posix.resolve('/', path).split('/').filter(Boolean)
    let at = '/'
    for (const [index, part] of parts.entries()) {
      const last = index === parts.length - 1
      const next = posix.join(at, part)
      if (this.exists(next)) {
        at = this.#walk(next, true, user)
        if (this.#node(at).type !== 'directory') throw guestError(last ? 'EEXIST' : 'ENOTDIR', path)
        if (last && !options.parents) throw guestError('EEXIST', path)
        continue
      }
      if (!last && !options.parents) throw guestError('ENOENT', path)
      this.#allow(this.#node(at), 2, path, user)
      this.#set(next, directoryNode(options.mode ?? 0o755, account.uid, account.gid))
      this.#emit({ type: 'created', path: next, fileType: 'directory' })
      at = next
    }
    return this.#info(at)
  }

  remove(path: string, options: { recursive?: boolean; user?: string; missing?: boolean } = {}): void {
    if (options.missing && !this.exists(path)) return
    const real = this.#walk(path, false, options.user)
    if (real === '/' || this.#memoryDirs.includes(real)) throw guestError('EBUSY', path)
    const below = this.#below(real)
    if (below.length > 0 && !options.recursive) throw guestError('ENOTEMPTY', path)
    this.#allow(this.#node(posix.dirname(real)), 2, path, options.user)
    const type = this.#node(real).type
    for (const entry of [...below, real]) this.#delete(entry)
    this.#emit({ type: 'removed', path: real, fileType: type })
  }

  move(from: string, to: string, options: FileAccess = {}): FileInfo {
    const { user } = options
    const source = this.#walk(from, false, user)
    this.mkdir(posix.dirname(to), { ...options, parents: true })
    const parent = this.#walk(posix.dirname(to), true, user)
    const target = posix.join(parent, posix.basename(to))
    if (this.#node(parent).type !== 'directory') throw guestError('ENOTDIR', to)
    if (target === source) return this.#info(source)
    if (target.startsWith(`${source}/`)) throw guestError('EINVAL', to)
    const below = this.#below(source)
    const replaced = this.exists(target) ? this.#node(target) : null
    const isDirectory = this.#node(source).type === 'directory'
    if (replaced && (replaced.type === 'directory') !== isDirectory) {
      throw guestError(isDirectory ? 'ENOTDIR' : 'EISDIR', to)
    }
    if (replaced && this.#below(target).length > 0) throw guestError('ENOTEMPTY', to)
    for (const path of [posix.dirname(source), parent]) this.#allow(this.#node(path), 2, path, user)
    for (const entry of [source, ...below]) {
      const node = this.#node(entry)
      this.#delete(entry)
      this.#set(target + entry.slice(source.length), node)
    }
    const fileType = this.#node(target).type
    this.#emit({ type: 'renamed', path: source, fileType })
    this.#emit({ type: replaced ? 'modified' : 'created', path: target, fileType })
    return this.#info(target)
  }

  /** Changes what a path's node says about it; `data` stays. */
  change(path: string, change: Partial<Pick<TreeNode, 'mode' | 'uid' | 'gid' | 'xattrs'>>): void {
    const real = this.#walk(path, true)
    const node = this.#node(real)
    this.#set(real, { ...node, ...change })
    this.#emit({ type: 'attributes', path: real, fileType: node.type })
  }

  /** As `change`, of a symlink itself, without a word to watchers. */
  changeItself(path: string, change: Partial<Pick<TreeNode, 'mode' | 'uid' | 'gid'>>): void {
    const real = this.#walk(path, false)
    this.#set(real, { ...this.#node(real), ...change })
  }

  xattrs(path: string): Record<string, string> {
    return { ...this.#node(this.#walk(path, true)).xattrs }
  }

  /** What a request wants to know beyond that. */
  told(info: FileInfo, { xattrs, targets }: FileDetails): FileInfo {
    const told = { ...info }
    if (targets && info.type === 'symlink') told.target = this.#target(info.path)
    if (xattrs !== undefined && (info.type !== 'symlink' || this.#target(info.path) !== null))
      told.xattrs = Object.fromEntries(
        Object.entries(this.xattrs(info.path)).filter(([name]) => name.startsWith(xattrs)),
      )
    return told
  }

  #target(path: string): FileInfo['target'] {
    try {
      const real = this.#walk(path, true)
      const { type, mode } = this.#node(real)
      return { path: real, type, mode }
    } catch {
      // It leads nowhere, or round in circles.
      return null
    }
  }

  symlink(target: string, path: string): void {
    this.#set(path, symlinkNode(target))
  }

  /** Where a path leads: every directory on the way and, if asked, the last name are followed through links. */
  #walk(path: string, followLast: boolean, user?: string): string {
    const parts = posix.resolve('/', path).split('/').filter(Boolean)
    let at = '/'
    let links = 0
    while (parts.length > 0) {
      const dir = this.#node(at)
      if (dir.type !== 'directory') throw guestError('ENOTDIR', path)
      this.#allow(dir, 1, path, user)
      const next = posix.join(at, parts.shift() as string)
      const node = this.#tree(next).get(next)
      if (!node) throw guestError('ENOENT', path)
      if (node.type === 'symlink' && (followLast || parts.length > 0)) {
        links += 1
        if (links > 40) throw guestError('ELOOP', path)
        parts.unshift(...posix.resolve(at, node.target).split('/').filter(Boolean))
        at = '/'
      } else at = next
    }
    return at
  }

  #tree(path: string): FileTree {
    const mounted = this.#mounts.find((mount) => mount.has(path))
    if (mounted !== undefined) return mounted
    return this.#memoryDirs.some((dir) => path === dir || path.startsWith(`${dir}/`)) ? this.#memory : this.#root
  }

  #node(path: string): TreeNode {
    const node = this.#tree(path).get(path)
    if (!node) throw guestError('ENOENT', path)
    return node
  }

  #set(path: string, node: TreeNode): void {
    try {
      this.#tree(path).set(path, node)
    } catch (error) {
      if (error instanceof TreeFull) throw guestError('EDQUOT', path)
      if (error instanceof TreeReadOnly) throw guestError('EROFS', path)
      throw error
    }
  }

  #delete(path: string): void {
    try {
      this.#tree(path).delete(path)
    } catch (error) {
      if (error instanceof TreeReadOnly) throw guestError('EROFS', path)
      throw error
    }
  }

  #below(path: string): string[] {
    const trees = [this.#root, this.#memory, ...this.#mounts]
    return trees.flatMap((tree) => tree.below(path).filter((entry) => this.#tree(entry) === tree))
  }

  /** Unix permission check for `bits` (4 read, 2 write, 1 search); root may do everything. */
  #allow(node: TreeNode, bits: number, path: string, user?: string): void {
    if (user === undefined) return
    const { uid, gid } = this.account(user)
    if (uid === 0) return
    const shift = node.uid === uid ? 6 : node.gid === gid ? 3 : 0
    if (((node.mode >> shift) & bits) !== bits) throw guestError('EACCES', path)
  }

  #info(path: string): FileInfo {
    const node = this.#node(path)
    const owner = this.#nameOf(node.uid)
    return {
      path,
      name: posix.basename(path) || '/',
      type: node.type,
      sizeBytes: node.type === 'symlink' ? node.target.length : node.data.length,
      mode: node.mode,
      uid: node.uid,
      gid: node.gid,
      owner,
      group: node.gid === node.uid ? owner : String(node.gid),
      modifiedAt: new Date(node.modifiedMs),
      symlinkTarget: node.type === 'symlink' ? node.target : null,
      target: null,
      xattrs: {},
    }
  }

  #nameOf(uid: number): string {
    return uid === 0 ? 'root' : this.account(String(uid)).name
  }

  #emit(event: FileEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}
