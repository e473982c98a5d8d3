import type { Command } from 'commander'
import { credentialsFrom, declareCredentials } from '../../credentials.ts'
import { UsageError } from '../../exit.ts'
import {
  collect,
  declareLabels,
  declareNetwork,
  declarePolicies,
  envPairs,
  ingressFrom,
  networkFrom,
  pairs,
  present,
  resourcesFrom,
  timeoutFrom,
} from '../../options.ts'
import { verb } from '../../verb.ts'

export function addUpdate(parent: Command): void {
  verb(
    parent,
    'update <sandbox>',
    'change name, labels, variables, resources, network, credentials, ingress or timeout',
    async (cli, options, ref: string) => {
      const { internet } = options
      const changes = {
        name: options.name === false ? null : options.name,
        labels: pairs(options.label, 'label'),
        env: envPairs(options.env),
        network: present({ ...networkFrom(options), internet }),
        resources: resourcesFrom(options),
        credentials: options.credentials === false ? [] : credentialsFrom(options.credential, options.credentials),
        ingress: ingressFrom(options),
        timeout: timeoutFrom(options),
        extendOnly: options.extendOnly,
      }
      if (present(changes) === undefined)
        throw new UsageError('say what to change; see spawnpoint sandbox update --help')
      const sandbox = await cli.client.sandboxes.get(ref)
      await sandbox.update(changes)
      await cli.print(sandbox.info, () => `${sandbox.id}\n`)
    },
    (command) =>
      // Before `--no-internet`: what is not given is then neither.
      declareNetwork(
        declareCredentials(declarePolicies(declareLabels(command))).option('--internet', 'outbound connections'),
      )
        .option('--no-credentials', 'no credentials any more')
        .option('-n, --name <name>', 'new name')
        .option('--no-name', 'no name any more')
        .option('-e, --env <name[=value]>', 'variable for programs from now on; may be given several times', collect)
        .option('--cpus <number>', 'processors from its next start, whole or in part')
        .option('--memory <size>', 'memory from its next start, such as 512M or 2G')
        .option('--disk <size>', 'root filesystem, at once; it only grows')
        .option('--timeout <duration|never>', 'its time is over so long from now')
        .option('--extend-only', 'with --timeout: never bring its end closer')
        .addHelpText(
          'after',
          '\nWhat is given replaces all there is of it: labels, variables, ports, credentials, --allow, --deny.',
        ),
  )
}
