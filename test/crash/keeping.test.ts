import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Snapshot } from 'spawnpoint'
import { beforeAll } from 'vitest'
import type { World } from '../e2e/world.ts'
import { walk, world } from './walk.ts'

/** Of a sandbox with next to no files: how long these take hangs on how much there is to read. */
let small: Snapshot

async function smallSnapshot(): Promise<void> {
  const sandbox = await world.client.sandboxes.create({ image: 'empty' })
  small = await sandbox.snapshot({ kind: 'memory' })
  await sandbox.kill()
}

beforeAll(async () => {
  await world.client.images.build({ name: 'empty', source: { type: 'tar', path: 'small.tar' } })
  await smallSnapshot()
  await small.push({ reference: 'oci:small' })
  cpSync(join(world.dataDir, 'exports/small'), join(world.dataDir, 'imports/small'), { recursive: true })
})

/** What the dead server had begun to write there is no part of what it promised. */
async function push(world: World): Promise<void> {
  rmSync(join(world.dataDir, 'exports/small'), { recursive: true, force: true })
  await small.push({ reference: 'oci:small' })
}

await walk([
  {
    name: 'check a snapshot',
    kinds: ['snapshot.check'],
    prepare: smallSnapshot,
    run: () => small.check(),
    after: ['running'],
  },
  {
    name: 'drill a snapshot',
    kinds: ['snapshot.drill'],
    prepare: smallSnapshot,
    run: (_w, _o, point) => point.drill({ probe: ['true'] }),
    after: ['running'],
  },
  { name: 'push a snapshot', kinds: ['archive.push'], prepare: smallSnapshot, run: push, after: ['running'] },
  {
    name: 'pull a snapshot',
    kinds: ['archive.pull'],
    run: (w) => w.client.snapshots.pull({ reference: 'oci:small' }),
    after: ['running'],
  },
])
