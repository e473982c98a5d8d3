import type { Answer } from './answer.ts'
import { LimitError, SpawnpointError } from './errors.ts'
import { problemError } from './follow.ts'
import type { CallOptions } from './options.ts'
import { type ServerSentEvent, serverSentEvents } from './sse.ts'
import { connectionError, type Repeat, type Request, type Transport } from './transport.ts'
import type { FileEvent, FileInfo } from './types.ts'
import { modeToWire, toFileInfo } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

export interface FileOptions extends CallOptions {
  /** Name or `uid[:gid]` that decides home, ownership and permissions; default the sandbox's own */
  user?: string | undefined
}

export interface ReadOptions extends FileOptions {
  /** First byte; default 0 */
  offset?: number | undefined
  /** Bytes; default to the end */
  length?: number | undefined
}

export interface WriteFileOptions extends FileOptions {
  /** Permission bits such as `0o755`; default `0o644`, an existing file keeps its own */
  mode?: number | undefined
  /** Refuse if the path exists: `GuestError` with `EEXIST` */
  exclusive?: boolean | undefined
  append?: boolean | undefined
}

export type FileContent =
  | string
  | Uint8Array
  | ArrayBuffer
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>

/**
 * The files of one sandbox. Relative paths start at the user's home. What the guest refuses is a `GuestError` with its
 * `context.errno`: `ENOENT`, `EACCES`, ….
 */
export class Files {
  readonly #transport: Transport
  readonly #path: string

  /** @internal */
  constructor(transport: Transport, sandboxPath: string) {
    this.#transport = transport
    this.#path = `${sandboxPath}/files`
  }

  async read(path: string, options: ReadOptions = {}): Promise<Uint8Array> {
    if (options.length === 0) return new Uint8Array()
    try {
      return (await this.#transport.bytes(this.#readRequest(path, options))).body
    } catch (thrown) {
      if (isBeyondEnd(thrown)) return new Uint8Array()
      throw thrown
    }
  }

  async readText(path: string, options: ReadOptions = {}): Promise<string> {
    return new TextDecoder().decode(await this.read(path, options))
  }

  /** Chunks as they come, for files larger than memory. Leaving early frees the connection; one that breaks throws. */
  async *readStream(path: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    if (options.length === 0) return
    const request = this.#readRequest(path, options)
    const opened = await this.#transport.stream(request).catch((thrown: unknown) => {
      if (isBeyondEnd(thrown)) return null
      throw thrown
    })
    if (opened === null) return
    try {
      yield* opened.answer.chunks()
    } catch (thrown) {
      options.signal?.throwIfAborted()
      throw connectionError(this.#transport.options.url, 1, thrown)
    } finally {
      opened.close()
    }
  }

  /**
   * Replaces the file as a whole, so that no reader sees half of it; makes missing directories. A stream has no time limit
   * unless `timeoutMs` says so, and is not sent twice.
   */
  async write(path: string, content: FileContent, options: WriteFileOptions = {}): Promise<FileInfo> {
    const { user, mode, exclusive, append, signal } = options
    const { body, streamed } = toBody(content)
    return toFileInfo(
      await this.#transport.json({
        method: 'PUT',
        path: `${this.#path}/content`,
        query: { path, user, mode: modeToWire(mode), exclusive, append },
        body,
        headers: { 'content-type': 'application/octet-stream' },
        signal,
        timeoutMs: options.timeoutMs ?? (streamed ? 0 : undefined),
        // Appending twice doubles; a second exclusive write would meet the file of the first.
        repeat: streamed ? 'streamed' : append || exclusive ? 'never' : 'always',
      }),
    )
  }

  async stat(path: string, options: FileOptions = {}): Promise<FileInfo> {
    return toFileInfo(await this.#get('/stat', { path, user: options.user }, options))
  }

  /** Whether something is there. Other failures than `ENOENT` and `ENOTDIR` throw. */
  async exists(path: string, options: FileOptions = {}): Promise<boolean> {
    try {
      await this.stat(path, options)
      return true
    } catch (thrown) {
      const errno = (thrown as { context?: { errno?: string } }).context?.errno
      if (errno === 'ENOENT' || errno === 'ENOTDIR') return false
      throw thrown
    }
  }

  /**
   * What is in a directory, sorted by path, to `depth` levels (default 1). With `limit`, at most so many; without, a
   * directory of more than 10,000 entries throws `LimitError`.
   */
  async list(
    path: string,
    options: FileOptions & { depth?: number | undefined; limit?: number | undefined } = {},
  ): Promise<FileInfo[]> {
    const { user, depth, limit = 10_000 } = options
    const { items, truncated } = await this.#get<{ items: Schemas['File'][]; truncated: boolean }>(
      '',
      { path, user, depth, limit },
      options,
    )
    if (truncated && options.limit === undefined) {
      throw new LimitError(
        'limit_exceeded',
        `${path} holds more than ${limit} entries; give a limit or a smaller depth`,
        {
          limit: 'entries',
          allowed: limit,
          asked: limit + 1,
        },
      )
    }
    return items.map(toFileInfo)
  }

  async remove(path: string, options: FileOptions & { recursive?: boolean | undefined } = {}): Promise<void> {
    const { user, recursive, signal, timeoutMs } = options
    await this.#transport.json({
      method: 'DELETE',
      path: this.#path,
      query: { path, user, recursive },
      signal,
      timeoutMs,
    })
  }

  async move(from: string, to: string, options: FileOptions = {}): Promise<FileInfo> {
    // A repeat would find nothing to move any more.
    return toFileInfo(
      await this.#post('/move', { from, to, user: options.user } satisfies Schemas['MoveFile'], options, 'never'),
    )
  }

  /** Makes missing parents too unless `parents` is false. */
  async mkdir(
    path: string,
    options: FileOptions & { mode?: number | undefined; parents?: boolean | undefined } = {},
  ): Promise<FileInfo> {
    const { user, mode, parents } = options
    const repeat = parents === false ? 'never' : 'always'
    return toFileInfo(
      await this.#post(
        '/mkdir',
        { path, user, mode: modeToWire(mode), parents } satisfies Schemas['MakeDirectory'],
        options,
        repeat,
      ),
    )
  }

  async chmod(path: string, mode: number, options: CallOptions = {}): Promise<void> {
    await this.#post('/chmod', { path, mode: modeToWire(mode) }, options, 'always')
  }

  /** `owner`: name or `uid[:gid]`. */
  async chown(path: string, owner: string, options: CallOptions = {}): Promise<void> {
    await this.#post('/chown', { path, owner }, options, 'always')
  }

  /**
   * Copies a file or a directory of a snapshot, over what is there; what was copied before a failure stays. Without `to` to the
   * same path, without `owner` with the owners that it has in the snapshot.
   */
  async copyFrom(
    snapshot: { readonly id: string } | string,
    path: string,
    options: CallOptions & { to?: string | undefined; owner?: string | undefined } = {},
  ): Promise<{ entries: number; bytes: number }> {
    const { to = path, owner, signal, timeoutMs } = options
    const from = typeof snapshot === 'string' ? snapshot : snapshot.id
    return this.#transport.json({
      method: 'POST',
      path: `${this.#path}/copy-from`,
      json: { snapshot: from, path, destination: to, owner } satisfies Schemas['CopyFromSnapshot'],
      signal,
      // It takes as long as there is to copy.
      timeoutMs: timeoutMs ?? 0,
      repeat: 'always',
    })
  }

  /** Extended attributes. */
  async attributes(path: string, options: CallOptions = {}): Promise<Record<string, string>> {
    const { attributes } = await this.#get<{ attributes: Record<string, string> }>('/xattrs', { path }, options)
    return attributes
  }

  async setAttributes(
    path: string,
    attributes: Record<string, string>,
    { signal, timeoutMs }: CallOptions = {},
  ): Promise<void> {
    const request = { path: `${this.#path}/xattrs`, query: { path }, json: { attributes }, signal, timeoutMs }
    await this.#transport.json({ method: 'PUT', ...request })
  }

  /**
   * Changes below a path, from the moment the promise resolves, until the iteration is left or the signal fires. Not
   * reconnected: changes meanwhile would be missed without a word, so a broken connection throws.
   */
  async watch(
    path: string,
    options: { user?: string | undefined; recursive?: boolean | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<AsyncIterable<FileEvent>> {
    const { user, recursive, signal } = options
    const { answer, close } = await this.#transport.stream({
      method: 'GET',
      path: `${this.#path}/watch`,
      query: { path, user, recursive },
      signal,
    })
    const events = serverSentEvents(answer.chunks())
    try {
      const first = await events.next()
      if (first.value?.event !== 'ready') throw first.value ? problemError(first.value.data) : broken(answer)
    } catch (thrown) {
      close()
      throw thrown
    }
    return changes(events, answer, close, signal)
  }

  #readRequest(path: string, { user, offset, length, signal, timeoutMs }: ReadOptions): Request {
    const headers: Record<string, string> = {}
    if (offset !== undefined || length !== undefined) {
      const first = offset ?? 0
      headers.range = `bytes=${first}-${length === undefined ? '' : first + length - 1}`
    }
    return { method: 'GET', path: `${this.#path}/content`, query: { path, user }, headers, signal, timeoutMs }
  }

  #get<T = Schemas['File']>(path: string, query: Request['query'], { signal, timeoutMs }: CallOptions): Promise<T> {
    return this.#transport.json({ method: 'GET', path: this.#path + path, query, signal, timeoutMs })
  }

  #post(path: string, json: unknown, { signal, timeoutMs }: CallOptions, repeat: Repeat): Promise<Schemas['File']> {
    return this.#transport.json({ method: 'POST', path: this.#path + path, json, signal, timeoutMs, repeat })
  }
}

async function* changes(
  events: AsyncIterable<ServerSentEvent>,
  answer: Answer,
  close: () => void,
  signal: AbortSignal | undefined,
): AsyncGenerator<FileEvent> {
  try {
    for await (const { event, data } of events) {
      if (event === 'error') throw problemError(data)
      if (event === 'change') yield JSON.parse(data) as FileEvent
    }
    throw broken(answer)
  } catch (thrown) {
    signal?.throwIfAborted()
    throw thrown instanceof SpawnpointError ? thrown : connectionError(answer.url, 1, thrown)
  } finally {
    close()
  }
}

function broken(answer: Answer): SpawnpointError {
  return connectionError(answer.url, 1, new Error('the stream of changes ended'))
}

/** The range begins behind the last byte. */
function isBeyondEnd(thrown: unknown): boolean {
  return thrown instanceof SpawnpointError && thrown.status === 416
}

/** @internal */
export function toBody(content: FileContent): {
  body: string | Uint8Array | Blob | ReadableStream<Uint8Array>
  streamed: boolean
} {
  if (typeof content === 'string' || content instanceof Uint8Array || content instanceof Blob) {
    return { body: content, streamed: false }
  }
  if (content instanceof ArrayBuffer) return { body: new Uint8Array(content), streamed: false }
  if (content instanceof ReadableStream) return { body: content, streamed: true }
  return { body: toStream(content), streamed: true }
}

/** `ReadableStream.from` is not everywhere yet. */
function toStream(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    async cancel(reason) {
      await iterator.return?.(reason)
    },
  })
}
