import { constants } from 'node:os'
import type { Command } from 'commander'
import { GuestError, type Process } from 'spawnpoint'
import { onBrokenPipe } from '../../broken-pipe.ts'
import type { Cli } from '../../cli.ts'
import { Exit } from '../../exit.ts'
import { collect, envPairs } from '../../options.ts'
import { pieceJson } from '../../output/piece.ts'
import { parseDuration } from '../../output/units.ts'
import { verb } from '../../verb.ts'

const NOT_EXECUTABLE = 126
const NOT_FOUND = 127
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const
/** What is wrong with the directory to start in */
const DIRECTORY: Record<string, string> = {
  ENOENT: 'no such directory in the sandbox',
  ENOTDIR: 'not a directory',
  EACCES: 'may not be entered by this user',
}
/** So many interrupts in a row end this program even if the one inside ignores them. */
const PATIENCE = 3

export function addExec(parent: Command): void {
  verb(
    parent,
    'exec <sandbox> <command...>',
    'run a program; its output, input, signals and exit status are passed on',
    async (cli, options, ref: string, given: string[]) => {
      const command = withoutDashes(given)
      const sandbox = await cli.client.sandboxes.get(ref)
      const start = {
        env: envPairs(options.env),
        cwd: options.cwd,
        user: options.user,
        timeoutMs: options.timeout === undefined ? undefined : parseDuration(options.timeout),
      }
      try {
        if (options.detach) {
          const started = await sandbox.processes.start(command, { ...start, background: true })
          await cli.print(started.info, () => `${started.id}\n`)
          return 0
        }
        return await attach(
          cli,
          await sandbox.processes.start(command, { ...start, stdin: options.stdin }),
          options.stdin,
        )
      } catch (thrown) {
        throw statusOfRefusal(thrown, command[0] ?? '') ?? thrown
      }
    },
    (declared) =>
      declared
        .passThroughOptions()
        .option('-e, --env <name[=value]>', 'variable; may be given several times', collect)
        .option('-w, --cwd <path>', 'directory to start in')
        .option('-u, --user <user>', 'name or uid[:gid] to run as')
        .option('-n, --no-stdin', 'pass on no input')
        .option('-d, --detach', 'start it, print its id and leave it running')
        .option('--timeout <duration>', 'kill it after so long')
        .addHelpText(
          'after',
          '\nOptions of the program itself may follow it as they are: spawnpoint sandbox exec box ls -l /',
        ),
  )
}

/** Options end at the sandbox already; who writes `--` after it all the same does not mean a program of that name. */
export function withoutDashes(command: string[]): string[] {
  return command[0] === '--' ? command.slice(1) : command
}

async function attach(cli: Cli, process_: Process, stdin: boolean): Promise<number> {
  const stopSignals = forwardSignals(process_)
  // The other end of our stdout has gone: what runs inside is told as it would be by a closed pipe.
  const off = onBrokenPipe(() => process_.kill('SIGPIPE', { timeoutMs: 2_000 }))
  if (stdin) void forwardInput(process_)
  try {
    for await (const piece of process_) {
      if (cli.json) await cli.write(`${JSON.stringify(pieceJson(piece))}\n`)
      else if (piece.type === 'data') {
        await cli.write(piece.data, piece.stream === 'stderr' ? process.stderr : process.stdout)
      } else await cli.note(`spawnpoint: ${piece.resumeAt - piece.offset} bytes of ${piece.stream} were lost`)
    }
    const { code } = await process_.wait()
    if (cli.json) await cli.write(`${JSON.stringify({ type: 'exit', exit: process_.exit })}\n`)
    else if (process_.exit?.timedOut) await cli.note('spawnpoint: killed, its --timeout was over')
    return code
  } finally {
    off()
    stopSignals()
  }
}

async function forwardInput(process_: Process): Promise<void> {
  try {
    for await (const chunk of process.stdin) await process_.write(chunk as Uint8Array)
    await process_.closeStdin()
  } catch {
    // Harmless: the program ended, or closed its input, without reading everything.
  }
}

function forwardSignals(process_: Process): () => void {
  let interrupts = 0
  const listeners = FORWARDED.map((name) => {
    const listener = () => {
      interrupts = name === 'SIGINT' ? interrupts + 1 : 0
      if (interrupts >= PATIENCE) process.exit(128 + constants.signals.SIGINT)
      // Harmless if it fails: the program has ended, which the output tells.
      process_.kill(name).catch(() => undefined)
    }
    process.on(name, listener)
    return () => process.off(name, listener)
  })
  return () => {
    for (const off of listeners) off()
  }
}

/** What a shell answers for a program that cannot be started. */
function statusOfRefusal(thrown: unknown, program: string): Exit | null {
  if (!(thrown instanceof GuestError)) return null
  const { errno, path, what } = thrown.context
  const say = (why: string) => process.stderr.write(`spawnpoint: ${program}: ${why}\n`)
  // Neither of these means the program; its status then would.
  if (what === 'user') return null
  if (what === 'cwd') {
    process.stderr.write(`spawnpoint: ${path ?? 'The directory to start in'}: ${DIRECTORY[errno] ?? errno}\n`)
    return new Exit(NOT_EXECUTABLE)
  }
  if (errno === 'ENOENT') {
    say(what === 'program' ? 'no such program in the sandbox' : 'no such program (or working directory) in the sandbox')
    return new Exit(NOT_FOUND)
  }
  if (errno === 'EACCES' || errno === 'ENOEXEC') {
    say('cannot be executed')
    return new Exit(NOT_EXECUTABLE)
  }
  return null
}
