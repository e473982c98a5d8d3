import type { Command } from 'commander'
import type { Process, Sandbox } from 'spawnpoint'
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

async function show(cli: Cli, process_: Process, follow: boolean): Promise<void> {
  const quiet = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const rearm = () => {
    clearTimeout(timer)
    if (!follow && process_.info.exit === null) timer = setTimeout(() => quiet.abort(), QUIET_MS)
  }
  rearm()
  try {
    for await (const piece of process_.follow({ signal: quiet.signal })) {
      clearTimeout(timer)
      if (cli.json) await cli.write(`${JSON.stringify(pieceJson(piece))}\n`)
      else if (piece.type === 'data') {
        await cli.write(piece.data, piece.stream === 'stderr' ? process.stderr : process.stdout)
      } else await cli.note(`spawnpoint: ${piece.resumeAt - piece.offset} bytes of ${piece.stream} are no longer kept`)
      rearm()
    }
  } catch (thrown) {
    if (!quiet.signal.aborted) throw thrown
  } finally {
    clearTimeout(timer)
  }
}
