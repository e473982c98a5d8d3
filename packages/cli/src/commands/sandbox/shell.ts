import type { Command } from 'commander'
import type { Process } from 'spawnpoint'
import { UsageError } from '../../exit.ts'
import { collect, envPairs } from '../../options.ts'
import { Escape } from '../../transfer/escape.ts'
import { verb } from '../../verb.ts'
import { withoutDashes } from './exec.ts'

/** The best shell there is, as a login shell, so that it reads its profile. */
const LOGIN_SHELL = 'if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi'

/** Signals from outside; the keys for them go to the program inside. */
const ENDING = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP'] as const

export function addShell(parent: Command): void {
  verb(
    parent,
    'shell <sandbox> [command...]',
    'a terminal in the sandbox; Enter ~ . leaves it',
    async (cli, options, ref: string, given: string[]) => {
      const command = withoutDashes(given)
      if (!process.stdin.isTTY || !process.stdout.isTTY) {
        throw new UsageError('shell needs a terminal; without one use: spawnpoint sandbox exec SANDBOX COMMAND')
      }
      const sandbox = await cli.client.sandboxes.get(ref)
      const start = {
        env: { TERM: process.env.TERM || 'xterm-256color', ...envPairs(options.env) },
        cwd: options.cwd,
        user: options.user,
        pty: size(),
      }
      // Raw before it is started: what is typed ahead is for the program, and it will echo it.
      const { started, left } = await inRawMode(async () => {
        const started = await sandbox.processes.start(command.length > 0 ? command : LOGIN_SHELL, start)
        return { started, left: await converse(started) }
      })
      if (left) await cli.note(`Left it running; see it with: spawnpoint sandbox logs ${sandbox.id} ${started.id}`)
      return left ? 0 : (await started.wait()).code
    },
    (declared) =>
      declared
        .passThroughOptions()
        .option('-e, --env <name[=value]>', 'variable; may be given several times', collect)
        .option('-w, --cwd <path>', 'directory to start in')
        .option('-u, --user <user>', 'name or uid[:gid] to run as'),
  )
}

/** Passes keys and output on until the program ends (false) or the user leaves it (true). */
async function converse(terminal: Process): Promise<boolean> {
  const leave = new AbortController()
  const wayOut = new Escape()
  const onResize = () => {
    // Harmless if it fails: the program has ended, or its output tells that the connection has.
    terminal.resize(size()).catch(() => undefined)
  }
  const onKeys = (chunk: Buffer) => {
    const { pass, leaves } = wayOut.feed(chunk)
    if (leaves) leave.abort()
    else if (pass.length > 0) terminal.write(pass).catch(() => undefined) // As above.
  }
  process.stdout.on('resize', onResize)
  process.stdin.on('data', onKeys)
  // The window may have changed between the start and now.
  onResize()
  try {
    for await (const piece of terminal.follow({ signal: leave.signal })) {
      if (piece.type === 'data') await new Promise<void>((resolve) => process.stdout.write(piece.data, () => resolve()))
    }
    return false
  } catch (thrown) {
    if (leave.signal.aborted) return true
    throw thrown
  } finally {
    process.stdout.off('resize', onResize)
    process.stdin.off('data', onKeys)
    process.stdin.pause()
  }
}

/** The terminal is put back whatever happens, short of SIGKILL: a shell left in raw mode echoes nothing. */
async function inRawMode<T>(work: () => Promise<T>): Promise<T> {
  const restore = () => process.stdin.setRawMode(false)
  const onSignal = (_: string, number: number) => {
    restore()
    process.exit(128 + number)
  }
  process.stdin.setRawMode(true)
  process.once('exit', restore)
  for (const name of ENDING) process.once(name, onSignal)
  try {
    return await work()
  } finally {
    restore()
    process.off('exit', restore)
    for (const name of ENDING) process.off(name, onSignal)
  }
}

function size(): { cols: number; rows: number } {
  // A terminal that does not know its size says 0.
  return { cols: process.stdout.columns || 80, rows: process.stdout.rows || 24 }
}
