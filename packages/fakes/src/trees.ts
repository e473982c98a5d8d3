import { posix } from 'node:path'
import { Readable } from 'node:stream'
import {
  type ComparedFile,
  type FileChange,
  type FileComparison,
  type FileDifference,
  type FileInfo,
  SpawnpointError,
  type TreeMatch,
  type TreeSearch,
  type TreeSearchResult,
  type TreeSource,
  type Trees,
} from '@spawnpoint/core'
import type { FileTree, TreeNode } from './file-tree.ts'
import { guestError } from './file-view.ts'
import { writeTar } from './tar.ts'
import { globMatches } from './unpack.ts'

type Cancel = { signal?: AbortSignal | undefined }
type TreeOf = (source: TreeSource) => FileTree
type Call = <T>(step: string, source: TreeSource, work: (treeOf: TreeOf) => T) => Promise<T>

/** `Pool.trees` on the trees of a `FakeHost`. */
export class FakeTrees implements Trees {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  stat(source: TreeSource, path: string, { signal }: Cancel = {}): Promise<FileInfo> {
    return this.#read('stat', source, signal, (tree) => infoOf(tree, resolved(tree, path, false), cleaned(path)))
  }

  list(
    source: TreeSource,
    path: string,
    options: { depth: number; limit: number; after?: string | undefined } & Cancel,
  ): Promise<{ entries: FileInfo[]; next: string | null }> {
    const { depth, limit, after, signal } = options
    return this.#read('list', source, signal, (tree) => {
      const [dir, told] = [directory(tree, path), cleaned(path)]
      const last = after === undefined ? null : Buffer.from(after, 'base64url').toString()
      if (last !== null && !last.startsWith(told === '/' ? '/' : `${told}/`))
        throw new SpawnpointError('invalid_argument', 'not in the directory', {
          issues: [{ path: '', message: last }],
        })
      const entries = inOrder(tree.below(dir))
        .filter((entry) => levelsOf(entry) - levelsOf(dir) <= depth)
        .map((entry) => infoOf(tree, entry, renamed(entry, dir, told)))
        .filter((info) => last === null || byPath(info.path, last) > 0)
      const page = entries.slice(0, limit)
      const next = Buffer.from(page.at(-1)?.path ?? '').toString('base64url')
      return { entries: page, next: entries.length > limit ? next : null }
    })
  }

  read(
    source: TreeSource,
    path: string,
    options: { offset?: number | undefined; length?: number | undefined } & Cancel = {},
  ): Promise<{ info: FileInfo; body: Readable }> {
    const { offset = 0, length, signal } = options
    return this.#read('read', source, signal, (tree) => {
      const at = resolved(tree, path, true)
      const node = nodeAt(tree, at)
      if (node.type === 'directory') throw guestError('EISDIR', path)
      const data = Buffer.from(node.data).subarray(offset, length === undefined ? undefined : offset + length)
      return {
        info: infoOf(tree, at, cleaned(path)),
        body: Readable.from(data.length > 0 ? [data] : [], { objectMode: false }),
      }
    })
  }

  pack(source: TreeSource, path: string, { name, signal }: { name: string } & Cancel): Promise<Readable> {
    return this.#read('pack', source, signal, (tree) => {
      const top = resolved(tree, path, true)
      const entries = [top, ...inOrder(tree.below(top))].map((entry) => {
        const { type, mode, uid, gid, target, data } = nodeAt(tree, entry)
        const packed = renamed(entry, top, name) + (type === 'directory' ? '/' : '')
        return { name: packed, type, mode, uid, gid, target, data: Buffer.from(data) }
      })
      return Readable.from([writeTar(entries)], { objectMode: false })
    })
  }

  search(source: TreeSource, search: TreeSearch, { signal }: Cancel = {}): Promise<TreeSearchResult> {
    return this.#read('search', source, signal, (tree) => {
      const [dir, told] = [directory(tree, search.path), cleaned(search.path)]
      const matches = inOrder(tree.below(dir))
        .filter((entry) => nameMatches(search.name ?? '', posix.basename(entry)))
        .flatMap((entry): TreeMatch[] => {
          const match = contentMatch(nodeAt(tree, entry), search.content ?? '')
          return match === null ? [] : [{ file: infoOf(tree, entry, renamed(entry, dir, told)), ...match }]
        })
      return { matches: matches.slice(0, search.limit), incomplete: matches.length > search.limit ? 'limit' : null }
    })
  }

  compare(
    before: TreeSource,
    after: TreeSource,
    { path, limit, signal }: { path: string; limit: number; timeoutMs: number } & Cancel,
  ): Promise<FileComparison> {
    return this.#call('compare', before, (treeOf) => {
      checkSignal(signal)
      const [old, young] = [treeOf(before), treeOf(after)]
      const at = cleaned(path)
      const all = new Set([old, young].flatMap((tree) => (tree.get(at) ? [at, ...tree.below(at)] : [])))
      if (all.size === 0) throw guestError('ENOENT', path)
      const found: Record<'added' | 'removed' | 'changed', FileChange[]> = { added: [], removed: [], changed: [] }
      for (const entry of inOrder([...all])) {
        const [a, b] = [old.get(entry), young.get(entry)]
        const differs = a && b ? differences(a, b) : []
        const change = { path: entry, before: comparedOf(a), after: comparedOf(b), differs }
        if (!a) found.added.push(change)
        else if (!b) found.removed.push(change)
        else if (differs.length > 0) found.changed.push(change)
      }
      const { added, removed, changed } = found
      return {
        added: added.slice(0, limit),
        removed: removed.slice(0, limit),
        changed: changed.slice(0, limit),
        counts: { added: added.length, removed: removed.length, changed: changed.length },
        truncated: Math.max(added.length, removed.length, changed.length) > limit,
        unread: 0,
        incomplete: null,
      }
    })
  }

  #read<T>(step: string, source: TreeSource, signal: AbortSignal | undefined, work: (tree: FileTree) => T): Promise<T> {
    return this.#call(step, source, (treeOf) => {
      checkSignal(signal)
      return work(treeOf(source))
    })
  }
}

function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new SpawnpointError('cancelled', 'Stopped on request: read files', { what: 'read files' })
}

export function cleaned(path: string): string {
  if (!path.startsWith('/') || path.includes('\0')) throw guestError('EINVAL', path)
  if (path.length > 4095) throw guestError('ENAMETOOLONG', path)
  const clean = posix.normalize(path)
  return clean === '/' ? clean : clean.replace(/\/$/, '')
}

export function nodeAt(tree: FileTree, path: string): TreeNode {
  const node = tree.get(path)
  if (!node) throw guestError('ENOENT', path)
  return node
}

/** Where a path leads; links are followed on the way and, if asked, at its end. */
export function resolved(tree: FileTree, path: string, followLast: boolean): string {
  const parts = cleaned(path).split('/').filter(Boolean)
  let at = '/'
  for (let links = 0; parts.length > 0; ) {
    if (nodeAt(tree, at).type !== 'directory') throw guestError('ENOTDIR', path)
    const next = posix.join(at, parts.shift() ?? '')
    const node = tree.get(next)
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

function directory(tree: FileTree, path: string): string {
  const at = resolved(tree, path, true)
  if (nodeAt(tree, at).type !== 'directory') throw guestError('ENOTDIR', path)
  return at
}

/** A path below one directory as if it was below another. */
function renamed(path: string, from: string, to: string): string {
  if (path === from) return to
  const rest = path.slice(from === '/' ? 1 : from.length + 1)
  return to.endsWith('/') ? to + rest : `${to}/${rest}`
}

function levelsOf(path: string): number {
  return path.split('/').filter(Boolean).length
}

/** The order of a walk: a directory before what is in it, names by their bytes. */
function byPath(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')]
  for (const [index, part] of left.entries()) {
    const other = right[index]
    if (other === undefined) return 1
    if (part !== other) return Buffer.compare(Buffer.from(part), Buffer.from(other))
  }
  return left.length - right.length
}

function inOrder(paths: string[]): string[] {
  return paths.sort(byPath)
}

function comparedOf(node: TreeNode | undefined): ComparedFile | null {
  if (!node) return null
  const { type, mode, uid, gid, data, target } = node
  return {
    type,
    sizeBytes: type === 'symlink' ? target.length : data.length,
    mode,
    uid,
    gid,
    modifiedAt: new Date(node.modifiedMs),
    symlinkTarget: type === 'symlink' ? target : null,
  }
}

function infoOf(tree: FileTree, at: string, path: string): FileInfo {
  const node = nodeAt(tree, at)
  const names = (file: string) =>
    new Map((tree.readText(file) ?? '').split('\n').map((line) => [line.split(':')[2], line.split(':')[0]]))
  const compared = comparedOf(node)
  if (compared === null) throw new Error('a node is told of')
  return {
    path,
    name: posix.basename(path) || '/',
    ...compared,
    owner: names('/etc/passwd').get(String(node.uid)) ?? String(node.uid),
    group: names('/etc/group').get(String(node.gid)) ?? String(node.gid),
    target: null,
    xattrs: {},
  }
}

function differences(a: TreeNode, b: TreeNode): FileDifference[] {
  if (a.type !== b.type) return ['type']
  const differs: FileDifference[] = []
  if (Buffer.compare(a.data, b.data) !== 0) differs.push('content')
  if (a.target !== b.target) differs.push('target')
  if (a.type !== 'symlink' && a.mode !== b.mode) differs.push('mode')
  if (a.uid !== b.uid || a.gid !== b.gid) differs.push('owner')
  if (JSON.stringify(a.xattrs) !== JSON.stringify(b.xattrs)) differs.push('attributes')
  return differs
}

function nameMatches(pattern: string, name: string): boolean {
  if (!/[*?[]/.test(pattern)) return name.includes(pattern)
  return globMatches(pattern, name)
}

function contentMatch(node: TreeNode, content: string): Pick<TreeMatch, 'line' | 'text'> | null {
  if (content === '') return { line: null, text: null }
  const text = Buffer.from(node.data).toString('utf8')
  const at = node.type === 'file' ? text.indexOf(content) : -1
  if (at < 0) return null
  const lines = text.slice(0, at).split('\n')
  const line = text.split('\n')[lines.length - 1] ?? ''
  return { line: lines.length, text: line.includes('\0') ? null : line.slice(0, 400) }
}
