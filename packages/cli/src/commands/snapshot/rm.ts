import type { Command } from 'commander'
import type { DeletePlan } from 'spawnpoint'
import { eachOf } from '../../each.ts'
import { formatBytes } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addRm(parent: Command): void {
  verb(
    parent,
    'rm <snapshot...>',
    'delete snapshots, into the trash; sandboxes started from them live on',
    async (cli, options, refs: string[]) => {
      const { ifUnused, permanent } = options
      if (!options.dryRun) return eachOf(cli, refs, (ref) => cli.client.snapshots.delete(ref, { ifUnused, permanent }))
      for (const ref of refs) {
        const plan = await cli.client.snapshots.deletePlan(ref, { ifUnused, permanent })
        await cli.fields(plan, fieldsOf(plan))
      }
      return 0
    },
    (command) =>
      command
        .alias('delete')
        .option('--if-unused', 'not while sandboxes started from it live')
        .option('--permanent', 'at once and for good, also one that is in the trash')
        .option('--dry-run', 'delete nothing, show what would happen'),
  )
}

function fieldsOf({ snapshot, purgeAt, wouldFreeBytes, dependents, waitsFor, blocked }: DeletePlan) {
  const called = ({ id, name }: { id: string; name: string | null }) => name ?? id
  const list = (items: string[]) => (items.length === 0 ? null : items.join(', '))
  return [
    ['snapshot', snapshot.id],
    ['name', snapshot.name],
    ['would free', formatBytes(wouldFreeBytes)],
    ['gone', purgeAt === null ? 'at once' : `${purgeAt.toISOString()}, in the trash until then`],
    ['sandboxes', list(dependents.sandboxes.map((one) => `${called(one)} (${one.state})`))],
    ['snapshots', list(dependents.snapshots.map(called))],
    ['images', list(dependents.images.map(called))],
    ['tags', list(dependents.tags.map(({ name, tag }) => `${name}:${tag}`))],
    ['waits for', list(waitsFor.map(({ id, kind }) => `${kind} ${id}`))],
    ['blocked', blocked],
  ] satisfies [string, string | null][]
}
