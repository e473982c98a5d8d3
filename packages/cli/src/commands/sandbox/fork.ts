import type { Command } from 'commander'
import { Exit, FAILED } from '../../exit.ts'
import { declareOverrides, integer, overridesFrom } from '../../options.ts'
import { verb } from '../../verb.ts'

export function addFork(parent: Command): void {
  verb(
    parent,
    'fork <sandbox>',
    'new sandboxes that go on from this one as it is now',
    async (cli, options, ref: string) => {
      const sandbox = await cli.client.sandboxes.get(ref)
      const { name, ...overrides } = overridesFrom(options)
      const count = options.count === undefined ? 1 : integer(options.count)
      const children = name === undefined ? undefined : names(name, count).map((each) => ({ name: each }))
      if (!options.bestEffort) {
        const forks = await sandbox.fork({ count, overrides, children })
        await cli.print(
          forks.map(({ info }) => info),
          () => forks.map(({ id }) => `${id}\n`).join(''),
        )
        return
      }
      const results = await sandbox.forkSome({ count, overrides, children })
      await cli.print(
        results.map(({ sandbox: child, error }) => ({ sandbox: child?.info ?? null, error })),
        () => results.flatMap(({ sandbox: child }) => (child === null ? [] : [`${child.id}\n`])).join(''),
      )
      for (const { error } of results) if (error !== null) await cli.note(`spawnpoint: ${error.code}: ${error.message}`)
      if (results.some(({ error }) => error !== null)) throw new Exit(FAILED)
    },
    (command) =>
      declareOverrides(command)
        .option('-c, --count <number>', 'how many')
        .option('--best-effort', 'keep what came up even if some could not be made'),
  )
}

/** One name as it is; several get a number each, as names are unique. */
function names(name: string, count: number): string[] {
  return count === 1 ? [name] : Array.from({ length: count }, (_, i) => `${name}-${i + 1}`)
}
