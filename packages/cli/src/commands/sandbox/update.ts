import type { Command } from 'commander'
import { UsageError } from '../../exit.ts'
import { collect, declareLabels, pairs, present, timeoutFrom } from '../../options.ts'
import { verb } from '../../verb.ts'

export function addUpdate(parent: Command): void {
  verb(
    parent,
    'update <sandbox>',
    'change name, labels, network or timeout',
    async (cli, options, ref: string) => {
      const { allow, deny, allowDomain, internet } = options
      const changes = {
        name: options.name === false ? null : options.name,
        labels: pairs(options.label, 'label'),
        network: present({ internet, allow, deny, allowDomains: allowDomain }),
        timeout: timeoutFrom(options),
      }
      if (present(changes) === undefined)
        throw new UsageError('say what to change; see spawnpoint sandbox update --help')
      const sandbox = await cli.client.sandboxes.get(ref)
      await sandbox.update(changes)
      await cli.print(sandbox.info, () => `${sandbox.id}\n`)
    },
    (command) =>
      declareLabels(command)
        .option('-n, --name <name>', 'new name')
        .option('--no-name', 'no name any more')
        .option('--timeout <duration|never>', 'end it so long from now')
        .option('--idle-timeout <duration|never>', 'time without a request until it is ended')
        .option('--on-timeout <kill|pause>', 'what to do then')
        .option('--internet', 'outbound connections')
        .option('--no-internet', 'no outbound connections')
        .option('--allow <cidr>', 'reach only this; may be given several times', collect)
        .option(
          '--allow-domain <name>',
          'reach only this host by TLS and HTTP, or *.name; may be given several times',
          collect,
        )
        .option('--deny <cidr>', 'do not reach this; may be given several times', collect)
        .addHelpText('after', '\nLabels given replace all labels; so do --allow and --deny.'),
  )
}
