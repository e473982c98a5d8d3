import type { Command } from 'commander'

/** `help` of a command and of all below it that have commands. Commander's own shows its first level for what it does not know. */
export function addHelp(noun: Command): void {
  for (const command of noun.commands) if (command.commands.length > 0) addHelp(command)
  noun
    .command('help [command...]')
    .description('display help for command')
    .helpOption(false)
    .action((names: string[]) => {
      let shown = noun
      for (const name of names) {
        const next = shown.commands.find((command) => command.name() === name || command.aliases().includes(name))
        if (next === undefined) {
          return shown.error(`error: unknown command '${names.join(' ')}'`, { code: 'commander.unknownCommand' })
        }
        shown = next
      }
      shown.help()
    })
}
