import { type BuildLogEntry, type ImageId, newId, type Tag, type TeamId } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { sampleImage, sampleName, sampleSnapshot } from '../ledger-samples.ts'
import { freshTeam, type LedgerBench } from './bench.ts'

/** Names, their tags, and the log of builds. */
export function namesSuite(bench: LedgerBench): void {
  const ensure = (teamId: TeamId, name: string) =>
    bench.ledger.transact((tx) => tx.ensureName(sampleName(teamId, { name })))
  const tagOf = (over: Partial<Tag> & Pick<Tag, 'nameId'>): Tag => ({
    tag: 'default',
    imageId: newId<ImageId>(),
    snapshotId: null,
    createdAt: new Date(1_700_000_000_111),
    ...over,
  })

  describe('names', () => {
    it('are made once per team, also by many at the same moment, and keep their id', async () => {
      const teamId = freshTeam()
      const made = await Promise.all(Array.from({ length: 8 }, () => ensure(teamId, 'app')))
      const [first] = made
      expect(new Set(made.map(({ id }) => id)).size).toBe(1)
      expect(await ensure(teamId, 'app')).toEqual(first)
      expect((await ensure(freshTeam(), 'app')).id).not.toBe(first?.id)
      expect(await bench.ledger.read.nameByText(teamId, 'app')).toEqual(first)
      expect(await bench.ledger.read.nameById(first?.id ?? newId())).toEqual(first)
      expect(await bench.ledger.read.nameByText(teamId, 'App')).toBeNull()
    })

    it('are listed newest first, in pages, of one team', async () => {
      const teamId = freshTeam()
      for (const name of ['a', 'b', 'c']) await ensure(teamId, name)
      const first = await bench.ledger.read.names(teamId, { limit: 2 })
      const rest = await bench.ledger.read.names(teamId, { limit: 2, after: first.next ?? '' })
      expect([...first.items, ...rest.items].map(({ name }) => name)).toEqual(['c', 'b', 'a'])
      expect(rest.next).toBeNull()
    })

    it('go with their tags, and may be made anew', async () => {
      const teamId = freshTeam()
      const { id } = await ensure(teamId, 'app')
      await bench.ledger.transact((tx) => tx.putTag(tagOf({ nameId: id })))
      for (let time = 0; time < 2; time += 1) await bench.ledger.transact((tx) => tx.deleteName(id))
      expect(await bench.ledger.read.nameById(id)).toBeNull()
      expect(await bench.ledger.read.tags({ nameId: id })).toEqual([])
      expect((await ensure(teamId, 'app')).id).not.toBe(id)
    })

    it('that are tagged while they are deleted leave no tag behind', async () => {
      for (let round = 0; round < 5; round += 1) {
        const teamId = freshTeam()
        const { id } = await ensure(teamId, 'app')
        const tagging = bench.ledger.transact(async (tx) => {
          const name = await tx.ensureName(sampleName(teamId, { name: 'app' }))
          await tx.putTag(tagOf({ nameId: name.id }))
        })
        await Promise.all([tagging, bench.ledger.transact((tx) => tx.deleteName(id))])
        const left = await bench.ledger.read.nameByText(teamId, 'app')
        // Deleted after it was tagged, or tagged anew after it was deleted.
        expect(await bench.ledger.read.tags({ nameId: id })).toEqual([])
        if (left !== null) expect(await bench.ledger.read.tags({ nameId: left.id })).toHaveLength(1)
      }
    })
  })

  describe('tags', () => {
    it('give back every field, move, and are found by name and by what they point to', async () => {
      const { id: nameId } = await ensure(freshTeam(), 'app')
      const [imageId, snapshotId] = [newId<ImageId>(), newId<NonNullable<Tag['snapshotId']>>()]
      const one = tagOf({ nameId, tag: 'v1', imageId })
      const two = tagOf({ nameId, tag: 'v2', imageId, createdAt: new Date(1_700_000_000_222) })
      await bench.ledger.transact(async (tx) => {
        await tx.putTag(one)
        await tx.putTag(two)
      })
      expect(await bench.ledger.read.tags({ nameId })).toEqual([two, one])
      expect(await bench.ledger.read.tags({ nameId, tag: 'v1' })).toEqual([one])
      expect(await bench.ledger.read.tags({ targets: [imageId, newId()] })).toEqual([two, one])
      expect(await bench.ledger.read.tags({ targets: [] })).toEqual([])
      const moved = tagOf({ nameId, tag: 'v1', imageId: null, snapshotId, createdAt: new Date(1_700_000_000_333) })
      await bench.ledger.transact((tx) => tx.putTag(moved))
      expect(await bench.ledger.read.tags({ nameId })).toEqual([moved, two])
      await bench.ledger.transact((tx) => tx.deleteTag(nameId, 'v2'))
      await bench.ledger.transact((tx) => tx.deleteTagsOf(snapshotId))
      expect(await bench.ledger.read.tags({ nameId })).toEqual([])
    })

    it('keep their name, as do an image and a snapshot that bear it and stay', async () => {
      const teamId = freshTeam()
      const drop = (name: string) => bench.ledger.transact((tx) => tx.deleteUnusedName(teamId, name))
      const has = async (name: string) => (await bench.ledger.read.nameByText(teamId, name)) !== null
      const { id: nameId } = await ensure(teamId, 'tagged')
      for (const name of ['image', 'snapshot', 'unused']) await ensure(teamId, name)
      await ensure(freshTeam(), 'unused')
      const image = sampleImage(teamId, { name: 'image', state: 'failed' })
      const snapshot = sampleSnapshot(teamId, { name: 'snapshot', state: 'trashed' })
      await bench.put(async (tx) => {
        await tx.putTag(tagOf({ nameId }))
        await tx.putImage(image)
        await tx.putSnapshot(snapshot)
        await tx.putSnapshot(sampleSnapshot(teamId, { name: 'unused', state: 'deleting' }))
        await tx.putImage(sampleImage(freshTeam(), { name: 'unused' }))
      })
      for (const name of ['tagged', 'image', 'snapshot', 'unused', 'unknown']) await drop(name)
      expect([await has('tagged'), await has('image'), await has('snapshot'), await has('unused')]).toEqual([
        true,
        true,
        true,
        false,
      ])
      await bench.put(async (tx) => {
        await tx.putImage({ ...image, state: 'deleting' })
        await tx.deleteSnapshot(snapshot.id)
      })
      for (const name of ['image', 'snapshot']) await drop(name)
      expect([await has('image'), await has('snapshot')]).toEqual([false, false])
    })

    it('point to exactly one thing', async () => {
      const { id: nameId } = await ensure(freshTeam(), 'app')
      await expect(bench.ledger.transact((tx) => tx.putTag(tagOf({ nameId, imageId: null })))).rejects.toThrow()
    })
  })

  describe('build log', () => {
    const entry = (message: string, over: Partial<BuildLogEntry> = {}): BuildLogEntry => ({
      at: new Date(1_700_000_000_444),
      level: 'info',
      step: '3',
      message,
      ...over,
    })

    it('is read from any entry on, holds whatever programs print, and goes with its image', async () => {
      const image = sampleImage(freshTeam())
      const first = [entry('one'), entry('nul \u0000 lone \ud800', { step: null, level: 'error' })]
      await bench.ledger.transact(async (tx) => {
        await tx.putImage(image)
        await tx.addBuildLog(image.id, first)
      })
      await bench.ledger.transact((tx) => tx.addBuildLog(image.id, []))
      await bench.ledger.transact((tx) => tx.addBuildLog(image.id, [entry('three')]))
      const { read } = bench.ledger
      expect(await read.buildLog(image.id, 0, 10)).toEqual([...first, entry('three')])
      expect(await read.buildLog(image.id, 1, 1)).toEqual(first.slice(1))
      expect(await read.buildLog(image.id, 3, 10)).toEqual([])
      expect(await read.buildLog(newId(), 0, 10)).toEqual([])
      await bench.ledger.transact((tx) => tx.deleteImage(image.id))
      expect(await read.buildLog(image.id, 0, 10)).toEqual([])
    })
  })
}
