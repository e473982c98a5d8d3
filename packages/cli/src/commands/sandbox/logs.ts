import type { Command } from 'commander'
import type { ProcessOutput, Sandbox } from 'spawnpoint'
import type { Cli } from '../../cli.ts'
import { UsageError } from '../../exit.ts'
import { integer } from '../../options.ts'
import { pieceJson } from '../../output/piece.ts'
import { verb } from '../../verb.ts'

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
      const process_ = await sandbox.processes.get(info.id, { from })
      for await (const piece of options.follow === true ? process_ : process_.kept()) await showPiece(cli, piece)
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

async function showPiece(cli: Cli, piece: ProcessOutput): Promise<void> {
  if (cli.json) await cli.write(`${JSON.stringify(pieceJson(piece))}\n`)
  else if (piece.type === 'data') {
    await cli.write(piece.data, piece.stream === 'stderr' ? process.stderr : process.stdout)
  } else await cli.note(`spawnpoint: ${piece.resumeAt - piece.offset} bytes of ${piece.stream} are no longer kept`)
}
