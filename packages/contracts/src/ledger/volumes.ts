import { newId, type Volume } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { sampleSandbox, sampleVolume } from '../ledger-samples.ts'
import { freshTeam, type LedgerBench } from './bench.ts'

/** Volumes, and the sandboxes that mount them. */
export function volumesSuite(bench: LedgerBench): void {
  const put = (volume: Volume) => bench.ledger.transact((tx) => tx.putVolume(volume))

  describe('volumes', () => {
    it('come back as they were put, and go for good', async () => {
      const volume = sampleVolume(freshTeam(), { sizeBytes: 2 ** 40 })
      await put(volume)
      expect(await bench.ledger.read.volume(volume.id)).toEqual(volume)
      await put({ ...volume, sizeBytes: 2 ** 21 })
      expect(await bench.ledger.read.volume(volume.id)).toEqual({ ...volume, sizeBytes: 2 ** 21 })
      await put(volume)
      expect(await bench.ledger.transact((tx) => tx.lockVolume(volume.id))).toEqual(volume)
      for (let time = 0; time < 2; time += 1) await bench.ledger.transact((tx) => tx.deleteVolume(volume.id))
      expect(await bench.ledger.read.volume(volume.id)).toBeNull()
      expect(await bench.ledger.transact((tx) => tx.lockVolume(volume.id))).toBeNull()
    })

    it('bear a name once in a team', async () => {
      const teamId = freshTeam()
      await put(sampleVolume(teamId))
      await expect(put(sampleVolume(teamId))).rejects.toMatchObject({
        code: 'name_taken',
        context: { resource: 'volume', name: 'data' },
      })
      await put(sampleVolume(freshTeam()))
    })

    it('are listed newest first, by name, by part of a name, in pages', async () => {
      const teamId = freshTeam()
      const made = ['one', 'two', 'Another'].map((name) => sampleVolume(teamId, { name }))
      for (const volume of made) await put(volume)
      const names = async (filter: { name?: string; nameContains?: string }) =>
        (await bench.ledger.read.volumes({ teamId, ...filter }, { limit: 10 })).items.map(({ name }) => name)
      expect(await names({})).toEqual(['Another', 'two', 'one'])
      expect(await names({ name: 'two' })).toEqual(['two'])
      expect(await names({ nameContains: 'NO' })).toEqual(['Another'])
      const first = await bench.ledger.read.volumes({ teamId }, { limit: 2 })
      const rest = await bench.ledger.read.volumes({ teamId }, { limit: 2, after: first.next ?? '' })
      expect([...first.items, ...rest.items]).toEqual(made.toReversed())
      expect(rest.next).toBeNull()
    })

    it('tell who mounts them, while those live', async () => {
      const teamId = freshTeam()
      const [one, other] = [newId<Volume['id']>(), newId<Volume['id']>()]
      const mount = (volumeId: Volume['id'], path: string) => ({ volumeId, path, readOnly: false })
      const alive = { endedAt: null }
      const both = sampleSandbox(teamId, { ...alive, name: null, volumes: [mount(one, '/a'), mount(other, '/b')] })
      const single = sampleSandbox(teamId, { ...alive, name: null, volumes: [mount(other, '/a')] })
      const gone = sampleSandbox(teamId, {
        name: null,
        state: 'killed',
        endedAt: new Date(),
        volumes: [mount(one, '/a')],
      })
      await bench.put(async (tx) => {
        for (const sandbox of [both, single, gone]) await tx.putSandbox(sandbox)
      })
      const users = async (volumeId: Volume['id']) =>
        (await bench.ledger.read.sandboxes({ volumeId }, { limit: 10 })).items.map(({ id }) => id)
      expect(await users(one)).toEqual([both.id])
      expect(await users(other)).toEqual([single.id, both.id])
      expect(await users(newId())).toEqual([])
    })
  })
}
