import { Files, type ReadOptions } from './files.ts'
import type { CallOptions } from './options.ts'
import { List, type PageOptions } from './pages.ts'
import { connectionError, type Transport } from './transport.ts'
import type { FileInfo, FileMatches } from './types.ts'
import { toFileInfo } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

export interface SearchOptions extends CallOptions {
  /** Directory to search below; default `/` */
  path?: string | undefined
  /** Pattern of names with `*`, `?` and `[…]`, or a part of the name */
  name?: string | undefined
  /** Text in files */
  content?: string | undefined
  /** 1 to 1,000; default 100 */
  limit?: number | undefined
}

/**
 * The files of a snapshot, which is not started for it. Paths are absolute; links are followed inside the snapshot.
 * `/tmp`, `/var/tmp`, `/run` and `/dev/shm` are memory, and not here.
 */
export class SnapshotFiles {
  readonly #transport: Transport
  readonly #path: string
  readonly #files: Files

  /** @internal */
  constructor(transport: Transport, snapshotPath: string) {
    this.#transport = transport
    this.#path = `${snapshotPath}/files`
    this.#files = new Files(transport, snapshotPath)
  }

  /** What is in a directory, to `depth` levels (default 1); a directory comes before what is in it. */
  list(path: string, options: PageOptions & { depth?: number | undefined } = {}): List<FileInfo> {
    const { depth, ...page } = options
    return new List(this.#transport, { path: this.#path, query: { path, depth } }, page, (wire: Schemas['File']) =>
      toFileInfo(wire),
    )
  }

  stat(path: string, options: CallOptions = {}): Promise<FileInfo> {
    return this.#files.stat(path, options)
  }

  /** Whether something is there. Other failures than `ENOENT` and `ENOTDIR` throw. */
  exists(path: string, options: CallOptions = {}): Promise<boolean> {
    return this.#files.exists(path, options)
  }

  read(path: string, options: Omit<ReadOptions, 'user'> = {}): Promise<Uint8Array> {
    return this.#files.read(path, options)
  }

  readText(path: string, options: Omit<ReadOptions, 'user'> = {}): Promise<string> {
    return this.#files.readText(path, options)
  }

  /** Chunks as they come, for files larger than memory. */
  readStream(path: string, options: Omit<ReadOptions, 'user'> = {}): AsyncGenerator<Uint8Array> {
    return this.#files.readStream(path, options)
  }

  /** A tar archive of a file, or of a directory with all that is in it, as it comes; one that breaks off throws. */
  async *archive(path: string, options: CallOptions = {}): AsyncGenerator<Uint8Array> {
    const request = { method: 'GET', path: `${this.#path}/archive`, query: { path }, ...options } as const
    const { answer, close } = await this.#transport.stream(request)
    try {
      yield* answer.chunks()
    } catch (thrown) {
      options.signal?.throwIfAborted()
      throw connectionError(this.#transport.options.url, 1, thrown)
    } finally {
      close()
    }
  }

  /** By name, content or both; for at most 10 seconds, through at most 2 GiB of files. */
  async search(options: SearchOptions): Promise<FileMatches> {
    const { path, name, content, limit, ...call } = options
    const query = { path, name, content, limit }
    const request = { method: 'GET', path: `${this.#path}/search`, query, ...call } as const
    const { items, incomplete } = await this.#transport.json<Schemas['FileMatches']>(request)
    return { items: items.map((item) => ({ ...item, file: toFileInfo(item.file) })), incomplete }
  }
}
