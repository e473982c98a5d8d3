import { Collected, type CommandResult, type ResultOptions } from './collected.ts'
import { ConnectionError, SpawnpointError } from './errors.ts'
import type { CallOptions } from './options.ts'
import {
  errorOfLine,
  inOrder,
  linesOf,
  type Offsets,
  type OpenOutput,
  type OutputConnection,
  outputLines,
  type RawLine,
} from './output-lines.ts'
import { Prefetch } from './prefetch.ts'
import { openOutput, Process, type ProcessLink } from './process.ts'
import { ProcessSocket, socketClass } from './process-socket.ts'
import type { Transport } from './transport.ts'
import type { Env, ProcessInfo } from './types.ts'
import { toProcessInfo } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

/** Program and arguments, or text for `/bin/sh -c`. */
export type Command = readonly string[] | string

export interface StartOptions {
  /** Added to the sandbox's */
  env?: Env | undefined
  /** Default the image's workdir */
  cwd?: string | undefined
  /** Name or `uid[:gid]`; default the image's */
  user?: string | undefined
  /** Give it a terminal of this size */
  pty?: { cols: number; rows: number } | undefined
  /** Free text to find it by */
  tag?: string | undefined
  /** Milliseconds after which its process group is killed; default none */
  timeoutMs?: number | undefined
  /** `true`: open for `write`. Text: written and closed. Default: reads as empty; with a terminal always open. */
  stdin?: boolean | string | undefined
  /** Fetch no output until it is iterated: for programs that are started and left alone */
  background?: boolean | undefined
  /** Cancels the start; the process, once started, goes on */
  signal?: AbortSignal | undefined
}

export interface RunOptions extends StartOptions, ResultOptions {
  /** Kills the process group and rejects with the signal's reason */
  signal?: AbortSignal | undefined
}

/** Milliseconds that whoever waits for the end of a program does without news of it, so that a short one costs one piece */
const GATHER_MS = 50

/** The programs that run in one sandbox. */
export class Processes {
  readonly #transport: Transport
  readonly #sandboxPath: string

  /** @internal */
  constructor(transport: Transport, sandboxPath: string) {
    this.#transport = transport
    this.#sandboxPath = sandboxPath
  }

  /** Resolves once it runs. Start reading soon: the server keeps the last 1 MiB of output for a reader to come. */
  async start(command: Command, options: StartOptions = {}): Promise<Process> {
    const { info, rest, connection } = await this.#begin(command, options)
    const transport = this.#transport
    const link = this.#link(info)
    if (options.background) return new Process(transport, this.#sandboxPath, info, link, streamsOf(info), null)
    const stopped = new AbortController()
    const fetched: Offsets = streamsOf(info)
    const lines = outputLines(transport, link.open, fetched, stopped.signal, withFirst(rest, connection))
    const stop = () => {
      stopped.abort()
      connection?.close()
    }
    const ahead = new Prefetch(lines, stop, (line) => (line.type === 'data' ? line.data.length : 64))
    return new Process(transport, this.#sandboxPath, info, link, streamsOf(info), ahead)
  }

  /** Starts, waits for the end and collects the output. A code other than 0 does not throw unless `check` is set. */
  async run(command: Command, options: RunOptions = {}): Promise<CommandResult> {
    const { info, rest, connection } = await this.#begin(command, options, GATHER_MS)
    const collected = new Collected(options)
    const { lines } = inOrder(rest, streamsOf(info))
    const last = lines.at(-1)
    if (last?.type === 'exit') {
      connection?.close()
      for (const line of lines) collected.add(line)
      return collected.result(last.exit, info.args)
    }
    const link = this.#link(info)
    const first = withFirst(rest, connection)
    try {
      for await (const lines of outputLines(this.#transport, link.open, streamsOf(info), options.signal, first)) {
        for (const line of lines) {
          if (line.type === 'exit') return collected.result(line.exit, info.args)
          collected.add(line)
        }
      }
      throw new Error('The output ended before the program did')
    } catch (thrown) {
      if (options.signal?.aborted) {
        const process = new Process(this.#transport, this.#sandboxPath, info, link, streamsOf(info), null)
        // The caller has its error at once; a kill that fails leaves a process that ends with the sandbox.
        process.kill('SIGKILL').catch(() => undefined)
      }
      throw thrown
    }
  }

  async list(options: CallOptions = {}): Promise<ProcessInfo[]> {
    const { items } = await this.#transport.json<{ items: Schemas['Process'][] }>({
      method: 'GET',
      path: `${this.#sandboxPath}/processes`,
      ...options,
    })
    return items.map(toProcessInfo)
  }

  /**
   * A handle for a process started earlier, by its id or `pid:<number>`. Reading begins with the first byte still kept;
   * `from` names other beginnings.
   */
  async get(ref: string, options: CallOptions & { from?: Offsets | undefined } = {}): Promise<Process> {
    const info = toProcessInfo(
      await this.#transport.json<Schemas['Process']>({
        method: 'GET',
        path: `${this.#sandboxPath}/processes/${encodeURIComponent(ref)}`,
        signal: options.signal,
        timeoutMs: options.timeoutMs,
      }),
    )
    const offsets = { ...streamsOf(info), ...options.from }
    return new Process(this.#transport, this.#sandboxPath, info, this.#link(info), offsets, null)
  }

  #link(info: ProcessInfo): ProcessLink {
    const path = `${this.#sandboxPath}/processes/${encodeURIComponent(info.id)}`
    const post: ProcessLink['write'] = async (data, options) => {
      await this.#transport.json({
        method: 'POST',
        path: `${path}/stdin`,
        body: data,
        headers: { 'content-type': 'application/octet-stream' },
        signal: options.signal,
        timeoutMs: options.timeoutMs,
        repeat: 'never',
      })
    }
    const overHttp: OpenOutput = (from, signal) => openOutput(this.#transport, path, from, signal)
    if (!info.pty || socketClass() === undefined) return { open: overHttp, write: post }
    let socket: ProcessSocket | null = null
    return {
      open: async (from, signal) => {
        try {
          socket = await ProcessSocket.open(this.#transport, this.#sandboxPath, { ...from, process: info.id }, signal)
          return socket
        } catch {
          signal?.throwIfAborted()
          // Why it was refused is only told over HTTP; and where a proxy knows no WebSockets, HTTP does.
          socket = null
          return overHttp(from, signal)
        }
      },
      write: (data, options) => (socket?.isOpen ? socket.write(data) : post(data, options)),
      resize: (size) => {
        if (!socket?.isOpen) return null
        socket.command({ type: 'resize', ...size })
        return Promise.resolve()
      },
    }
  }

  /**
   * Starts it and reads as far as the line that says so; `rest` came together with that. The id is ours: starting it again under the same id after a broken
   * connection gives the same process and not a second one.
   */
  async #begin(
    command: Command,
    options: StartOptions,
    gatherMs?: number,
  ): Promise<{ info: ProcessInfo; rest: readonly RawLine[]; connection: OutputConnection | undefined }> {
    const { env, cwd, user, pty, tag, timeoutMs, stdin, signal, background } = options
    const program = typeof command === 'string' ? { command } : { args: [...command] }
    const id = crypto.randomUUID()
    const body = { id, ...program, env, cwd, user, pty, tag, timeoutMs, stdin: stdin ?? (pty ? true : undefined) }
    if (background || (pty && socketClass() !== undefined)) {
      const info = await this.#transport.json<Schemas['Process']>({
        method: 'POST',
        path: `${this.#sandboxPath}/processes`,
        json: { ...body, background: true } satisfies Schemas['StartProcess'],
        signal,
        repeat: 'always',
      })
      return { info: toProcessInfo(info), rest: [], connection: undefined }
    }
    for (let attempt = 1; ; attempt += 1) {
      const opened = await this.#transport.stream({
        method: 'POST',
        path: `${this.#sandboxPath}/processes`,
        query: { stream: 'ndjson' },
        json: { ...body, gatherMs } satisfies Schemas['StartProcess'],
        headers: { accept: 'application/x-ndjson' },
        signal,
        repeat: 'always',
      })
      try {
        const { lines, close } = linesOf(opened)
        const iterator = lines[Symbol.asyncIterator]()
        const [line, ...rest] = await firstLines(iterator)
        if (line?.type === 'error') throw errorOfLine(line)
        if (line?.type !== 'started') throw new Error('The answer ended before the process was started')
        const connection = { lines: { [Symbol.asyncIterator]: () => iterator }, close }
        return { info: toProcessInfo(line.process), rest, connection }
      } catch (thrown) {
        opened.close()
        signal?.throwIfAborted()
        if (thrown instanceof SpawnpointError) throw thrown
        if (attempt > this.#transport.options.retry.repeats) {
          const { url } = this.#transport.options
          const message = 'The connection broke before the process was started'
          throw new ConnectionError('connection_failed', message, { url, attempts: attempt }, { cause: thrown })
        }
      }
    }
  }
}

/** The streams a process has, from their first byte. */
function streamsOf(info: ProcessInfo): Offsets {
  return info.pty ? { pty: 0 } : { stdout: 0, stderr: 0 }
}

/** The first lines that come together, none if none come. */
async function firstLines(iterator: AsyncIterator<readonly unknown[]>): Promise<RawLine[]> {
  for (;;) {
    const { done, value } = await iterator.next()
    if (done) return []
    if (value.length > 0) return value as RawLine[]
  }
}

/** A connection whose first lines have been read. */
function withFirst(first: readonly RawLine[], connection: OutputConnection | undefined): OutputConnection | undefined {
  return connection && first.length > 0 ? { ...connection, lines: behind(first, connection.lines) } : connection
}

async function* behind(first: readonly unknown[], rest: AsyncIterable<readonly unknown[]>) {
  yield first
  yield* rest
}
