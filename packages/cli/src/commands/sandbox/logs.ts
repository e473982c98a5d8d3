import type { Command } from 'commander'
import type { OutputStream, Process, ProcessOutput, Sandbox } from 'spawnpoint'
import type { Cli } from '../../cli.ts'
import { UsageError } from '../../exit.ts'
import { integer } from '../../options.ts'
import { pieceJson } from '../../output/piece.ts'
import { verb } from '../../verb.ts'

/** The kept output comes at once; when nothing has come for so long, it has all come. */
const QUIET_MS = 300

export function addLogs(parent: Command): void {
  verb(
    parent,
    'logs <sandbox> [process]',
    "a program's output, by its id or pid:NUMBER; default the latest program",
    async (cli, options, ref: string, processRef: string | undefined) => {
      const sandbox = await cli.client.sandboxes.get(ref)
      const since = options.sinceOffset === undefined ? 0 : integer(options.sinceOffset)
      const id = processRef ?? (await latestOf(sandbox))
      const { info } = await sandbox.processes.get(id)
      const from = info.pty ? { pty: since } : { stdout: since, stderr: since }
      await show(cli, await sandbox.processes.get(info.id, { from }), options.follow === true)
    },
    (command) =>
      command
        .option('-f, --follow', 'go on until the program ends')
        .option('--since-offset <bytes>', 'begin at this byte of each stream'),
  )
}

async function latestOf(sandbox: Sandbox): Promise<string> {
  const processes = await sandbox.processes.list()
  const latest = processes.toSorted((a, b) => b.startedAt.getTime() - a.startedAt.getTime())[0]
  if (latest === undefined) throw new UsageError('no program was started in this sandbox')
  return latest.id
}

/**
 * To the end of the program, or, unless it is to be followed, to where its output stands now: that is when nothing more
 * comes for a moment, or when what comes is what the program wrote after we asked.
 */
async function show(cli: Cli, process_: Process, follow: boolean): Promise<void> {
  const enough = new AbortController()
  const stop = () => enough.abort()
  const running = !follow && process_.info.exit === null
  let mark: { stream: OutputStream; offset: number } | null = null
  if (running) {
    process_.nextOutput({ signal: enough.signal }).then(
      (next) => {
        mark = next
      },
      () => undefined, // Ended by us, or failing as the output below then does too.
    )
  }
  let timer = running ? setTimeout(stop, QUIET_MS) : undefined
  try {
    for await (const piece of process_.follow({ signal: enough.signal })) {
      clearTimeout(timer)
      await showPiece(cli, piece)
      if (isPast(piece, mark)) break
      if (running) timer = setTimeout(stop, QUIET_MS)
    }
  } catch (thrown) {
    if (!enough.signal.aborted) throw thrown
  } finally {
    clearTimeout(timer)
    stop()
  }
}

function isPast(piece: ProcessOutput, mark: { stream: OutputStream; offset: number } | null): boolean {
  return mark !== null && piece.stream === mark.stream && piece.offset >= mark.offset
}

async function showPiece(cli: Cli, piece: ProcessOutput): Promise<void> {
  if (cli.json) await cli.write(`${JSON.stringify(pieceJson(piece))}\n`)
  else if (piece.type === 'data') {
    await cli.write(piece.data, piece.stream === 'stderr' ? process.stderr : process.stdout)
  } else await cli.note(`spawnpoint: ${piece.resumeAt - piece.offset} bytes of ${piece.stream} are no longer kept`)
}
