import type { Command } from 'commander'
import { Cli } from './cli.ts'

/** Options as commander hands them over; each command knows its own. */
// biome-ignore lint/suspicious/noExplicitAny: commander cannot tell the types of options declared in a chain elsewhere
export type Options = Record<string, any>

// biome-ignore lint/suspicious/noExplicitAny: the arguments are what the command's own spec says: strings or lists of them
type Run = (cli: Cli, options: Options, ...args: any[]) => Promise<unknown>

/**
 * Adds one command. Every command takes `--json` and `--url`. `run` may return an exit status; errors go to the border in
 * `main.ts`.
 */
export function verb(
  parent: Command,
  spec: string,
  summary: string,
  run: Run,
  declare: (command: Command) => Command = (command) => command,
): void {
  const command = declare(parent.command(spec).description(summary))
    .option('--json', 'print JSON, for programs')
    .option('--url <url>', 'address of the server (SPAWNPOINT_URL)')
  command.action(async (...given: unknown[]) => {
    const args = given.slice(0, -2)
    const options = given.at(-2) as Options
    const status = await run(new Cli(options), options, ...args)
    if (typeof status === 'number') process.exitCode = status
  })
}
