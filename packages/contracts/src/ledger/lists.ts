import { type Ledger, newId, type Page, type PageRequest } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { sampleImage, sampleOperation, sampleSandbox, sampleSnapshot } from '../ledger-samples.ts'
import { freshTeam, type LedgerBench } from './bench.ts'

export function listsSuite(bench: LedgerBench): void {
  describe('lists', () => {
    const ids = (page: Page<{ id: string }>) => page.items.map((item) => item.id)

    it('page through everything once, newest first', async () => {
      const teamId = freshTeam()
      const sandboxes = Array.from({ length: 7 }, () => sampleSandbox(teamId))
      await bench.put(async (tx) => {
        for (const sandbox of [...sandboxes].reverse()) await tx.putSandbox(sandbox)
        await tx.putSandbox(sampleSandbox(freshTeam()))
      })
      const seen: string[] = []
      let page: PageRequest = { limit: 3 }
      const sizes: number[] = []
      for (;;) {
        const got = await bench.ledger.read.sandboxes({ teamId }, page)
        seen.push(...ids(got))
        sizes.push(got.items.length)
        // One that appears while paging is newer than the cursor and disturbs nothing.
        await bench.put((tx) => tx.putSandbox(sampleSandbox(teamId)))
        if (got.next === null) break
        page = { limit: 3, after: got.next }
      }
      expect(seen).toEqual(sandboxes.map((s) => s.id).reverse())
      expect(sizes).toEqual([3, 3, 1])
    })

    it('end with null when the last page is full', async () => {
      const teamId = freshTeam()
      await bench.put(async (tx) => {
        for (let n = 0; n < 4; n += 1) await tx.putImage(sampleImage(teamId))
      })
      const first = await bench.ledger.read.images({ teamId }, { limit: 2 })
      const second = await bench.ledger.read.images({ teamId }, { limit: 2, after: first.next ?? 'none' })
      expect(first.next).toEqual(expect.any(String))
      expect(second.items).toHaveLength(2)
      expect(second.next).toBeNull()
    })

    it('go on after the row of the cursor is deleted', async () => {
      const teamId = freshTeam()
      const images = Array.from({ length: 3 }, () => sampleImage(teamId))
      await bench.put(async (tx) => {
        for (const image of images) await tx.putImage(image)
      })
      const first = await bench.ledger.read.images({ teamId }, { limit: 2 })
      await bench.put((tx) => tx.deleteImage(images[1]?.id as never))
      const rest = await bench.ledger.read.images({ teamId }, { limit: 2, after: first.next ?? 'none' })
      expect(ids(rest)).toEqual([images[0]?.id])
    })

    it('refuse cursors that they did not give', async () => {
      const teamId = freshTeam()
      await bench.put(async (tx) => {
        for (let n = 0; n < 2; n += 1) {
          await tx.putSandbox(sampleSandbox(teamId))
          await tx.putImage(sampleImage(teamId))
        }
      })
      const foreign = (await bench.ledger.read.images({ teamId }, { limit: 1 })).next
      const own = (await bench.ledger.read.sandboxes({ teamId }, { limit: 1 })).next
      expect([foreign, own]).toEqual([expect.any(String), expect.any(String)])
      const bad = ['', 'garbage', '%%%', newId<never>(), 'A'.repeat(100_000), 'nul\u0000', `${foreign}`, `${own}A`]
      for (const after of bad) {
        await expect(
          bench.ledger.read.sandboxes({ teamId }, { limit: 1, after }),
          JSON.stringify(after.slice(0, 50)),
        ).rejects.toMatchObject({ code: 'invalid_argument' })
      }
    })

    it.each([0, -1, 501, 1.5, Number.NaN])('refuse a limit of %s', async (limit) => {
      const teamId = freshTeam()
      const refused = expect.objectContaining({ code: 'invalid_argument' })
      await expect(bench.ledger.read.sandboxes({ teamId }, { limit })).rejects.toEqual(refused)
      await expect(bench.ledger.read.snapshots({ teamId }, { limit })).rejects.toEqual(refused)
      await expect(bench.ledger.read.images({ teamId }, { limit })).rejects.toEqual(refused)
      await expect(bench.ledger.read.operations({ teamId }, { limit })).rejects.toEqual(refused)
      await expect(bench.ledger.read.keys(teamId, { limit })).rejects.toEqual(refused)
    })

    it('filter sandboxes by every field', async () => {
      const teamId = freshTeam()
      const imageId = newId<never>()
      const sourceSnapshotId = newId<never>()
      const originSnapshotId = newId<never>()
      const plain = sampleSandbox(teamId, { name: null })
      const special = sampleSandbox(teamId, {
        name: 'special',
        state: 'paused',
        imageId,
        sourceSnapshotId,
        originSnapshotId,
        labels: { a: '1', b: '2' },
        expiresAt: new Date(1_000_000),
      })
      const other = sampleSandbox(teamId, { state: 'stopped', labels: { a: '1' }, expiresAt: new Date(2_000_000) })
      await bench.put(async (tx) => {
        for (const sandbox of [plain, special, other]) await tx.putSandbox(sandbox)
      })
      const find = async (filter: Parameters<Ledger['read']['sandboxes']>[0]) =>
        ids(await bench.ledger.read.sandboxes({ teamId, ...filter }, { limit: 10 }))
      expect(await find({})).toEqual([other.id, special.id, plain.id])
      expect(await find({ teamId: undefined, imageId })).toEqual([special.id])
      expect(await find({ states: ['paused', 'stopped'] })).toEqual([other.id, special.id])
      expect(await find({ states: [] })).toEqual([])
      expect(await find({ name: 'special' })).toEqual([special.id])
      expect(await find({ name: 'Special' })).toEqual([])
      expect(await find({ sourceSnapshotId })).toEqual([special.id])
      expect(await find({ originSnapshotId })).toEqual([special.id])
      expect(await find({ labels: {} })).toEqual([other.id, special.id, plain.id])
      expect(await find({ labels: { a: '1' } })).toEqual([other.id, special.id])
      expect(await find({ labels: { a: '1', b: '2' } })).toEqual([special.id])
      expect(await find({ labels: { a: '2' } })).toEqual([])
      expect(await find({ expiresBefore: new Date(1_000_000) })).toEqual([special.id])
      expect(await find({ expiresBefore: new Date(999_999) })).toEqual([])
      expect(await find({ states: ['stopped'], labels: { b: '2' } })).toEqual([])
    })

    it('filter snapshots by every field and leave internal ones out', async () => {
      const teamId = freshTeam()
      const [sandboxId, imageId, parentId] = [newId<never>(), newId<never>(), newId<never>()]
      const plain = sampleSnapshot(teamId, { name: null })
      const special = sampleSnapshot(teamId, {
        name: 'After-100%_Done',
        kind: 'filesystem',
        state: 'creating',
        sandboxId,
        imageId,
        parentId,
        labels: { turn: '7' },
        expiresAt: new Date(1_000_000),
      })
      const hidden = sampleSnapshot(teamId, { name: 'after', internal: true, sandboxId })
      const similar = sampleSnapshot(teamId, { name: 'after-100xyDone \\ back' })
      await bench.put(async (tx) => {
        for (const snapshot of [plain, special, hidden, similar]) await tx.putSnapshot(snapshot)
      })
      const find = async (filter: Parameters<Ledger['read']['snapshots']>[0]) =>
        ids(await bench.ledger.read.snapshots({ teamId, ...filter }, { limit: 10 }))
      expect(await find({})).toEqual([similar.id, special.id, plain.id])
      expect(await find({ includeInternal: true })).toEqual([similar.id, hidden.id, special.id, plain.id])
      expect(await find({ includeInternal: true, sandboxId })).toEqual([hidden.id, special.id])
      expect(await find({ kind: 'filesystem' })).toEqual([special.id])
      expect(await find({ states: ['creating'] })).toEqual([special.id])
      expect(await find({ states: [] })).toEqual([])
      expect(await find({ name: 'After-100%_Done' })).toEqual([special.id])
      expect(await find({ name: 'after-100%_done' })).toEqual([])
      expect(await find({ nameContains: 'AFTER' })).toEqual([similar.id, special.id])
      expect(await find({ nameContains: '100%_d' })).toEqual([special.id])
      expect(await find({ nameContains: '%' })).toEqual([special.id])
      expect(await find({ nameContains: '_' })).toEqual([special.id])
      expect(await find({ nameContains: '\\' })).toEqual([similar.id])
      expect(await find({ nameContains: '' })).toEqual([similar.id, special.id])
      expect(await find({ imageId })).toEqual([special.id])
      expect(await find({ parentId })).toEqual([special.id])
      expect(await find({ labels: { turn: '7' } })).toEqual([special.id])
      expect(await find({ expiresBefore: new Date(1_000_000) })).toEqual([special.id])
      expect(await find({ expiresBefore: new Date(999_999) })).toEqual([])
    })

    it('filter images and operations by every field', async () => {
      const teamId = freshTeam()
      const [a, b] = [sampleImage(teamId, { name: 'a' }), sampleImage(teamId, { name: 'b', state: 'building' })]
      const [sandboxId, snapshotId, imageId] = [newId<never>(), newId<never>(), newId<never>()]
      const snap = sampleOperation(teamId, { sandboxId, snapshotId })
      const build = sampleOperation(teamId, { kind: 'image.build', state: 'done', imageId })
      await bench.put(async (tx) => {
        await tx.putImage(a)
        await tx.putImage(b)
        await tx.putOperation(snap)
        await tx.putOperation(build)
      })
      const images = async (filter: Parameters<Ledger['read']['images']>[0]) =>
        ids(await bench.ledger.read.images({ teamId, ...filter }, { limit: 10 }))
      expect(await images({})).toEqual([b.id, a.id])
      expect(await images({ name: 'a' })).toEqual([a.id])
      expect(await images({ states: ['building', 'failed'] })).toEqual([b.id])
      expect(await images({ states: [] })).toEqual([])
      const operations = async (filter: Parameters<Ledger['read']['operations']>[0]) =>
        ids(await bench.ledger.read.operations({ teamId, ...filter }, { limit: 10 }))
      expect(await operations({})).toEqual([build.id, snap.id])
      expect(await operations({ states: ['open'] })).toEqual([snap.id])
      expect(await operations({ kinds: ['image.build', 'image.delete'] })).toEqual([build.id])
      expect(await operations({ kinds: [] })).toEqual([])
      expect(await operations({ sandboxId })).toEqual([snap.id])
      expect(await operations({ snapshotId })).toEqual([snap.id])
      expect(await operations({ imageId })).toEqual([build.id])
      expect(await operations({ imageId, states: ['open'] })).toEqual([])
    })
  })
}
