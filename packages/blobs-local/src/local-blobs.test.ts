import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { blobsContract } from '@spawnpoint/contracts'
import { newId, type TeamId } from '@spawnpoint/core'
import { expect, it } from 'vitest'
import { LocalBlobs } from './local-blobs.ts'

async function open() {
  const dir = await mkdtemp(join(tmpdir(), 'spawnpoint-blobs-'))
  const world = {
    dir,
    blobs: new LocalBlobs({ dir: join(dir, 'blobs') }),
    async reopen() {
      await world.blobs.close()
      world.blobs = new LocalBlobs({ dir: join(dir, 'blobs') })
      await world.blobs.open()
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
  }
  await world.blobs.open()
  return world
}

blobsContract('LocalBlobs', open)

it('removes at its start what an upload left that was cut off', async () => {
  await using world = await open()
  const team = newId<TeamId>()
  await world.blobs.put(team, 'x:a', Readable.from([Buffer.from('whole')]), 100)
  const dir = join(world.dir, 'blobs', team)
  await writeFile(join(dir, '.part-0011'), 'half')
  await world.reopen()
  expect(await readdir(dir)).toEqual(['x:a'])
})

it('breaks an upload off while there is still room for others, and leaves nothing of it', async () => {
  await using world = await open()
  const team = newId<TeamId>()
  let free = 3 * 2 ** 30
  const blobs = new LocalBlobs({ dir: join(world.dir, 'blobs'), freeBytes: async () => free })
  const piece = Buffer.alloc(2 ** 20)
  async function* endless() {
    for (;;) {
      free -= piece.length * 16
      yield piece
    }
  }
  const put = blobs.put(team, 'x:a', Readable.from(endless()), 512 * 2 ** 20)
  await expect(put).rejects.toMatchObject({ code: 'disk_full' })
  expect(free).toBeGreaterThan(0)
  expect(await readdir(join(world.dir, 'blobs', team))).toEqual([])
})

it('takes no path from a key', async () => {
  await using world = await open()
  const team = newId<TeamId>()
  for (const key of ['../escape', 'x:../../escape', 'x:', '/etc/passwd', 'x:a/b'])
    await expect(world.blobs.put(team, key, Readable.from(['']), 100)).rejects.toMatchObject({
      code: 'invalid_argument',
    })
  await expect(world.blobs.has('../..' as TeamId, 'x:a')).rejects.toMatchObject({ code: 'invalid_argument' })
})
