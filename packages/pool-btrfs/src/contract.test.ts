import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type PoolUnderTest, poolContract } from '@spawnpoint/contracts/pool'
import { TestWorld } from './test-world.ts'

for (const quotas of ['simple', 'full'] as const)
  poolContract(`btrfs with ${quotas} quotas`, () => subjectOf(TestWorld.with(quotas)))
poolContract('a directory of a btrfs of the host’s', () => subjectOf(TestWorld.onBtrfs()))

async function subjectOf(world: TestWorld): Promise<PoolUnderTest> {
  await world.pool.open()
  return {
    get pool() {
      return world.pool
    },
    reopen: () => world.reopen(),
    readFile: (dir, name) =>
      readFile(join(dir, name), 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null
        throw error
      }),
    async writeFile(dir, name, data) {
      const file = await open(join(dir, name), 'w')
      try {
        await file.writeFile(data)
        await file.sync()
      } finally {
        await file.close()
      }
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}
