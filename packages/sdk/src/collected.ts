import { CommandError } from './errors.ts'
import type { OutputLine } from './output-lines.ts'
import type { ProcessExit } from './types.ts'

/** How a finished command ended and what it printed. */
export interface CommandResult {
  /** 128 + signal number when a signal ended it */
  exitCode: number
  signal: string | null
  timedOut: boolean
  /** With a terminal: all it showed */
  stdout: string
  stderr: string
  /** Bytes of output that `stdout` and `stderr` lack: past `maxOutputBytes`, or gone before they could be fetched */
  lostBytes: number
}

export interface ResultOptions {
  /** Throw `CommandError` if the exit code is not 0; default false */
  check?: boolean | undefined
  /** Called with text as it comes */
  onStdout?: ((text: string) => void) | undefined
  onStderr?: ((text: string) => void) | undefined
  /** Bytes of output kept of each stream; what comes after is only counted. Default 64 MiB. */
  maxOutputBytes?: number | undefined
}

/** Collects what a program puts out and tells how it ended. */
export class Collected {
  readonly #check: boolean
  readonly #out: Collector
  readonly #err: Collector

  constructor(options: ResultOptions) {
    const { maxOutputBytes = 64 * 1024 * 1024 } = options
    this.#check = options.check ?? false
    this.#out = new Collector(maxOutputBytes, options.onStdout)
    this.#err = new Collector(maxOutputBytes, options.onStderr)
  }

  add(line: OutputLine): void {
    if (line.type !== 'data' && line.type !== 'gap') return
    const collector = line.stream === 'stderr' ? this.#err : this.#out
    if (line.type === 'data') collector.add(line.data)
    else collector.lost += line.resumeAt - line.offset
  }

  /** Throws `CommandError` if that was asked for and the exit code is not 0. */
  result({ code: exitCode, signal, timedOut }: ProcessExit, args: readonly string[]): CommandResult {
    const result: CommandResult = {
      exitCode,
      signal,
      timedOut,
      stdout: this.#out.finish(),
      stderr: this.#err.finish(),
      lostBytes: this.#out.lost + this.#err.lost,
    }
    if (this.#check && exitCode !== 0) throw new CommandError(args.join(' ').slice(0, 200), result)
    return result
  }
}

/** Bytes to text, a character cut by a chunk's end put together again. */
class Collector {
  readonly #decoder = new TextDecoder()
  readonly #onText: ((text: string) => void) | undefined
  #room: number
  #text = ''
  lost = 0

  constructor(maxBytes: number, onText: ((text: string) => void) | undefined) {
    this.#room = maxBytes
    this.#onText = onText
  }

  add(data: Uint8Array): void {
    const kept = data.subarray(0, this.#room)
    this.#room -= kept.length
    this.lost += data.length - kept.length
    this.#say(this.#decoder.decode(kept, { stream: true }))
  }

  finish(): string {
    this.#say(this.#decoder.decode())
    return this.#text
  }

  #say(text: string): void {
    if (text === '') return
    this.#text += text
    this.#onText?.(text)
  }
}
