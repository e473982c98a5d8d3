import {
  type Ledger,
  type LedgerTx,
  newId,
  type OperationId,
  type Page,
  type PageRequest,
  type Sandbox,
  type TeamId,
} from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  sampleEvent,
  sampleImage,
  sampleKey,
  sampleOperation,
  sampleSandbox,
  sampleSnapshot,
  sampleTeam,
} from './ledger-samples.ts'

export interface LedgerUnderTest extends AsyncDisposable {
  /** Opened */
  ledger: Ledger
}

/**
 * What every `Ledger` must do. The suite makes one ledger and gives each test a team of its own.
 *
 * Laws beyond the port's signatures:
 * - Reads outside a transaction never wait for one that is under way, and do not see its writes.
 * - Any string may stand in documents (`receipt`, `detail`, `data`, `env`, `defaults`, `failure`, `error`, a response):
 *   they carry what guests print. Names, labels, keys and other searchable strings with NUL or lone surrogates reject
 *   `invalid_argument`.
 * - An empty list in a filter matches nothing; empty labels match everything.
 * - At most one open operation per sandbox of the kinds `EXCLUSIVE_OPERATION_KINDS`; a second rejects
 *   `operation_in_progress`.
 * - An id that is none finds nothing.
 */
export function ledgerContract(name: string, make: () => Promise<LedgerUnderTest>): void {
  describe(`ledger contract: ${name}`, () => {
    let subject: LedgerUnderTest
    let ledger: Ledger
    beforeAll(async () => {
      subject = await make()
      ledger = subject.ledger
    })
    afterAll(async () => {
      await subject?.[Symbol.asyncDispose]()
    })

    const put = (work: (tx: LedgerTx) => Promise<unknown>) => ledger.transact(async (tx) => void (await work(tx)))
    const freshTeam = () => newId<TeamId>()

    describe('records', () => {
      it('give back every field of a team, image, sandbox, snapshot and operation', async () => {
        const team = sampleTeam()
        const image = sampleImage(team.id)
        const sandbox = sampleSandbox(team.id, {
          labels: { 'a"b': "c'd", ü: '' },
          failure: { reason: 'out_of_memory', detail: 'killed \u0000 \udfff' },
          expiresAt: new Date(1_700_000_900_003),
        })
        const snapshot = sampleSnapshot(team.id, { parentId: newId(), failure: 'bad \u0000 byte' })
        const operation = sampleOperation(team.id, {
          sandboxId: sandbox.id,
          state: 'failed',
          error: { code: 'internal', message: 'guest said \u0000' },
          endedAt: new Date(1_700_000_000_251),
        })
        await put(async (tx) => {
          await tx.putTeam(team)
          await tx.putImage(image)
          await tx.putSandbox(sandbox)
          await tx.putSnapshot(snapshot)
          await tx.putOperation(operation)
        })
        expect(await ledger.read.team(team.id)).toEqual(team)
        expect(await ledger.read.image(image.id)).toEqual(image)
        expect(await ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
        expect(await ledger.read.snapshot(snapshot.id)).toEqual(snapshot)
        expect(await ledger.read.operation(operation.id)).toEqual(operation)
      })

      it('give back nulls as nulls', async () => {
        const teamId = freshTeam()
        const sandbox = sampleSandbox(teamId, { name: null, incarnationId: null, rootId: null, startedAt: null })
        const snapshot = sampleSnapshot(teamId, { name: null, requirements: null, receipt: null, readyAt: null })
        const image = sampleImage(teamId, { readyAt: null, source: { type: 'tar', path: '/x.tar' } })
        await put(async (tx) => {
          await tx.putSandbox(sandbox)
          await tx.putSnapshot(snapshot)
          await tx.putImage(image)
        })
        expect(await ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
        expect(await ledger.read.snapshot(snapshot.id)).toEqual(snapshot)
        expect(await ledger.read.image(image.id)).toEqual(image)
      })

      it('are replaced whole by the next put', async () => {
        const teamId = freshTeam()
        const first = sampleSandbox(teamId, { labels: { a: '1' }, expiresAt: new Date(5) })
        const second = sampleSandbox(teamId, {
          ...first,
          state: 'paused',
          labels: {},
          env: {},
          expiresAt: null,
          name: null,
        })
        await put((tx) => tx.putSandbox(first))
        await put((tx) => tx.putSandbox(second))
        expect(await ledger.read.sandbox(first.id)).toEqual(second)
        expect((await ledger.read.sandboxes({ teamId }, { limit: 10 })).items).toEqual([second])
      })

      it('belong to their giver: changing an object afterwards changes nothing stored', async () => {
        const sandbox = sampleSandbox(freshTeam(), { labels: { a: '1' } })
        const stored = structuredClone(sandbox)
        await put((tx) => tx.putSandbox(sandbox))
        sandbox.labels.a = 'changed'
        sandbox.createdAt.setTime(0)
        const read = await ledger.read.sandbox(sandbox.id)
        expect(read).toEqual(stored)
        if (read) read.env.LATER = 'changed'
        expect(await ledger.read.sandbox(sandbox.id)).toEqual(stored)
      })

      it('that do not exist are null, also for ids that are none', async () => {
        for (const id of [
          newId<never>(),
          '' as never,
          'x'.repeat(5000) as never,
          'nul\u0000' as never,
          '\ud800' as never,
        ]) {
          expect(await ledger.read.team(id)).toBeNull()
          expect(await ledger.read.image(id)).toBeNull()
          expect(await ledger.read.sandbox(id)).toBeNull()
          expect(await ledger.read.snapshot(id)).toBeNull()
          expect(await ledger.read.operation(id)).toBeNull()
          expect(await ledger.read.keyByHash(id)).toBeNull()
          await put(async (tx) => {
            expect(await tx.lockSandbox(id)).toBeNull()
            expect(await tx.lockSnapshot(id)).toBeNull()
            expect(await tx.lockImage(id)).toBeNull()
          })
        }
      })

      it('are gone after delete, and deleting again is harmless', async () => {
        const image = sampleImage(freshTeam())
        const snapshot = sampleSnapshot(freshTeam())
        await put(async (tx) => {
          await tx.putImage(image)
          await tx.putSnapshot(snapshot)
        })
        for (let time = 0; time < 2; time += 1) {
          await put(async (tx) => {
            await tx.deleteImage(image.id)
            await tx.deleteSnapshot(snapshot.id)
          })
        }
        expect(await ledger.read.image(image.id)).toBeNull()
        expect(await ledger.read.snapshot(snapshot.id)).toBeNull()
      })

      it.each([
        ['NUL', 'a\u0000b'],
        ['a lone surrogate', 'a\ud800b'],
      ])('with %s in a searchable string reject invalid_argument and store nothing', async (_, bad) => {
        const teamId = freshTeam()
        const attempts: ((tx: LedgerTx) => Promise<unknown>)[] = [
          (tx) => tx.putTeam(sampleTeam({ id: teamId, name: bad })),
          (tx) => tx.putKey(sampleKey(teamId, { name: bad }), newId()),
          (tx) => tx.putImage(sampleImage(teamId, { name: bad })),
          (tx) => tx.putSandbox(sampleSandbox(teamId, { name: bad })),
          (tx) => tx.putSandbox(sampleSandbox(teamId, { labels: { [bad]: 'v' } })),
          (tx) => tx.putSandbox(sampleSandbox(teamId, { labels: { k: bad } })),
          (tx) => tx.putSnapshot(sampleSnapshot(teamId, { name: bad })),
          (tx) => tx.putSnapshot(sampleSnapshot(teamId, { labels: { k: bad } })),
          (tx) => tx.addEvent(sampleEvent(teamId, { type: bad })),
          (tx) =>
            tx.claimIdempotency({
              teamId,
              key: bad,
              requestHash: 'h',
              operationId: null,
              response: null,
              createdAt: new Date(),
            }),
          (tx) => tx.sandboxes({ teamId, name: bad }, { limit: 1 }),
          (tx) => tx.sandboxes({ teamId, labels: { k: bad } }, { limit: 1 }),
          (tx) => tx.snapshots({ teamId, name: bad }, { limit: 1 }),
          (tx) => tx.snapshots({ teamId, nameContains: bad }, { limit: 1 }),
          (tx) => tx.images({ teamId, name: bad }, { limit: 1 }),
        ]
        for (const attempt of attempts) {
          await expect(ledger.transact(attempt), attempt.toString()).rejects.toMatchObject({ code: 'invalid_argument' })
        }
        expect(await ledger.read.team(teamId)).toBeNull()
        expect((await ledger.read.sandboxes({ teamId }, { limit: 1 })).items).toEqual([])
      })
    })

    describe('keys', () => {
      it('are found by hash until revoked, and listed afterwards', async () => {
        const teamId = freshTeam()
        const key = sampleKey(teamId)
        const hash = `hash-${key.id}`
        await put((tx) => tx.putKey(key, hash))
        expect(await ledger.read.keyByHash(hash)).toEqual(key)
        expect(await ledger.read.keyByHash(`${hash}x`)).toBeNull()
        const at = new Date(1_700_000_123_456)
        expect(await ledger.transact((tx) => tx.revokeKey(teamId, key.id, at))).toBe(true)
        expect(await ledger.read.keyByHash(hash)).toBeNull()
        expect((await ledger.read.keys(teamId, { limit: 10 })).items).toEqual([{ ...key, revokedAt: at }])
      })

      it('are not revoked for another team, when unknown, or twice', async () => {
        const teamId = freshTeam()
        const key = sampleKey(teamId)
        const first = new Date(1_700_000_123_456)
        await put((tx) => tx.putKey(key, `hash-${key.id}`))
        expect(await ledger.transact((tx) => tx.revokeKey(freshTeam(), key.id, first))).toBe(false)
        expect(await ledger.transact((tx) => tx.revokeKey(teamId, newId(), first))).toBe(false)
        expect(await ledger.read.keyByHash(`hash-${key.id}`)).toEqual(key)
        expect(await ledger.transact((tx) => tx.revokeKey(teamId, key.id, first))).toBe(true)
        expect(await ledger.transact((tx) => tx.revokeKey(teamId, key.id, new Date()))).toBe(false)
        expect((await ledger.read.keys(teamId, { limit: 10 })).items[0]?.revokedAt).toEqual(first)
      })

      it('of one hash exist once', async () => {
        const teamId = freshTeam()
        const hash = `hash-${newId()}`
        await put((tx) => tx.putKey(sampleKey(teamId), hash))
        await expect(put((tx) => tx.putKey(sampleKey(teamId), hash))).rejects.toThrow()
        expect((await ledger.read.keys(teamId, { limit: 10 })).items).toHaveLength(1)
      })
    })

    describe('lists', () => {
      const ids = (page: Page<{ id: string }>) => page.items.map((item) => item.id)

      it('page through everything once, newest first', async () => {
        const teamId = freshTeam()
        const sandboxes = Array.from({ length: 7 }, () => sampleSandbox(teamId))
        await put(async (tx) => {
          for (const sandbox of [...sandboxes].reverse()) await tx.putSandbox(sandbox)
          await tx.putSandbox(sampleSandbox(freshTeam()))
        })
        const seen: string[] = []
        let page: PageRequest = { limit: 3 }
        const sizes: number[] = []
        for (;;) {
          const got = await ledger.read.sandboxes({ teamId }, page)
          seen.push(...ids(got))
          sizes.push(got.items.length)
          // One that appears while paging is newer than the cursor and disturbs nothing.
          await put((tx) => tx.putSandbox(sampleSandbox(teamId)))
          if (got.next === null) break
          page = { limit: 3, after: got.next }
        }
        expect(seen).toEqual(sandboxes.map((s) => s.id).reverse())
        expect(sizes).toEqual([3, 3, 1])
      })

      it('end with null when the last page is full', async () => {
        const teamId = freshTeam()
        await put(async (tx) => {
          for (let n = 0; n < 4; n += 1) await tx.putImage(sampleImage(teamId))
        })
        const first = await ledger.read.images({ teamId }, { limit: 2 })
        const second = await ledger.read.images({ teamId }, { limit: 2, after: first.next ?? 'none' })
        expect(first.next).toEqual(expect.any(String))
        expect(second.items).toHaveLength(2)
        expect(second.next).toBeNull()
      })

      it('go on after the row of the cursor is deleted', async () => {
        const teamId = freshTeam()
        const images = Array.from({ length: 3 }, () => sampleImage(teamId))
        await put(async (tx) => {
          for (const image of images) await tx.putImage(image)
        })
        const first = await ledger.read.images({ teamId }, { limit: 2 })
        await put((tx) => tx.deleteImage(images[1]?.id as never))
        const rest = await ledger.read.images({ teamId }, { limit: 2, after: first.next ?? 'none' })
        expect(ids(rest)).toEqual([images[0]?.id])
      })

      it('refuse cursors that they did not give', async () => {
        const teamId = freshTeam()
        await put(async (tx) => {
          for (let n = 0; n < 2; n += 1) {
            await tx.putSandbox(sampleSandbox(teamId))
            await tx.putImage(sampleImage(teamId))
          }
        })
        const foreign = (await ledger.read.images({ teamId }, { limit: 1 })).next
        const own = (await ledger.read.sandboxes({ teamId }, { limit: 1 })).next
        expect([foreign, own]).toEqual([expect.any(String), expect.any(String)])
        const bad = ['', 'garbage', '%%%', newId<never>(), 'A'.repeat(100_000), 'nul\u0000', `${foreign}`, `${own}A`]
        for (const after of bad) {
          await expect(
            ledger.read.sandboxes({ teamId }, { limit: 1, after }),
            JSON.stringify(after.slice(0, 50)),
          ).rejects.toMatchObject({ code: 'invalid_argument' })
        }
      })

      it.each([0, -1, 501, 1.5, Number.NaN])('refuse a limit of %s', async (limit) => {
        const teamId = freshTeam()
        const refused = expect.objectContaining({ code: 'invalid_argument' })
        await expect(ledger.read.sandboxes({ teamId }, { limit })).rejects.toEqual(refused)
        await expect(ledger.read.snapshots({ teamId }, { limit })).rejects.toEqual(refused)
        await expect(ledger.read.images({ teamId }, { limit })).rejects.toEqual(refused)
        await expect(ledger.read.operations({ teamId }, { limit })).rejects.toEqual(refused)
        await expect(ledger.read.keys(teamId, { limit })).rejects.toEqual(refused)
      })

      it('filter sandboxes by every field', async () => {
        const teamId = freshTeam()
        const imageId = newId<never>()
        const sourceSnapshotId = newId<never>()
        const plain = sampleSandbox(teamId, { name: null })
        const special = sampleSandbox(teamId, {
          name: 'special',
          state: 'paused',
          imageId,
          sourceSnapshotId,
          labels: { a: '1', b: '2' },
          expiresAt: new Date(1_000_000),
        })
        const other = sampleSandbox(teamId, { state: 'stopped', labels: { a: '1' }, expiresAt: new Date(2_000_000) })
        await put(async (tx) => {
          for (const sandbox of [plain, special, other]) await tx.putSandbox(sandbox)
        })
        const find = async (filter: Parameters<Ledger['read']['sandboxes']>[0]) =>
          ids(await ledger.read.sandboxes({ teamId, ...filter }, { limit: 10 }))
        expect(await find({})).toEqual([other.id, special.id, plain.id])
        expect(await find({ teamId: undefined, imageId })).toEqual([special.id])
        expect(await find({ states: ['paused', 'stopped'] })).toEqual([other.id, special.id])
        expect(await find({ states: [] })).toEqual([])
        expect(await find({ name: 'special' })).toEqual([special.id])
        expect(await find({ name: 'Special' })).toEqual([])
        expect(await find({ sourceSnapshotId })).toEqual([special.id])
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
        await put(async (tx) => {
          for (const snapshot of [plain, special, hidden, similar]) await tx.putSnapshot(snapshot)
        })
        const find = async (filter: Parameters<Ledger['read']['snapshots']>[0]) =>
          ids(await ledger.read.snapshots({ teamId, ...filter }, { limit: 10 }))
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
        await put(async (tx) => {
          await tx.putImage(a)
          await tx.putImage(b)
          await tx.putOperation(snap)
          await tx.putOperation(build)
        })
        const images = async (filter: Parameters<Ledger['read']['images']>[0]) =>
          ids(await ledger.read.images({ teamId, ...filter }, { limit: 10 }))
        expect(await images({})).toEqual([b.id, a.id])
        expect(await images({ name: 'a' })).toEqual([a.id])
        expect(await images({ states: ['building', 'failed'] })).toEqual([b.id])
        expect(await images({ states: [] })).toEqual([])
        const operations = async (filter: Parameters<Ledger['read']['operations']>[0]) =>
          ids(await ledger.read.operations({ teamId, ...filter }, { limit: 10 }))
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

    describe('transactions', () => {
      it('return what the work returns', async () => {
        expect(await ledger.transact(async () => 42)).toBe(42)
      })

      it('roll everything back when the work rejects, with its error', async () => {
        const sandbox = sampleSandbox(freshTeam())
        const before = { ...sandbox, state: 'stopped' as const }
        const added = sampleSnapshot(sandbox.teamId)
        await put((tx) => tx.putSandbox(before))
        const cause = new Error('no')
        const attempt = ledger.transact(async (tx) => {
          await tx.putSandbox(sandbox)
          await tx.putSnapshot(added)
          await tx.addEvent(sampleEvent(sandbox.teamId))
          throw cause
        })
        await expect(attempt).rejects.toBe(cause)
        expect(await ledger.read.sandbox(sandbox.id)).toEqual(before)
        expect(await ledger.read.snapshot(added.id)).toBeNull()
        expect(await ledger.read.events({ teamId: sandbox.teamId }, 0, 10)).toEqual([])
      })

      it('that swallowed a failure inside never claim success for writes that are lost', async () => {
        const sandbox = sampleSandbox(freshTeam())
        const hash = `hash-${newId()}`
        await put((tx) => tx.putKey(sampleKey(sandbox.teamId), hash))
        const outcome = await ledger
          .transact(async (tx) => {
            await tx.putSandbox(sandbox)
            // The port says nothing of going on after a failed call: a ledger may refuse, but must not lose silently.
            await tx.putKey(sampleKey(sandbox.teamId), hash).catch(() => undefined)
          })
          .then(
            () => 'acknowledged',
            () => 'refused',
          )
        const there = (await ledger.read.sandbox(sandbox.id)) !== null
        expect(there).toBe(outcome === 'acknowledged')
      })

      it('see their own writes, and nobody else does before they end', async () => {
        const sandbox = sampleSandbox(freshTeam())
        const { teamId } = sandbox
        await put(async (tx) => {
          await tx.putSandbox(sandbox)
          await tx.addEvent(sampleEvent(teamId))
          expect(await tx.sandbox(sandbox.id)).toEqual(sandbox)
          expect((await tx.sandboxes({ teamId }, { limit: 5 })).items).toEqual([sandbox])
          expect(await tx.events({ teamId }, 0, 5)).toHaveLength(1)
          expect(await ledger.read.sandbox(sandbox.id)).toBeNull()
          expect(await ledger.read.events({ teamId }, 0, 5)).toEqual([])
        })
        expect(await ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
        expect(await ledger.read.events({ teamId }, 0, 5)).toHaveLength(1)
      })

      it('may read outside themselves, many at once', async () => {
        const sandbox = sampleSandbox(freshTeam())
        await put((tx) => tx.putSandbox(sandbox))
        const work = () =>
          ledger.transact(async (tx) => [await tx.sandbox(sandbox.id), await ledger.read.sandbox(sandbox.id)])
        const found = await Promise.all(Array.from({ length: 40 }, work))
        expect(found.flat()).toEqual(Array(80).fill(sandbox))
      })

      it('are of no use after their end', async () => {
        const sandbox = sampleSandbox(freshTeam())
        let leaked: LedgerTx | undefined
        await put(async (tx) => {
          leaked = tx
        })
        await expect(leaked?.putSandbox(sandbox)).rejects.toThrow()
        expect(await ledger.read.sandbox(sandbox.id)).toBeNull()
      })

      it('claim a locked sandbox one after the other', async () => {
        const sandbox = sampleSandbox(freshTeam(), { state: 'running' })
        await put((tx) => tx.putSandbox(sandbox))
        const claim = () =>
          ledger.transact(async (tx) => {
            const found = await tx.lockSandbox(sandbox.id)
            if (found?.state !== 'running') return false
            await tx.putSandbox({ ...found, state: 'pausing', generation: found.generation + 1 })
            return true
          })
        const claims = await Promise.all(Array.from({ length: 12 }, claim))
        expect(claims.filter(Boolean)).toHaveLength(1)
        expect((await ledger.read.sandbox(sandbox.id))?.generation).toBe(1)
      })

      it('lose no update under locks of sandboxes, snapshots and images', async () => {
        const teamId = freshTeam()
        const sandbox = sampleSandbox(teamId, { generation: 0 })
        const snapshot = sampleSnapshot(teamId, { generation: 0 })
        const image = sampleImage(teamId, { sizeBytes: 0 })
        await put(async (tx) => {
          await tx.putSandbox(sandbox)
          await tx.putSnapshot(snapshot)
          await tx.putImage(image)
        })
        const step = () =>
          put(async (tx) => {
            const a = (await tx.lockSandbox(sandbox.id)) ?? sandbox
            const b = (await tx.lockSnapshot(snapshot.id)) ?? snapshot
            const c = (await tx.lockImage(image.id)) ?? image
            await tx.putSandbox({ ...a, generation: a.generation + 1 })
            await tx.putSnapshot({ ...b, generation: b.generation + 1 })
            await tx.putImage({ ...c, sizeBytes: c.sizeBytes + 1 })
          })
        await Promise.all(Array.from({ length: 20 }, step))
        expect((await ledger.read.sandbox(sandbox.id))?.generation).toBe(20)
        expect((await ledger.read.snapshot(snapshot.id))?.generation).toBe(20)
        expect((await ledger.read.image(image.id))?.sizeBytes).toBe(20)
      })

      it('that lock in opposite orders all come through', async () => {
        const teamId = freshTeam()
        const pair = [sampleSandbox(teamId), sampleSandbox(teamId)]
        await put(async (tx) => {
          for (const sandbox of pair) await tx.putSandbox(sandbox)
        })
        const step = (order: typeof pair) =>
          put(async (tx) => {
            for (const { id } of order) {
              const found = await tx.lockSandbox(id)
              if (found) await tx.putSandbox({ ...found, generation: found.generation + 1 })
            }
          })
        await Promise.all(Array.from({ length: 6 }, (_, n) => step(n % 2 === 0 ? pair : [...pair].reverse())))
        for (const { id } of pair) expect((await ledger.read.sandbox(id))?.generation).toBe(6)
      })

      it('open one exclusive operation per sandbox', async () => {
        const teamId = freshTeam()
        const sandboxId = newId<never>()
        const pause = sampleOperation(teamId, { kind: 'sandbox.pause', sandboxId })
        const stop = sampleOperation(teamId, { kind: 'sandbox.stop', sandboxId })
        await put((tx) => tx.putOperation(pause))
        await put((tx) => tx.putOperation({ ...pause, phase: 'freezing' }))
        await expect(put((tx) => tx.putOperation(stop))).rejects.toMatchObject({
          code: 'operation_in_progress',
          context: { resource: 'sandbox', id: sandboxId },
        })
        expect(await ledger.read.operation(stop.id)).toBeNull()
        // Snapshots and forks go on storing while the sandbox runs again, and a kill never waits.
        for (const kind of ['snapshot.create', 'snapshot.create', 'sandbox.fork', 'sandbox.kill'] as const) {
          await put((tx) => tx.putOperation(sampleOperation(teamId, { kind, sandboxId })))
        }
        await put(async (tx) => {
          await tx.putOperation({ ...pause, state: 'done', endedAt: new Date() })
          await tx.putOperation(stop)
        })
        expect(await ledger.read.operation(stop.id)).toEqual(stop)
      })

      it('give a name to one living sandbox of a team, also when several try at once', async () => {
        const teamId = freshTeam()
        const named = (state: 'creating' | 'killed') => sampleSandbox(teamId, { name: 'mine', state })
        await put((tx) => tx.putSandbox(named('killed')))
        const tries = Array.from({ length: 6 }, () => named('creating'))
        const outcomes = await Promise.allSettled(tries.map((sandbox) => put((tx) => tx.putSandbox(sandbox))))
        const refused = outcomes.filter((outcome) => outcome.status === 'rejected').map((outcome) => outcome.reason)
        expect(refused).toHaveLength(5)
        for (const reason of refused) expect(reason).toMatchObject({ code: 'name_taken' })
        const holder = (await ledger.read.sandboxes({ teamId, states: ['creating'] }, { limit: 10 })).items[0]
        await put((tx) => tx.putSandbox({ ...(holder as Sandbox), state: 'killed' }))
        await put((tx) => tx.putSandbox(named('creating')))
        await put((tx) => tx.putSandbox(sampleSandbox(freshTeam(), { name: 'mine' })))
      })

      it('open one exclusive operation per sandbox also when several try at once', async () => {
        const teamId = freshTeam()
        const sandboxId = newId<never>()
        const open = () => put((tx) => tx.putOperation(sampleOperation(teamId, { kind: 'sandbox.pause', sandboxId })))
        const outcomes = await Promise.allSettled(Array.from({ length: 8 }, open))
        const refused = outcomes.filter((outcome) => outcome.status === 'rejected').map((outcome) => outcome.reason)
        expect(refused).toHaveLength(7)
        for (const reason of refused) expect(reason).toMatchObject({ code: 'operation_in_progress' })
        expect((await ledger.read.operations({ teamId }, { limit: 10 })).items).toHaveLength(1)
      })
    })

    describe('events', () => {
      it('come oldest first, after a number, at most so many, of one team or sandbox', async () => {
        const teamId = freshTeam()
        const sandboxId = newId<never>()
        const events = [
          sampleEvent(teamId, { type: 'a', sandboxId }),
          sampleEvent(teamId, { type: 'b', snapshotId: newId(), data: { text: 'nul \u0000', list: [1] } }),
          sampleEvent(teamId, { type: 'c', sandboxId, imageId: newId() }),
        ]
        for (const event of events) await put((tx) => tx.addEvent(event))
        await put((tx) => tx.addEvent(sampleEvent(freshTeam())))
        const all = await ledger.read.events({ teamId }, 0, 10)
        expect(all).toEqual(events.map((event) => ({ ...event, seq: expect.any(Number) })))
        const seqs = all.map((event) => event.seq)
        expect(seqs).toEqual([...seqs].sort((a, b) => a - b))
        expect(new Set(seqs).size).toBe(3)
        expect((await ledger.read.events({ teamId }, seqs[0] ?? 0, 10)).map((e) => e.type)).toEqual(['b', 'c'])
        expect((await ledger.read.events({ teamId }, 0, 2)).map((e) => e.type)).toEqual(['a', 'b'])
        expect((await ledger.read.events({ teamId, sandboxId }, 0, 10)).map((e) => e.type)).toEqual(['a', 'c'])
        expect(await ledger.read.events({ teamId }, seqs[2] ?? 0, 10)).toEqual([])
        expect(await ledger.read.latestEvent(teamId)).toBe(seqs[2])
        expect(await ledger.read.latestEvent(freshTeam())).toBe(0)
      })

      it.each([
        [-1, 10],
        [0.5, 10],
        [Number.NaN, 10],
        [0, 0],
        [0, -1],
        [0, 1.5],
      ])('refuse after %s with limit %s', async (after, limit) => {
        const refused = ledger.read.events({ teamId: freshTeam() }, after, limit)
        await expect(refused).rejects.toMatchObject({ code: 'invalid_argument' })
      })

      it('never appear behind a reader that follows by number', async () => {
        const teamId = freshTeam()
        const [writers, rounds] = [6, 8]
        let writing = true
        const seen: { seq: number; type: string }[] = []
        const follow = async () => {
          for (;;) {
            const last = !writing
            const batch = await ledger.read.events({ teamId }, seen.at(-1)?.seq ?? 0, 5)
            for (const { seq, type } of batch) seen.push({ seq, type })
            if (last && batch.length === 0) return
            if (batch.length === 0) await new Promise((resume) => setImmediate(resume))
          }
        }
        const write = async (writer: number) => {
          for (let round = 0; round < rounds; round += 1) {
            await put(async (tx) => {
              await tx.addEvent(sampleEvent(teamId, { type: `${writer}.${round}.first` }))
              // Between the two numbers others write and commit.
              for (let n = 0; n <= writer; n += 1) await tx.sandbox(newId())
              await tx.addEvent(sampleEvent(teamId, { type: `${writer}.${round}.second` }))
            })
          }
        }
        const following = follow()
        try {
          await Promise.all(Array.from({ length: writers }, (_, n) => write(n)))
        } finally {
          writing = false
          await following
        }
        expect(seen).toEqual((await ledger.read.events({ teamId }, 0, 1000)).map(({ seq, type }) => ({ seq, type })))
        expect(new Set(seen.map((event) => event.type)).size).toBe(writers * rounds * 2)
        expect(seen).toHaveLength(writers * rounds * 2)
      })
    })

    describe('idempotency', () => {
      const record = (teamId: TeamId, key: string, requestHash = 'h1') => ({
        teamId,
        key,
        requestHash,
        operationId: null,
        response: null,
        createdAt: new Date(1_700_000_000_042),
      })

      it('keeps the first claim, then its response exactly', async () => {
        const teamId = freshTeam()
        const first = record(teamId, 'k')
        expect(await ledger.read.idempotent(teamId, 'k')).toBeNull()
        expect(await ledger.transact((tx) => tx.claimIdempotency(first))).toBeNull()
        expect(await ledger.transact((tx) => tx.claimIdempotency(record(teamId, 'k', 'h2')))).toEqual(first)
        expect(await ledger.transact((tx) => tx.claimIdempotency(record(freshTeam(), 'k')))).toBeNull()
        const response = { status: 201, body: { z: 1, a: ['\u0000\ud800', null, 1.5], nested: { y: {}, b: 'ü' } } }
        await put((tx) => tx.finishIdempotency(teamId, 'k', response))
        const found = await ledger.read.idempotent(teamId, 'k')
        expect(found).toEqual({ ...first, response })
        // A repeated response is the same bytes, order of fields included.
        expect(JSON.stringify(found?.response?.body)).toBe(JSON.stringify(response.body))
        expect(await ledger.transact((tx) => tx.claimIdempotency(first))).toEqual({ ...first, response })
      })

      it('keeps the first operation that is tied to a claimed key', async () => {
        const teamId = freshTeam()
        const [operationId, other] = [newId<OperationId>(), newId<OperationId>()]
        await put((tx) => tx.tieIdempotency(teamId, 'k', operationId))
        expect(await ledger.read.idempotent(teamId, 'k')).toBeNull()
        const first = record(teamId, 'k')
        await put(async (tx) => {
          await tx.claimIdempotency(first)
          await tx.claimIdempotency(record(teamId, 'other'))
        })
        await put((tx) => tx.tieIdempotency(teamId, 'k', operationId))
        await put((tx) => tx.tieIdempotency(teamId, 'k', other))
        expect(await ledger.read.idempotent(teamId, 'k')).toEqual({ ...first, operationId })
        expect((await ledger.read.idempotent(teamId, 'other'))?.operationId).toBeNull()
        await put(async (tx) => {
          await tx.releaseIdempotency(teamId, 'k')
          await tx.claimIdempotency(first)
        })
        expect(await ledger.read.idempotent(teamId, 'k')).toEqual(first)
      })

      it.each([[null], ['text'], [0], [false]])('keeps a body of %j', async (body) => {
        const teamId = freshTeam()
        await put(async (tx) => {
          await tx.claimIdempotency(record(teamId, 'k'))
          await tx.finishIdempotency(teamId, 'k', { status: 204, body })
        })
        expect((await ledger.read.idempotent(teamId, 'k'))?.response).toEqual({ status: 204, body })
      })

      it('can be claimed anew after release', async () => {
        const teamId = freshTeam()
        await put((tx) => tx.claimIdempotency(record(teamId, 'k')))
        await put((tx) => tx.releaseIdempotency(teamId, 'k'))
        expect(await ledger.read.idempotent(teamId, 'k')).toBeNull()
        expect(await ledger.transact((tx) => tx.claimIdempotency(record(teamId, 'k', 'h2')))).toBeNull()
      })

      it('is claimed by exactly one of many', async () => {
        const teamId = freshTeam()
        const claim = (n: number) => ledger.transact((tx) => tx.claimIdempotency(record(teamId, 'k', `h${n}`)))
        const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => claim(n)))
        expect(answers.filter((answer) => answer === null)).toHaveLength(1)
        const winner = (await ledger.read.idempotent(teamId, 'k'))?.requestHash
        expect(new Set(answers.filter((a) => a !== null).map((a) => a.requestHash))).toEqual(new Set([winner]))
      })

      it('is free again when the claiming transaction fails', async () => {
        const teamId = freshTeam()
        const failed = ledger.transact(async (tx) => {
          await tx.claimIdempotency(record(teamId, 'k'))
          throw new Error('no')
        })
        await expect(failed).rejects.toThrow('no')
        expect(await ledger.transact((tx) => tx.claimIdempotency(record(teamId, 'k')))).toBeNull()
      })
    })
  })
}
