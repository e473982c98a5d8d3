import { spawn } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'

export interface CommandOptions {
  /** Milliseconds until the command's process group is killed */
  timeoutMs: number
  /** Text written to its standard input; absent means an empty one. Not together with `stdio`. */
  input?: string
  /** Files, opened for reading and writing, that become 0, 1 and 2; nothing is captured then */
  stdio?: readonly [string, string, string]
  /** Bytes kept of each output stream: the first half and the last */
  maxOutputBytes?: number
  /** Kills the command's process group */
  signal?: AbortSignal
}

export interface CommandResult {
  /** `null` when a signal ended it */
  code: number | null
  signal: string | null
  timedOut: boolean
  stdout: string
  stderr: string
  /** Something was left out of the middle of one of them */
  truncated: boolean
}

const DEFAULT_OUTPUT_BYTES = 256 * 1024
/** Sandboxes' tools live in sbin, which the PATH of a service or of a login without `su -` lacks. */
const SEARCH_PATH = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`.replace(
  /^:/,
  '',
)

/** Starts a program as a child of this process; see `runCommand`. `onStart` is told its process group. */
export function runHere(
  program: string,
  args: readonly string[],
  options: CommandOptions,
  onStart: (pid: number) => void = () => {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const { stdio } = options
    const fds = stdio?.map((path) => openSync(path, constants.O_RDWR))
    const child = spawn(program, args, {
      detached: true,
      env: { PATH: SEARCH_PATH, LC_ALL: 'C' },
      cwd: '/',
      stdio: fds ?? [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    for (const fd of fds ?? []) closeSync(fd)
    if (child.pid !== undefined) onStart(child.pid)
    const max = options.maxOutputBytes ?? DEFAULT_OUTPUT_BYTES
    const stdout = new BoundedText(max)
    const stderr = new BoundedText(max)
    child.stdout?.on('data', (chunk: Buffer) => stdout.add(chunk))
    child.stderr?.on('data', (chunk: Buffer) => stderr.add(chunk))
    // A program that ends without reading its input is judged by its exit code.
    child.stdin?.on('error', () => {})
    if (options.input !== undefined) child.stdin?.end(options.input)

    let timedOut = false
    let grace: NodeJS.Timeout | undefined
    const stop = () => {
      killGroup(child.pid)
      // Output pipes may be held open by a process that left the group: do not wait for them.
      grace ??= setTimeout(() => finish(null, 'SIGKILL'), 500)
    }
    const timer = setTimeout(() => {
      timedOut = true
      stop()
    }, options.timeoutMs)
    options.signal?.addEventListener('abort', stop, { once: true })
    if (options.signal?.aborted) stop()
    const settle = () => {
      clearTimeout(timer)
      clearTimeout(grace)
      options.signal?.removeEventListener('abort', stop)
    }
    const finish = (code: number | null, signal: string | null) => {
      settle()
      child.stdout?.destroy()
      child.stderr?.destroy()
      const truncated = stdout.isCut || stderr.isCut
      resolve({ code, signal, timedOut, stdout: stdout.text(), stderr: stderr.text(), truncated })
    }
    child.once('error', (error) => {
      settle()
      reject(error)
    })
    child.once('close', finish)
    // `close` waits for the pipes, which a daemon left behind may hold: its exit plus a moment is enough.
    child.once('exit', (code, signal) => {
      if (stdio) return
      grace ??= setTimeout(() => finish(code, signal), 2_000)
    })
  })
}

export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: the group ended by itself between the timer and here.
  }
}

/** Keeps the beginning and the end of a text that may be endless. */
class BoundedText {
  readonly #half: number
  readonly #head: Buffer[] = []
  #headBytes = 0
  #tail = Buffer.alloc(0)
  #dropped = 0

  constructor(maxBytes: number) {
    this.#half = Math.ceil(maxBytes / 2)
  }

  add(chunk: Buffer): void {
    const room = this.#half - this.#headBytes
    const first = chunk.subarray(0, Math.max(0, room))
    if (first.length > 0) {
      this.#head.push(first)
      this.#headBytes += first.length
    }
    const rest = chunk.subarray(first.length)
    if (rest.length === 0) return
    const joined = Buffer.concat([this.#tail, rest])
    const cut = Math.max(0, joined.length - this.#half)
    this.#dropped += cut
    this.#tail = joined.subarray(cut)
  }

  get isCut(): boolean {
    return this.#dropped > 0
  }

  text(): string {
    const gap = this.#dropped > 0 ? `\n… ${this.#dropped} bytes left out …\n` : ''
    return Buffer.concat([...this.#head, Buffer.from(gap), this.#tail]).toString('utf8')
  }
}
