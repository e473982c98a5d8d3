import type { Command } from 'commander'
import { formatAge, formatBytes } from '../output/units.ts'
import { verb } from '../verb.ts'

export function addStorage(root: Command): void {
  verb(root, 'storage', 'what your team has in the store', async (cli) => {
    const storage = await cli.client.storage()
    if (storage === null) {
      await cli.print(null, () => '')
      return cli.note('Not measured yet: that is done every quarter of an hour.')
    }
    await cli.fields(storage, [
      ['unique', formatBytes(storage.uniqueBytes)],
      ['shared', formatBytes(storage.sharedBytes)],
      ['snapshots', String(storage.snapshots)],
      ['images', String(storage.images)],
      ['sandboxes and volumes', String(storage.roots)],
      ['measured', formatAge(storage.at)],
    ])
  })
}
