import { type LedgerTx, newId } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import {
  sampleEvent,
  sampleImage,
  sampleKey,
  sampleName,
  sampleOperation,
  sampleSandbox,
  sampleSchedule,
  sampleSnapshot,
  sampleTeam,
} from '../ledger-samples.ts'
import { freshTeam, type LedgerBench } from './bench.ts'

export function recordsSuite(bench: LedgerBench): void {
  describe('records', () => {
    it('keep what a team has in the store, the last that was put', async () => {
      const team = sampleTeam()
      await bench.put((tx) => tx.putTeam(team))
      expect(await bench.ledger.read.storage(team.id)).toBeNull()
      const at = new Date(1_700_000_000_125)
      const first = { uniqueBytes: 2 ** 40, sharedBytes: 1, snapshots: 2, images: 3, roots: 4, at }
      for (const storage of [first, { ...first, uniqueBytes: 0 }]) {
        await bench.put((tx) => tx.putStorage(team.id, storage))
        expect(await bench.ledger.read.storage(team.id)).toEqual(storage)
      }
    })

    it('give back every field of a team, image, sandbox, snapshot and operation', async () => {
      const team = sampleTeam({ snapshotRetentionMs: 30 * 24 * 3600 * 1000, trashMs: 7_776_000_000 })
      const image = sampleImage(team.id)
      const sandbox = sampleSandbox(team.id, {
        labels: { 'a"b': "c'd", ü: '' },
        failure: { reason: 'out_of_memory', detail: 'killed \u0000 \udfff' },
        expiresAt: new Date(1_700_000_900_003),
      })
      const snapshot = sampleSnapshot(team.id, {
        parentId: newId(),
        failure: 'bad \u0000 byte',
        scheduleId: newId(),
        pinned: true,
        storage: { uniqueBytes: 123_456, sharedBytes: 2 ** 40, at: new Date(1_700_000_000_125) },
        checkedAt: new Date(1_700_000_000_250),
        verifiedAt: new Date(1_700_000_000_375),
        checkFailure: 'a byte \u0000 differs',
        state: 'trashed',
        trashedAt: new Date(1_700_000_000_901),
        purgeAt: new Date(1_700_000_000_902),
        trashedTags: [{ name: 'base', tag: 'default' }],
        network: null,
        ingress: { default: 'token', ports: { '22': 'closed' }, hostHeader: null },
      })
      const operation = sampleOperation(team.id, {
        sandboxId: sandbox.id,
        state: 'failed',
        error: { code: 'internal', message: 'guest said \u0000' },
        endedAt: new Date(1_700_000_000_251),
      })
      await bench.put(async (tx) => {
        await tx.putTeam(team)
        await tx.putImage(image)
        await tx.putSandbox(sandbox)
        await tx.putSnapshot(snapshot)
        await tx.putOperation(operation)
      })
      expect(await bench.ledger.read.team(team.id)).toEqual(team)
      expect(await bench.ledger.read.image(image.id)).toEqual(image)
      expect(await bench.ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
      expect(await bench.ledger.read.snapshot(snapshot.id)).toEqual(snapshot)
      expect(await bench.ledger.read.operation(operation.id)).toEqual(operation)
    })

    it('of teams are found by name, which one team alone bears', async () => {
      const team = sampleTeam()
      await bench.put((tx) => tx.putTeam(team))
      expect(await bench.ledger.read.teamByName(team.name)).toEqual(team)
      expect(await bench.ledger.read.teamByName(`${team.name}x`)).toBeNull()
      const second = sampleTeam({ name: team.name })
      await expect(bench.put((tx) => tx.putTeam(second))).rejects.toMatchObject({
        code: 'name_taken',
        context: { resource: 'team', name: team.name },
      })
      expect(await bench.ledger.read.team(second.id)).toBeNull()
      const renamed = { ...team, name: `${team.name} anew` }
      await bench.put((tx) => tx.putTeam(renamed))
      await bench.put((tx) => tx.putTeam(second))
      expect(await bench.ledger.read.teamByName(team.name)).toEqual(second)
      expect(await bench.ledger.read.team(team.id)).toEqual(renamed)
    })

    it('of schedules are changed, found by sandbox and team, and removed', async () => {
      const [teamId, other] = [freshTeam(), freshTeam()]
      const plain = sampleSchedule(teamId)
      const fired = sampleSchedule(teamId, {
        sandboxId: plain.sandboxId,
        lastTick: { at: new Date(1_700_000_300_000), outcome: 'fired', reason: null, snapshotId: newId() },
      })
      const foreign = sampleSchedule(other)
      const skipped = {
        at: new Date(1_700_000_600_000),
        outcome: 'skipped',
        reason: 'b\u0000sy',
        snapshotId: null,
      } as const
      await bench.put(async (tx) => {
        for (const one of [plain, fired, foreign]) await tx.putSchedule(one)
        expect(await tx.lockSchedule(plain.id)).toEqual(plain)
        await tx.putSchedule({ ...plain, enabled: false, lastTick: skipped })
      })
      const { read } = bench.ledger
      const changed = { ...plain, enabled: false, lastTick: skipped }
      expect(await read.schedule(plain.id)).toEqual(changed)
      expect((await read.schedules({ teamId }, { limit: 9 })).items).toEqual([fired, changed])
      expect((await read.schedules({ sandboxId: foreign.sandboxId }, { limit: 9 })).items).toEqual([foreign])
      const first = await read.schedules({ teamId }, { limit: 1 })
      expect((await read.schedules({ teamId }, { limit: 1, after: first.next ?? '' })).items).toEqual([changed])
      await bench.put((tx) => tx.deleteSchedule(plain.id))
      expect(await read.schedule(plain.id)).toBeNull()
      expect(await read.schedule(newId())).toBeNull()
    })

    it('of snapshots are found by the schedule that took them', async () => {
      const teamId = freshTeam()
      const taken = sampleSnapshot(teamId, { scheduleId: newId() })
      await bench.put(async (tx) => {
        await tx.putSnapshot(taken)
        await tx.putSnapshot(sampleSnapshot(teamId))
      })
      const filter = { teamId, scheduleId: taken.scheduleId ?? undefined }
      expect((await bench.ledger.read.snapshots(filter, { limit: 9 })).items).toEqual([taken])
    })

    it('give back nulls as nulls', async () => {
      const teamId = freshTeam()
      const sandbox = sampleSandbox(teamId, {
        name: null,
        incarnationId: null,
        rootId: null,
        originSnapshotId: null,
        startedAt: null,
        haltedAt: null,
        ingress: { default: 'open', ports: {}, hostHeader: null },
        timeout: { timeoutMs: null, idleTimeoutMs: null, onTimeout: 'kill', autoResume: false, deleteAfterMs: null },
      })
      const snapshot = sampleSnapshot(teamId, { name: null, requirements: null, receipt: null, readyAt: null })
      const image = sampleImage(teamId, { readyAt: null, source: { type: 'tar', path: '/x.tar' } })
      await bench.put(async (tx) => {
        await tx.putSandbox(sandbox)
        await tx.putSnapshot(snapshot)
        await tx.putImage(image)
      })
      expect(await bench.ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
      expect(await bench.ledger.read.snapshot(snapshot.id)).toEqual(snapshot)
      expect(await bench.ledger.read.image(image.id)).toEqual(image)
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
      await bench.put((tx) => tx.putSandbox(first))
      await bench.put((tx) => tx.putSandbox(second))
      expect(await bench.ledger.read.sandbox(first.id)).toEqual(second)
      expect((await bench.ledger.read.sandboxes({ teamId }, { limit: 10 })).items).toEqual([second])
    })

    it('belong to their giver: changing an object afterwards changes nothing stored', async () => {
      const sandbox = sampleSandbox(freshTeam(), { labels: { a: '1' } })
      const stored = structuredClone(sandbox)
      await bench.put((tx) => tx.putSandbox(sandbox))
      sandbox.labels.a = 'changed'
      sandbox.createdAt.setTime(0)
      const read = await bench.ledger.read.sandbox(sandbox.id)
      expect(read).toEqual(stored)
      if (read) read.env.LATER = 'changed'
      expect(await bench.ledger.read.sandbox(sandbox.id)).toEqual(stored)
    })

    it('that do not exist are null, also for ids that are none', async () => {
      for (const id of [
        newId<never>(),
        '' as never,
        'x'.repeat(5000) as never,
        'nul\u0000' as never,
        '\ud800' as never,
      ]) {
        expect(await bench.ledger.read.team(id)).toBeNull()
        expect(await bench.ledger.read.image(id)).toBeNull()
        expect(await bench.ledger.read.sandbox(id)).toBeNull()
        expect(await bench.ledger.read.snapshot(id)).toBeNull()
        expect(await bench.ledger.read.operation(id)).toBeNull()
        expect(await bench.ledger.read.keyByHash(id)).toBeNull()
        await bench.put(async (tx) => {
          expect(await tx.lockSandbox(id)).toBeNull()
          expect(await tx.lockSnapshot(id)).toBeNull()
          expect(await tx.lockImage(id)).toBeNull()
        })
      }
    })

    it('are gone after delete, and deleting again is harmless', async () => {
      const image = sampleImage(freshTeam())
      const snapshot = sampleSnapshot(freshTeam())
      await bench.put(async (tx) => {
        await tx.putImage(image)
        await tx.putSnapshot(snapshot)
      })
      for (let time = 0; time < 2; time += 1) {
        await bench.put(async (tx) => {
          await tx.deleteImage(image.id)
          await tx.deleteSnapshot(snapshot.id)
        })
      }
      expect(await bench.ledger.read.image(image.id)).toBeNull()
      expect(await bench.ledger.read.snapshot(snapshot.id)).toBeNull()
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
        (tx) => tx.teamByName(bad),
        (tx) => tx.images({ teamId, labels: { k: bad } }, { limit: 1 }),
        (tx) => tx.ensureName(sampleName(teamId, { name: bad })),
        (tx) => tx.nameByText(teamId, bad),
        (tx) => tx.tags({ nameId: newId(), tag: bad }),
        (tx) => tx.putTag({ nameId: newId(), tag: bad, imageId: newId(), snapshotId: null, createdAt: new Date() }),
        (tx) => tx.putSnapshot(sampleSnapshot(teamId, { internal: true, cacheKey: bad })),
        (tx) => tx.snapshots({ teamId, cacheKey: bad }, { limit: 1 }),
      ]
      for (const attempt of attempts) {
        await expect(bench.ledger.transact(attempt), attempt.toString()).rejects.toMatchObject({
          code: 'invalid_argument',
        })
      }
      expect(await bench.ledger.read.team(teamId)).toBeNull()
      expect((await bench.ledger.read.sandboxes({ teamId }, { limit: 1 })).items).toEqual([])
    })
  })

  describe('keys', () => {
    it('are found by hash until revoked, and listed afterwards', async () => {
      const teamId = freshTeam()
      const key = sampleKey(teamId)
      const hash = `hash-${key.id}`
      await bench.put((tx) => tx.putKey(key, hash))
      expect(await bench.ledger.read.keyByHash(hash)).toEqual(key)
      expect(await bench.ledger.read.keyByHash(`${hash}x`)).toBeNull()
      expect(await bench.ledger.read.key(key.id)).toEqual(key)
      expect(await bench.ledger.read.key(newId())).toBeNull()
      const at = new Date(1_700_000_123_456)
      expect(await bench.ledger.transact((tx) => tx.revokeKey(teamId, key.id, at))).toBe(true)
      expect(await bench.ledger.read.keyByHash(hash)).toBeNull()
      expect(await bench.ledger.read.key(key.id)).toEqual({ ...key, revokedAt: at })
      expect((await bench.ledger.read.keys(teamId, { limit: 10 })).items).toEqual([{ ...key, revokedAt: at }])
    })

    it('tell when they were last used, which never goes back', async () => {
      const teamId = freshTeam()
      const key = sampleKey(teamId)
      const at = new Date(1_700_000_123_456)
      await bench.put((tx) => tx.putKey(key, `hash-${key.id}`))
      for (const used of [at, new Date(at.getTime() - 1_000)]) await bench.put((tx) => tx.noteKeyUse(key.id, used))
      await bench.put((tx) => tx.noteKeyUse(newId(), at))
      expect((await bench.ledger.read.keys(teamId, { limit: 10 })).items).toEqual([{ ...key, lastUsedAt: at }])
    })

    it('are not revoked for another team, when unknown, or twice', async () => {
      const teamId = freshTeam()
      const key = sampleKey(teamId)
      const first = new Date(1_700_000_123_456)
      await bench.put((tx) => tx.putKey(key, `hash-${key.id}`))
      expect(await bench.ledger.transact((tx) => tx.revokeKey(freshTeam(), key.id, first))).toBe(false)
      expect(await bench.ledger.transact((tx) => tx.revokeKey(teamId, newId(), first))).toBe(false)
      expect(await bench.ledger.read.keyByHash(`hash-${key.id}`)).toEqual(key)
      expect(await bench.ledger.transact((tx) => tx.revokeKey(teamId, key.id, first))).toBe(true)
      expect(await bench.ledger.transact((tx) => tx.revokeKey(teamId, key.id, new Date()))).toBe(false)
      expect((await bench.ledger.read.keys(teamId, { limit: 10 })).items[0]?.revokedAt).toEqual(first)
    })

    it('of one hash exist once', async () => {
      const teamId = freshTeam()
      const hash = `hash-${newId()}`
      await bench.put((tx) => tx.putKey(sampleKey(teamId), hash))
      await expect(bench.put((tx) => tx.putKey(sampleKey(teamId), hash))).rejects.toThrow()
      expect((await bench.ledger.read.keys(teamId, { limit: 10 })).items).toHaveLength(1)
    })
  })
}
