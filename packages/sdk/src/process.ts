import { Collected, type CommandResult, type ResultOptions } from './collected.ts'
import type { CallOptions } from './options.ts'
import {
  linesOf,
  type Offsets,
  type OpenOutput,
  type OutputConnection,
  type OutputLine,
  outputLines,
} from './output-lines.ts'
import type { Prefetch } from './prefetch.ts'
import type { Repeat, Transport } from './transport.ts'
import type { ProcessExit, ProcessInfo, ProcessOutput } from './types.ts'
import { toProcessInfo } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

/** How a process is reached; each way of carrying output brings its own. */
export interface ProcessLink {
  open: OpenOutput
  /** Bytes to stdin or the terminal, in the order of the calls */
  write(data: Uint8Array, options: CallOptions): Promise<void>
  /** `null` if this link cannot now */
  resize?(size: { cols: number; rows: number }): Promise<void> | null
}

/**
 * A program inside a sandbox. Iterating yields its output until it ends, goes on by itself when the connection breaks or
 * the server restarts, and loses and doubles nothing: what the server no longer had is told as a `gap`. One iteration at
 * a time; the next goes on where the last one stopped.
 */
export class Process implements AsyncIterable<ProcessOutput> {
  readonly info: ProcessInfo
  readonly #transport: Transport
  readonly #path: string
  readonly #link: ProcessLink
  readonly #offsets: Offsets
  #prefetch: Prefetch<OutputLine> | null
  #reading = false
  #exit: ProcessExit | null
  /** All output has been read, to its end. That the process has ended says nothing of that. */
  #read = false
  #writes: Promise<unknown> = Promise.resolve()

  /** @internal */
  constructor(
    transport: Transport,
    sandboxPath: string,
    info: ProcessInfo,
    link: ProcessLink,
    offsets: Offsets,
    prefetch: Prefetch<OutputLine> | null,
  ) {
    this.#transport = transport
    this.#path = `${sandboxPath}/processes/${encodeURIComponent(info.id)}`
    this.info = info
    this.#link = link
    this.#offsets = offsets
    this.#prefetch = prefetch
    this.#exit = info.exit
  }

  get id(): string {
    return this.info.id
  }

  get pid(): number {
    return this.info.pid
  }

  /** How it ended, as far as this handle has seen. */
  get exit(): ProcessExit | null {
    return this.#exit
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ProcessOutput> {
    yield* this.follow()
  }

  /** Like iterating, with a signal that ends it. */
  async *follow(options: { signal?: AbortSignal | undefined } = {}): AsyncGenerator<ProcessOutput> {
    if (this.#reading) throw new Error('Another iteration over the output of this process is under way')
    this.#reading = true
    try {
      if (this.#prefetch !== null) {
        for await (const line of this.#prefetch.drain(options.signal)) {
          this.#advance(line)
          if (line.type === 'data' || line.type === 'gap') yield line
        }
      }
      if (this.#read) return
      const fetched = { ...this.#offsets }
      for await (const lines of outputLines(this.#transport, this.#link.open, fetched, options.signal)) {
        for (const line of lines) {
          this.#advance(line)
          if (line.type === 'data' || line.type === 'gap') yield line
        }
      }
    } finally {
      this.#reading = false
      if (this.#prefetch?.drained) this.#prefetch = null
    }
  }

  /** Waits for the end, leaving the output alone. */
  async wait(options: { signal?: AbortSignal | undefined } = {}): Promise<ProcessExit> {
    if (this.#exit !== null) return this.#exit
    const open: OpenOutput = (_, signal) => openOutput(this.#transport, this.#path, { from: 'now' }, signal)
    for await (const lines of outputLines(this.#transport, open, {}, options.signal)) {
      const last = lines.at(-1)
      if (last?.type === 'exit') this.#exit = last.exit
    }
    return this.#exit as unknown as ProcessExit
  }

  /**
   * What it has put out so far, as far as the server keeps it, from where this handle has been read to or was told to begin.
   * Ends there, also while the program runs on, and does not count as read.
   */
  async *kept(options: { signal?: AbortSignal | undefined } = {}): AsyncGenerator<ProcessOutput> {
    const open: OpenOutput = (from, signal) =>
      openOutput(this.#transport, this.#path, { ...from, follow: false }, signal)
    for await (const lines of outputLines(this.#transport, open, { ...this.#offsets }, options.signal)) {
      for (const line of lines) if (line.type === 'data' || line.type === 'gap') yield line
    }
  }

  /** Collects the output to the end. Throws `CommandError` if `check` is set and the exit code is not 0. */
  async result(options: ResultOptions & { signal?: AbortSignal | undefined } = {}): Promise<CommandResult> {
    const collected = new Collected(options)
    for await (const piece of this.follow({ signal: options.signal })) collected.add(piece)
    return collected.result(this.#exit as ProcessExit, this.info.args)
  }

  /**
   * Writes to stdin or the terminal; resolves when the bytes are in the pipe. Calls take effect in their order. Not
   * repeated when the connection breaks: the error then means that nobody knows whether the bytes arrived.
   */
  write(data: string | Uint8Array, options: CallOptions = {}): Promise<void> {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data
    return this.#inOrder(() => this.#link.write(bytes, options))
  }

  closeStdin(options: CallOptions = {}): Promise<void> {
    const { signal, timeoutMs } = options
    return this.#inOrder(() =>
      this.#transport.json({ method: 'DELETE', path: `${this.#path}/stdin`, signal, timeoutMs }),
    )
  }

  /** Sends a signal, to the whole process group unless `group` is false. Default `SIGTERM`. */
  async kill(
    signal: string | number = 'SIGTERM',
    options: CallOptions & { group?: boolean | undefined } = {},
  ): Promise<void> {
    // Not repeated: a program may count its signals.
    await this.#post('/signal', { signal, group: options.group } satisfies Schemas['SignalProcess'], options, 'never')
  }

  /** Preconditions: started with `pty`. */
  async resize({ cols, rows }: { cols: number; rows: number }, options: CallOptions = {}): Promise<void> {
    // What a terminal says of its size may have more to it, which the server would refuse.
    const size = { cols, rows }
    await (this.#link.resize?.(size) ??
      this.#post('/resize', size satisfies Schemas['TerminalSize'], options, 'always'))
  }

  async refresh(options: CallOptions = {}): Promise<ProcessInfo> {
    const info = toProcessInfo(
      await this.#transport.json<Schemas['Process']>({ method: 'GET', path: this.#path, ...options }),
    )
    this.#exit ??= info.exit
    return info
  }

  async #post(path: string, json: unknown, { signal, timeoutMs }: CallOptions, repeat: Repeat): Promise<void> {
    await this.#transport.json({ method: 'POST', path: this.#path + path, json, signal, timeoutMs, repeat })
  }

  /** Here and not where the line was fetched: what nobody has read is fetched again. */
  #advance(line: OutputLine): void {
    if (line.type === 'data') this.#offsets[line.stream] = line.offset + line.data.length
    else if (line.type === 'gap') this.#offsets[line.stream] = line.resumeAt
    else if (line.type === 'exit') {
      this.#exit = line.exit
      this.#read = true
    }
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#writes.then(work, work)
    this.#writes = next.catch(() => undefined) // Told to the caller of that write; the next one stands on its own.
    return next
  }
}

/** Attaches over HTTP to the output of a process. */
export async function openOutput(
  transport: Transport,
  processPath: string,
  query: (Offsets & { follow?: false }) | { from: 'now' },
  signal: AbortSignal | undefined,
): Promise<OutputConnection> {
  return linesOf(await transport.stream({ method: 'GET', path: `${processPath}/output`, query, signal }))
}
