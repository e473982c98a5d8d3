import { spawn } from 'node:child_process'

export interface CommandOptions {
  /** Milliseconds until the command's process group is killed */
  timeoutMs: number
  /** Text written to its standard input; absent means an empty one. Not together with `stdio`. */
  input?: string
  /** File descriptors that become 0, 1 and 2; nothing is captured then */
  stdio?: readonly [number, number, number]
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
}

const DEFAULT_OUTPUT_BYTES = 256 * 1024
const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * Runs a host program to its end in a process group of its own, so that a time limit reaches its children too and a
 * signal from the server's terminal does not. A program that fails, dies or is stopped is a result; only one that
 * cannot be started rejects.
 */
export function runCommand(program: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const { stdio } = options
    const child = spawn(program, args, {
      detached: true,
      env: { PATH: process.env.PATH ?? SEARCH_PATH, LC_ALL: 'C' },
      cwd: '/',
      stdio: stdio ? [...stdio] : [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
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
      resolve({ code, signal, timedOut, stdout: stdout.text(), stderr: stderr.text() })
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

function killGroup(pid: number | undefined): void {
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

  text(): string {
    const gap = this.#dropped > 0 ? `\n… ${this.#dropped} bytes left out …\n` : ''
    return Buffer.concat([...this.#head, Buffer.from(gap), this.#tail]).toString('utf8')
  }
}
