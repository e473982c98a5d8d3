import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type PoolUnderTest, poolContract } from '@spawnpoint/contracts/pool'
import type { QuotaMode } from './quotas.ts'
import { TestWorld } from './test-world.ts'

for (const quotas of ['simple', 'full'] as const) poolContract(`btrfs with ${quotas} quotas`, () => subjectOf(quotas))

async function subjectOf(quotas: QuotaMode): Promise<PoolUnderTest> {
  const world = TestWorld.with(quotas)
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
