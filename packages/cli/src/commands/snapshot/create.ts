import type { Command } from 'commander'
import { UsageError } from '../../exit.ts'
import { collect, declareLabels, envPairs, pairs } from '../../options.ts'
import { formatBytes, formatDuration, parseDurationOrNever, parseSize } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addCreate(parent: Command): void {
  verb(
    parent,
    'create <sandbox>',
    'capture a sandbox while it runs on',
    async (cli, options, ref: string) => {
      if (options.kind !== 'memory' && options.kind !== 'filesystem') {
        throw new UsageError(`--kind is memory or filesystem, not '${options.kind}'`)
      }
      const sandbox = await cli.client.sandboxes.get(ref)
      const snapshot = await sandbox.snapshot({
        kind: options.kind,
        name: options.name,
        tag: options.tag,
        labels: pairs(options.label, 'label'),
        ttlMs: options.ttl === undefined ? undefined : parseDurationOrNever(options.ttl),
        credentials: options.withCredentials,
        remotes: options.withRemotes,
        env: envPairs(options.env),
        resources: options.disk === undefined ? undefined : { diskBytes: parseSize(options.disk) },
        hooks: options.hooks,
        requireHooks: options.requireHooks,
        whenBusy: options.rejectWhenBusy ? 'reject' : undefined,
      })
      const { receipt } = snapshot
      if (receipt !== null) {
        const { standstillMs, totalMs, newlyStoredBytes, consistency } = receipt
        await cli.note(
          `Stood still for ${formatDuration(standstillMs)} of ${formatDuration(totalMs)}; ${formatBytes(newlyStoredBytes)} newly stored; consistency: ${consistency}`,
        )
        for (const hook of receipt.hooks) {
          if (hook.outcome !== 'ok') await cli.note(`Hook ${hook.name} ${hook.outcome.replace('_', ' ')}`)
        }
      }
      await cli.print(snapshot.info, () => `${snapshot.id}\n`)
    },
    (command) =>
      declareLabels(command)
        .option('-n, --name <name>', 'name; may be used again, and then means the latest')
        .option('-t, --tag <tag>', 'tag of the name that points to it')
        .option('-k, --kind <kind>', 'memory or filesystem', 'memory')
        .option('--ttl <duration|never>', 'delete it after so long')
        .option('--with-remotes', 'what begins with it has the remotes of the sandbox brought anew')
        .option('--with-credentials', "what begins with it has the sandbox's credentials, secrets too")
        .option(
          '-e, --env <name[=value]>',
          "variable of what begins with it, in place of all the sandbox's own; may be given several times",
          collect,
        )
        .option('--disk <size>', "root filesystem of what begins with it, no smaller than the sandbox's")
        .option('--no-hooks', "do not run the sandbox's pre-snapshot hooks")
        .option('--require-hooks', 'fail if a hook fails')
        .option('--reject-when-busy', 'fail rather than wait while other work on the sandbox is under way'),
  )
}
