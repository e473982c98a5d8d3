import type { Command } from 'commander'
import { verb } from '../../verb.ts'

export function addSignal(parent: Command): void {
  verb(
    parent,
    'signal <sandbox> <process> [signal]',
    'send a signal to a program and what it started, by its id or pid:NUMBER; default TERM',
    async (cli, _options, ref: string, id: string, given = 'TERM') => {
      const sandbox = await cli.client.sandboxes.get(ref)
      const program = await sandbox.processes.get(id)
      await program.kill(signalFrom(given))
      await cli.print(program.info, () => `${program.info.id}\n`)
    },
  )
}

/** `9`, `KILL` and `SIGKILL` as the API has them, which says what is wrong with others. */
function signalFrom(text: string): string | number {
  if (/^\d+$/.test(text)) return Number(text)
  const name = text.toUpperCase()
  return name.startsWith('SIG') ? name : `SIG${name}`
}
