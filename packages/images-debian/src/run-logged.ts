import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { SpawnpointError } from '@spawnpoint/core'

const KEPT_LINES = 40
const TERM_GRACE_MS = 5_000
const SBIN = '/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin'

export interface LoggedCommand {
  /** For errors: what is being done */
  step: string
  program: string
  args: string[]
  env?: Record<string, string>
  /** Both outputs, line by line. A throw ends the program and is what `runLogged` rejects with. */
  onLine: (line: string) => void
  signal: AbortSignal
}

/**
 * Runs a program in a process group of its own and waits until all of its output is closed. Rejects `cancelled` after an
 * abort, `runtime_failed` with the end of its output after a failure, `unavailable` if it is not installed. The group is
 * ended in either case: SIGTERM, so that it undoes its mounts, then SIGKILL.
 */
export async function runLogged(command: LoggedCommand): Promise<void> {
  const { step, program, signal } = command
  if (signal.aborted) throw cancelled(step)
  const child = spawn(program, command.args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${process.env.PATH ?? ''}:${SBIN}`, LC_ALL: 'C.UTF-8', ...command.env },
  })
  const tail: string[] = []
  let thrown: unknown
  let killTimer: NodeJS.Timeout | undefined
  const end = () => {
    signalGroup(child.pid, 'SIGTERM')
    killTimer ??= setTimeout(() => signalGroup(child.pid, 'SIGKILL'), TERM_GRACE_MS)
  }
  const onLine = (line: string) => {
    tail.push(line.slice(0, 400))
    if (tail.length > KEPT_LINES) tail.shift()
    try {
      command.onLine(line.slice(0, 400))
    } catch (error) {
      thrown ??= error
      end()
    }
  }
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', onLine)
  signal.addEventListener('abort', end)
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    if (thrown) throw thrown
    if (signal.aborted) throw cancelled(step)
    if (code !== 0) throw failed(step, tail.join('\n'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    const reason = `${program} is not installed: apt-get install ${program}`
    throw new SpawnpointError('unavailable', reason, { reason }, { cause: error })
  } finally {
    signal.removeEventListener('abort', end)
    clearTimeout(killTimer)
    // What the program left running in its group writes to the image no more.
    signalGroup(child.pid, 'SIGKILL')
  }
}

/** The message says why, as far as the output does; `detail` is for the log. */
export function failed(step: string, detail: string): SpawnpointError<'runtime_failed'> {
  const reason = reasonIn(detail)
  return new SpawnpointError('runtime_failed', `Could not ${step}${reason === null ? '' : `: ${reason}`}`, {
    step,
    detail,
  })
}

/** apt and mmdebstrap mark what went wrong; who called whom comes after it and is of no use to anybody but us. */
function reasonIn(output: string): string | null {
  const marked = output.split('\n').flatMap((line) => /^(?:E|mmdebstrap|tar|xz): (?:E: )?(.+)$/.exec(line)?.[1] ?? [])
  return (
    marked.find((line) => !/^(?:setup failed|run_chroot failed|apt-get .*failed|mmdebstrap failed)/.test(line)) ?? null
  )
}

function cancelled(what: string): SpawnpointError<'cancelled'> {
  return new SpawnpointError('cancelled', `Stopped on request: ${what}`, { what })
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    // Gone: that is what was wanted.
  }
}
