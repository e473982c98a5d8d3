import { spawn } from 'node:child_process'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import { SpawnpointError } from '@spawnpoint/core'

export interface ConfinedCommand {
  /** For errors: what is being done */
  step: string
  program: string
  args: string[]
  /** What it sees beside the programs of the host: paths inside and outside */
  readable: [inside: string, outside: string][]
  writable: [inside: string, outside: string][]
  /** Whether it has `/dev/null` and its like; default false */
  devices?: boolean
  /** Of root's rights, those it keeps */
  capabilities: string[]
  /** Largest file it may write, in bytes */
  fileBytes: number
  timeoutMs: number
  /** Writes what it reads from stdin, and ends it; if it rejects, the program is ended and that is the error */
  input?: (stdin: Writable) => Promise<void>
  /** Takes what it writes to stdout; if it rejects, the program is ended and that is the error */
  output?: (stdout: Readable) => Promise<void>
  signal: AbortSignal
}

/** What a writer meets whose reader has ended */
const ENDED_EARLY = new Set(['EPIPE', 'ECANCELED', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED'])
/** Of what it says on stderr, which may have no end and no line breaks */
const KEPT_CHARS = 16 * 1024
const KEPT_LINES = 20
const MAX_LINE_CHARS = 600
const SBIN = '/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin'
const MEMORY_BYTES = 4 * 2 ** 30

/**
 * Runs a program on what a stranger made: in namespaces of its own without a network, on a file system that has the
 * host's programs and libraries, the paths named, and nothing else; with few of root's rights, and bounds on time,
 * memory, open files and the size of a file. It dies with this server. Rejects `cancelled`, `timeout`, `unavailable` (not
 * installed), or `runtime_failed` with what the program said last.
 */
export async function runConfined(command: ConfinedCommand): Promise<void> {
  const { step, signal, timeoutMs } = command
  if (signal.aborted) throw cancelled(step)
  const child = spawn('prlimit', prlimitArgs(command), {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: `${process.env.PATH ?? ''}:${SBIN}`, LC_ALL: 'C.UTF-8' },
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-KEPT_CHARS)
  })
  // Read from the first moment: what nobody reads when a program ends, Node throws away.
  const plain = child.stdout.pipe(new PassThrough())
  // The namespace's first process takes all others with it. Whoever takes its output is told that no more comes, and what has
  // not been taken is let go of: a program counts as ended when its output is read.
  const end = () => {
    killGroup(child.pid)
    // First of all: a pipe whose end has gone would stop it again.
    child.stdout.unpipe(plain)
    plain.destroy()
    child.stdout.resume()
  }
  let late = false
  const limit = setTimeout(() => {
    late = true
    end()
  }, timeoutMs)
  signal.addEventListener('abort', end)
  let refused: { error: unknown } | null = null
  const refuse = (error: unknown) => {
    refused ??= { error }
    end()
  }
  const taken = command.output?.(plain).catch(refuse)
  if (taken === undefined) plain.resume()
  const given = command.input?.(child.stdin).catch((error: NodeJS.ErrnoException) => {
    // A program that ends before the end of its input has said why.
    if (!ENDED_EARLY.has(error.code ?? '')) refuse(error)
  })
  if (given === undefined) child.stdin.end()
  // Told to whoever writes, if anybody does.
  child.stdin.on('error', () => {})
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    await Promise.all([taken, given])
    if (signal.aborted) throw cancelled(step)
    if (late) {
      const message = `Could not ${step} within ${Math.round(timeoutMs / 1_000)} s`
      throw new SpawnpointError('timeout', message, { what: step, timeoutMs })
    }
    if (code !== 0 && refused === null) throw failed(command, lastLines(said))
    if (refused !== null) throw (refused as { error: unknown }).error
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw missing('prlimit', 'util-linux', error)
  } finally {
    clearTimeout(limit)
    signal.removeEventListener('abort', end)
  }
}

function prlimitArgs(command: ConfinedCommand): string[] {
  const bind = (option: string, paths: [string, string][]) =>
    paths.flatMap(([inside, outside]) => [option, outside, inside])
  return [
    ...[`--as=${MEMORY_BYTES}`, `--fsize=${command.fileBytes}`, '--nofile=1024', '--core=0', '--'],
    'bwrap',
    ...['--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--die-with-parent', '--new-session'],
    ...['--cap-drop', 'ALL', ...command.capabilities.flatMap((name) => ['--cap-add', name])],
    // Programs of distributions old and new: with and without a merged /usr.
    ...['--ro-bind', '/usr', '/usr', ...['/bin', '/lib', '/lib64'].flatMap((dir) => ['--ro-bind-try', dir, dir])],
    ...(command.devices ? ['--dev', '/dev'] : []),
    ...['--tmpfs', '/tmp', ...bind('--ro-bind', command.readable), ...bind('--bind', command.writable)],
    ...['--chdir', '/', '--clearenv', '--setenv', 'PATH', SBIN, '--setenv', 'HOME', '/tmp'],
    ...['--', command.program, ...command.args],
  ]
}

function failed({ step, program }: ConfinedCommand, tail: string[]): SpawnpointError {
  const said = tail.join('\n')
  if (/^prlimit: failed to execute bwrap/m.test(said)) return missing('bwrap', 'bubblewrap')
  if (said.includes(`bwrap: execvp ${program}: No such file`)) return missing(program, program)
  const reason = reasonIn(tail)
  return new SpawnpointError('runtime_failed', `Could not ${step}${reason === null ? '' : `: ${reason}`}`, {
    step,
    detail: said,
  })
}

function lastLines(text: string): string[] {
  const lines = text.split(/\r?\n/).filter((line) => line !== '')
  return lines.slice(-KEPT_LINES).map((line) => line.slice(0, MAX_LINE_CHARS))
}

/** umoci marks what went wrong with a cross, skopeo with a level, tar with its name, git with how bad it is; paths are those of the inside. */
function reasonIn(tail: string[]): string | null {
  for (const line of tail.toReversed()) {
    const reason =
      /^\s*⨯\s*(.+)$/.exec(line)?.[1] ??
      /level=fatal msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ??
      /^tar: (?!Exiting)(.+)$/.exec(line)?.[1] ??
      /^fatal: (.+)$/.exec(line)?.[1]
    if (reason !== undefined) return reason.replace(/^create rootfs: (?:unpack rootfs: )?/, '').replaceAll('\\"', '"')
  }
  return null
}

function missing(program: string, debianPackage: string, cause?: unknown): SpawnpointError<'unavailable'> {
  const reason = `${program} is not installed: apt-get install ${debianPackage}`
  return new SpawnpointError('unavailable', reason, { reason }, { cause })
}

export function cancelled(what: string): SpawnpointError<'cancelled'> {
  return new SpawnpointError('cancelled', `Stopped on request: ${what}`, { what })
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    // Gone: that is what was wanted.
  }
}
