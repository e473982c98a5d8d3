import type { Readable } from 'node:stream'
import type {
  FileChange,
  FileComparison,
  TreeFile,
  TreeMatch,
  TreeSearch,
  TreeSearchResult,
  TreeSource,
  Trees,
} from '@spawnpoint/core'
import { changeOf, fields, fileOf, matchOf, number, oneOf, text } from './tree-answers.ts'
import type { TreeReader, TreeRequest } from './tree-reader.ts'

/** A subvolume that is read; nobody writes it. */
export interface OpenTree {
  path: string
  /** Rejects `not_found` if it has gone away: what was read then is not the truth */
  check(): Promise<void>
  /** Reports, never throws. */
  release(): void
}

type Cancel = { signal?: AbortSignal | undefined }

export class BtrfsTrees implements Trees {
  readonly #reader: TreeReader
  readonly #open: (source: TreeSource) => Promise<OpenTree>

  constructor(reader: TreeReader, open: (source: TreeSource) => Promise<OpenTree>) {
    this.#reader = reader
    this.#open = open
  }

  async stat(source: TreeSource, path: string, options: Cancel = {}): Promise<TreeFile> {
    return fileOf(await this.#walk([source], { do: 'stat', path }, options.signal, () => {}))
  }

  async list(
    source: TreeSource,
    path: string,
    options: { depth: number; limit: number; after?: string | undefined } & Cancel,
  ): Promise<{ entries: TreeFile[]; next: string | null }> {
    const { depth, limit, after = '' } = options
    const entries: TreeFile[] = []
    const end = await this.#walk([source], { do: 'list', path, depth, limit, after }, options.signal, (line) =>
      entries.push(fileOf(line.file)),
    )
    return { entries, next: text(fields(end, 'end').next, 'next') || null }
  }

  async read(
    source: TreeSource,
    path: string,
    options: { offset?: number | undefined; length?: number | undefined } & Cancel = {},
  ): Promise<{ info: TreeFile; body: Readable }> {
    const request: TreeRequest = { do: 'read', path, offset: options.offset ?? 0, length: options.length ?? -1 }
    const { head, body } = await this.#stream(source, request, options.signal)
    return { info: fileOf(head.file), body }
  }

  async pack(source: TreeSource, path: string, { name, signal }: { name: string } & Cancel): Promise<Readable> {
    return (await this.#stream(source, { do: 'pack', path, name }, signal)).body
  }

  async search(source: TreeSource, search: TreeSearch, options: Cancel = {}): Promise<TreeSearchResult> {
    const { path, name = '', content = '', limit, timeoutMs, readBytes } = search
    const request: TreeRequest = { do: 'search', path, name, content, limit, timeoutMs, readBytes }
    const matches: TreeMatch[] = []
    const end = await this.#walk([source], request, options.signal, (line) => matches.push(matchOf(line)))
    const why = oneOf(fields(end, 'end').incomplete, ['', 'limit', 'time', 'bytes', 'depth', 'entries'] as const, 'end')
    return { matches, incomplete: why === '' ? null : why === 'entries' ? 'time' : why }
  }

  async compare(
    before: TreeSource,
    after: TreeSource,
    { path, limit, timeoutMs, signal }: { path: string; limit: number; timeoutMs: number } & Cancel,
  ): Promise<FileComparison> {
    const lists: Record<'added' | 'removed' | 'changed', FileChange[]> = { added: [], removed: [], changed: [] }
    const request: TreeRequest = { do: 'compare', path, limit, timeoutMs }
    const end = await this.#walk([before, after], request, signal, (line) => {
      const { change, ...rest } = changeOf(line)
      lists[change].push(rest)
    })
    const said = fields(end, 'end')
    const [added, removed, changed] = [said.added, said.removed, said.changed].map((count) => number(count, 'count'))
    const counts = { added: added ?? 0, removed: removed ?? 0, changed: changed ?? 0 }
    const why = oneOf(said.incomplete, ['', 'time', 'entries', 'depth'] as const, 'incomplete')
    const kinds = ['added', 'removed', 'changed'] as const
    return {
      ...lists,
      counts,
      truncated: kinds.some((kind) => lists[kind].length < counts[kind]),
      unread: number(said.unread, 'unread'),
      incomplete: why === '' ? null : why,
    }
  }

  async #walk(
    sources: TreeSource[],
    request: TreeRequest,
    signal: AbortSignal | undefined,
    found: (line: Record<string, unknown>) => void,
  ): Promise<unknown> {
    using opened = new Opened()
    for (const source of sources) opened.add(await this.#open(source))
    try {
      const end = await this.#reader.lines({ request, roots: opened.paths, signal }, found)
      await opened.check()
      return end
    } catch (error) {
      // A tree that has gone away is the reason of whatever else went wrong.
      await opened.check()
      throw error
    }
  }

  async #stream(source: TreeSource, request: TreeRequest, signal: AbortSignal | undefined) {
    const tree = await this.#open(source)
    try {
      const check = () => tree.check()
      const { head, body, done } = await this.#reader.bytes({ request, roots: [tree.path], signal }, check)
      void done.then(() => tree.release())
      return { head, body }
    } catch (error) {
      tree.release()
      await tree.check()
      throw error
    }
  }
}

class Opened implements Disposable {
  readonly #trees: OpenTree[] = []

  add(tree: OpenTree): void {
    this.#trees.push(tree)
  }

  get paths(): string[] {
    return this.#trees.map(({ path }) => path)
  }

  async check(): Promise<void> {
    for (const tree of this.#trees) await tree.check()
  }

  [Symbol.dispose](): void {
    for (const tree of this.#trees) tree.release()
  }
}
