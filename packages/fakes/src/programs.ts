import { type FileView, resolvePath } from './file-view.ts'
import { runShell } from './shell.ts'

/** What a program can do to its process. `state` is plain data: it is cloned when memory is captured. */
export interface ProgramIo {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly user: string
  readonly hostname: string
  readonly pty: { cols: number; rows: number } | null
  readonly files: FileView
  state: Record<string, unknown>
  write(stream: 'stdout' | 'stderr', data: string | Uint8Array): void
  /** Calls `timer` once after so many milliseconds of running time, replacing what was set before */
  after(ms: number): void
  listen(port: number): void
  send(connection: number, data: Uint8Array): void
  hangUp(connection: number): void
  exit(code: number): void
  /** Ends, but a child keeps the output open for so many milliseconds and then writes `lastWords`. */
  leave(code: number, ms: number, lastWords: string): void
}

/**
 * A program as a state machine: handlers run to their end, then the process waits for the next one. Missing handlers do
 * what an ordinary Unix process would: input stays unread, signals end it.
 */
export interface FakeProgram {
  start(io: ProgramIo): void
  input?(io: ProgramIo, data: Uint8Array): void
  inputEnd?(io: ProgramIo): void
  timer?(io: ProgramIo): void
  /** True if the signal was taken care of; SIGKILL and SIGSTOP never get here */
  signal?(io: ProgramIo, name: string): boolean
  resize?(io: ProgramIo): void
  received?(io: ProgramIo, connection: number, data: Uint8Array): void
  connectionEnded?(io: ProgramIo, connection: number): void
}

/** `counter [startAt]`: keeps a number in memory, prints it every 50 ms, and "value N" for each line on stdin. */
const counter: FakeProgram = {
  start(io) {
    io.state = { value: Number(io.args[1] ?? 0) }
    io.after(50)
  },
  timer(io) {
    const value = Number(io.state.value) + 1
    io.state.value = value
    io.write('stdout', `${value}\n`)
    io.after(50)
  },
  input(io) {
    io.write('stdout', `value ${io.state.value}\n`)
  },
}

/** `holder TEXT`: keeps the last line it was given, answers `? TOKEN` with `TOKEN: TEXT`. */
const holder: FakeProgram = {
  start(io) {
    io.state = { text: io.args[1] ?? '' }
    io.write('stdout', 'ready\n')
  },
  input(io, data) {
    for (const line of Buffer.from(data).toString('utf8').split('\n').filter(Boolean)) {
      if (line.startsWith('? ')) io.write('stdout', `${line.slice(2)}: ${io.state.text}\n`)
      else io.state.text = line
    }
  },
}

const cat: FakeProgram = {
  start(io) {
    if (io.args[1] === undefined) return
    try {
      io.write('stdout', io.files.read(resolvePath(io.args[1], io.cwd), io.user))
      io.exit(0)
    } catch (error) {
      // What the guest's file system refuses is this program's own error, as on any Unix.
      io.write('stderr', `cat: ${error instanceof Error ? error.message : error}\n`)
      io.exit(1)
    }
  },
  input(io, data) {
    io.write('stdout', data)
  },
  inputEnd(io) {
    io.exit(0)
  },
}

/** `link TARGET PATH` */
const link: FakeProgram = {
  start(io) {
    io.files.symlink(io.args[1] ?? '', resolvePath(io.args[2] ?? '', io.cwd))
    io.exit(0)
  },
}

const echo: FakeProgram = {
  start(io) {
    io.write('stdout', `${io.args.slice(1).join(' ')}\n`)
    io.exit(0)
  },
}

/** `exit CODE [STDOUT [STDERR]]` */
const exit: FakeProgram = {
  start(io) {
    if (io.args[2]) io.write('stdout', io.args[2])
    if (io.args[3]) io.write('stderr', io.args[3])
    io.exit(Number(io.args[1] ?? 0))
  },
}

/** `leaver FIRST LAST MS`: prints FIRST and exits; a child that it leaves prints LAST after so many milliseconds. */
const leaver: FakeProgram = {
  start(io) {
    io.write('stdout', io.args[1] ?? '')
    io.leave(0, Number(io.args[3] ?? 0), io.args[2] ?? '')
  },
}

/** `sleep SECONDS` */
const sleep: FakeProgram = {
  start(io) {
    io.after(Number(io.args[1] ?? 0) * 1000)
  },
  timer(io) {
    io.exit(0)
  },
}

/** `trap NAME`: says "ready", then "got NAME" for each such signal and stays. */
const trap: FakeProgram = {
  start(io) {
    io.write('stdout', 'ready\n')
  },
  signal(io, name) {
    if (name !== io.args[1]) return false
    io.write('stdout', `got ${name}\n`)
    return true
  },
}

/** `tcp-echo PORT`: sends back what it gets; says "ready" when it listens. */
const tcpEcho: FakeProgram = {
  start(io) {
    io.listen(Number(io.args[1]))
    io.write('stdout', 'ready\n')
  },
  received(io, connection, data) {
    io.send(connection, data)
  },
  connectionEnded(io, connection) {
    io.hangUp(connection)
  },
}

const SPAM_STEP = 65_536

/** What `spam` prints repeats after 251 bytes, no power of two: so lost or doubled blocks show. */
const SPAM = Buffer.from(Uint8Array.from({ length: SPAM_STEP + 251 }, (_, index) => index % 251))

/** `spam BYTES [WAIT_MS]`: prints so many bytes in steps of 64 KiB, waiting in between. */
const spam: FakeProgram = {
  start(io) {
    io.state = { sent: 0 }
    io.after(0)
  },
  timer(io) {
    const sent = Number(io.state.sent)
    const length = Math.min(SPAM_STEP, Number(io.args[1]) - sent)
    io.write('stdout', SPAM.subarray(sent % 251, (sent % 251) + length))
    io.state.sent = sent + length
    if (sent + length >= Number(io.args[1])) io.exit(0)
    else io.after(Number(io.args[2] ?? 0))
  },
}

/** `writer PATH`: appends a byte to a file every 20 ms; says "ready" after the first. */
const writer: FakeProgram = {
  start(io) {
    io.files.write(io.args[1] ?? '', Buffer.from('.'), { append: true, user: io.user })
    io.write('stdout', 'ready\n')
    io.after(20)
  },
  timer(io) {
    io.files.write(io.args[1] ?? '', Buffer.from('.'), { append: true, user: io.user })
    io.after(20)
  },
}

/** `terminal-size`: prints "COLSxROWS" at the start and after each change. */
const terminalSize: FakeProgram = {
  start(io) {
    io.write('stdout', `${io.pty?.cols ?? 0}x${io.pty?.rows ?? 0}\n`)
  },
  resize(io) {
    io.write('stdout', `${io.pty?.cols ?? 0}x${io.pty?.rows ?? 0}\n`)
  },
}

/** `print-context`: directory, user, host name and each `NAME=value` of the environment, a NUL after each. */
const printContext: FakeProgram = {
  start(io) {
    const env = Object.entries(io.env).map(([name, value]) => `${name}=${value}`)
    io.write('stdout', [io.cwd, io.user, io.hostname, ...env].map((part) => `${part}\0`).join(''))
    io.exit(0)
  },
}

/** `sh -c SCRIPT`: the small part of a shell that `runShell` knows; without a script it runs each line of stdin. */
const shell: FakeProgram = {
  start(io) {
    const script = scriptOf(io)
    if (script !== null) runShell(io, script)
  },
  timer(io) {
    runShell(io, String(io.state.rest ?? 'exit 0'))
  },
  input(io, data) {
    if (scriptOf(io) !== null) return
    for (const line of Buffer.from(data).toString('utf8').split('\n').filter(Boolean)) runShell(io, line, true)
  },
  inputEnd(io) {
    if (scriptOf(io) === null) io.exit(0)
  },
}

function scriptOf(io: ProgramIo): string | null {
  const flag = io.args.findIndex((arg) => /^-[a-z]*c$/.test(arg))
  if (flag <= 0) return null
  const script = io.args[flag + 1] ?? ''
  // What hands its first argument on to a shell comes to that.
  return script.endsWith('exec /bin/sh -c "$1"') ? (io.args[flag + 3] ?? '') : script
}

export const BUILT_IN_PROGRAMS: [string, FakeProgram][] = [
  ['counter', counter],
  ['holder', holder],
  ['cat', cat],
  ['link', link],
  ['echo', echo],
  ['exit', exit],
  ['true', { start: (io) => io.exit(0) }],
  ['false', { start: (io) => io.exit(1) }],
  ['leaver', leaver],
  ['sleep', sleep],
  ['trap', trap],
  ['tcp-echo', tcpEcho],
  ['spam', spam],
  ['writer', writer],
  ['terminal-size', terminalSize],
  ['print-context', printContext],
  ['sh', shell],
  ['bash', shell],
]
