import { type HistoryKind, type Name, newId, type Operation, type SandboxId } from '@spawnpoint/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  sampleEvent,
  sampleImage,
  sampleKey,
  sampleName,
  sampleOperation,
  sampleSandbox,
  sampleSnapshot,
} from '../ledger-samples.ts'
import { freshTeam, type LedgerBench } from './bench.ts'

/** Long before anything that other tests of the suite write, and later with each call. */
let latest = new Date('1990-01-01T00:00:00Z').getTime()
const nextDay = () => {
  latest += 86_400_000
  return new Date(latest)
}

export function retentionSuite(bench: LedgerBench): void {
  const purge = (kind: HistoryKind, before: Date, limit = 100) =>
    bench.ledger.transact((tx) => tx.purge(kind, before, limit))
  const ended = (endedAt: Date, over: Partial<Operation> = {}) =>
    sampleOperation(freshTeam(), { state: 'done', endedAt, ...over })

  describe('history', () => {
    beforeEach(async () => {
      const now = nextDay()
      for (const kind of ['events', 'operations', 'sandboxes', 'names', 'keys', 'idempotency'] as const)
        await purge(kind, now)
    })

    it('of events goes by age, and how far it is gone is known by team', async () => {
      const [team, other, none] = [freshTeam(), freshTeam(), freshTeam()]
      const [first, second, third] = [nextDay(), nextDay(), nextDay()]
      for (const [teamId, at] of [
        [team, first],
        [other, first],
        [team, second],
        [team, third],
      ] as const) {
        await bench.put((tx) => tx.addEvent(sampleEvent(teamId, { at })))
      }
      const seqs = (await bench.ledger.read.events({ teamId: team }, 0, 10)).map(({ seq }) => seq)
      const [otherSeq] = (await bench.ledger.read.events({ teamId: other }, 0, 10)).map(({ seq }) => seq)
      expect(await bench.ledger.read.purgedEvents(team)).toBe(0)
      expect(await purge('events', first)).toBe(0)

      expect(await purge('events', third)).toBe(3)
      expect((await bench.ledger.read.events({ teamId: team }, 0, 10)).map(({ seq }) => seq)).toEqual([seqs[2]])
      expect(await bench.ledger.read.purgedEvents(team)).toBe(seqs[1])
      expect(await bench.ledger.read.purgedEvents(other)).toBe(otherSeq)
      expect(await bench.ledger.read.purgedEvents(none)).toBe(0)
      expect(await bench.ledger.read.latestEvent(team)).toBe(seqs[2])
      expect(await bench.ledger.read.latestEvent(other)).toBe(otherSeq)
      expect(await bench.ledger.read.latestEvent(none)).toBe(0)
    })

    it('of events gives no number twice', async () => {
      const teamId = freshTeam()
      const at = nextDay()
      await bench.put((tx) => tx.addEvent(sampleEvent(teamId, { at })))
      const before = await bench.ledger.read.latestEvent(teamId)
      expect(await purge('events', nextDay())).toBe(1)
      await bench.put((tx) => tx.addEvent(sampleEvent(teamId)))
      expect(await bench.ledger.read.latestEvent(teamId)).toBeGreaterThan(before)
    })

    it('goes oldest first, so much at a time', async () => {
      const teamId = freshTeam()
      const days = Array.from({ length: 5 }, nextDay)
      for (const at of days.toReversed()) await bench.put((tx) => tx.addEvent(sampleEvent(teamId, { at })))
      const end = nextDay()
      expect(await purge('events', end, 2)).toBe(2)
      const left = (await bench.ledger.read.events({ teamId }, 0, 10)).map(({ at }) => at.getTime())
      expect(left.toSorted()).toEqual(days.slice(2).map((at) => at.getTime()))
      expect([await purge('events', end, 2), await purge('events', end, 2), await purge('events', end, 2)]).toEqual([
        2, 1, 0,
      ])
      await expect(purge('events', end, 0)).rejects.toMatchObject({ code: 'invalid_argument' })
    })

    it('of operations keeps open ones and the latest of a sandbox that lives', async () => {
      const teamId = freshTeam()
      const at = nextDay()
      const [living, killed] = [sampleSandbox(teamId), sampleSandbox(teamId, { state: 'killed', endedAt: nextDay() })]
      const gone = newId<SandboxId>()
      const earlier = ended(at, { sandboxId: living.id })
      const kept = [
        sampleOperation(teamId, { kind: 'sandbox.kill', sandboxId: killed.id, createdAt: at }),
        ended(at, { sandboxId: living.id }),
        ended(nextDay(), { sandboxId: killed.id }),
      ]
      const dropped = [
        earlier,
        ended(at, { sandboxId: killed.id, state: 'failed' }),
        ended(at, { sandboxId: gone }),
        ended(at),
      ]
      await bench.put(async (tx) => {
        for (const sandbox of [living, killed]) await tx.putSandbox(sandbox)
        for (const operation of [...kept, ...dropped]) await tx.putOperation(operation)
      })
      expect(await purge('operations', new Date(at.getTime() + 1))).toBe(dropped.length)
      for (const { id } of kept) expect(await bench.ledger.read.operation(id)).not.toBeNull()
      for (const { id } of dropped) expect(await bench.ledger.read.operation(id)).toBeNull()
    })

    it('of sandboxes keeps what lives or is referred to', async () => {
      const teamId = freshTeam()
      const endedAt = nextDay()
      const killed = () => sampleSandbox(teamId, { state: 'killed', endedAt, parentSandboxId: null })
      const [plain, captured, forked, busy, parentOfKilled] = [killed(), killed(), killed(), killed(), killed()]
      const recent = { ...killed(), endedAt: nextDay() }
      const failed = sampleSandbox(teamId, { state: 'failed', endedAt })
      await bench.put(async (tx) => {
        for (const sandbox of [plain, captured, forked, busy, parentOfKilled, recent, failed]) {
          await tx.putSandbox(sandbox)
        }
        await tx.putSnapshot(sampleSnapshot(teamId, { sandboxId: captured.id }))
        await tx.putSandbox(sampleSandbox(teamId, { parentSandboxId: forked.id }))
        await tx.putSandbox({ ...recent, id: newId(), parentSandboxId: parentOfKilled.id })
        await tx.putOperation(sampleOperation(teamId, { kind: 'sandbox.kill', sandboxId: busy.id }))
      })
      expect(await purge('sandboxes', new Date(endedAt.getTime() + 1))).toBe(2)
      for (const { id } of [plain, parentOfKilled]) expect(await bench.ledger.read.sandbox(id)).toBeNull()
      for (const { id } of [captured, forked, busy, recent, failed]) {
        expect(await bench.ledger.read.sandbox(id)).not.toBeNull()
      }
    })

    it('of idempotency keys frees them', async () => {
      const teamId = freshTeam()
      const [createdAt, later] = [nextDay(), nextDay()]
      const record = { teamId, key: 'old', requestHash: 'h', operationId: null, response: null, createdAt }
      await bench.put(async (tx) => {
        await tx.claimIdempotency(record)
        await tx.claimIdempotency({ ...record, key: 'new', createdAt: later })
      })
      expect(await purge('idempotency', later)).toBe(1)
      expect(await bench.ledger.read.idempotent(teamId, 'old')).toBeNull()
      expect(await bench.ledger.read.idempotent(teamId, 'new')).not.toBeNull()
    })

    it('of names keeps those that something bears or a tag is of', async () => {
      const teamId = freshTeam()
      const createdAt = nextDay()
      const [unused, left, tagged, ofImage, ofSnapshot, another] = [
        'unused',
        'left',
        'tagged',
        'image',
        'snapshot',
        'more',
      ].map((name) =>
        sampleName(name === 'more' ? freshTeam() : teamId, { name: name === 'more' ? 'image' : name, createdAt }),
      ) as [Name, Name, Name, Name, Name, Name]
      const recent = sampleName(teamId, { name: 'recent', createdAt: nextDay() })
      const leaving = sampleSnapshot(teamId, { name: left.name, state: 'deleting' })
      await bench.put(async (tx) => {
        for (const name of [unused, left, tagged, ofImage, ofSnapshot, another, recent]) await tx.ensureName(name)
        await tx.putTag({ nameId: tagged.id, tag: 'v1', imageId: newId(), snapshotId: null, createdAt })
        await tx.putImage(sampleImage(teamId, { name: ofImage.name }))
        await tx.putSnapshot(sampleSnapshot(teamId, { name: ofSnapshot.name, state: 'trashed' }))
        await tx.putSnapshot(leaving)
      })
      expect(await purge('names', recent.createdAt)).toBe(3)
      for (const { id } of [unused, left, another]) expect(await bench.ledger.read.nameById(id)).toBeNull()
      for (const { id } of [tagged, ofImage, ofSnapshot, recent])
        expect(await bench.ledger.read.nameById(id)).not.toBeNull()
    })

    it('of names spares one that is tagged at the same moment', async () => {
      for (let round = 0; round < 5; round += 1) {
        const teamId = freshTeam()
        const name = sampleName(teamId, { createdAt: nextDay() })
        await bench.put((tx) => tx.ensureName(name))
        const tagging = bench.ledger.transact(async (tx) => {
          const { id } = await tx.ensureName({ ...name, id: newId() })
          await tx.putTag({ nameId: id, tag: 'v1', imageId: newId(), snapshotId: null, createdAt: name.createdAt })
        })
        await Promise.all([tagging, purge('names', nextDay())])
        // It has its old id, or it went first and was made anew.
        const left = await bench.ledger.read.nameByText(teamId, name.name)
        expect(await bench.ledger.read.tags({ nameId: left?.id ?? newId() })).toHaveLength(1)
      }
    })

    it('of keys is what was revoked long ago', async () => {
      const team = freshTeam()
      const [living, revoked, recent] = [sampleKey(team), sampleKey(team), sampleKey(team)]
      const [first, second] = [nextDay(), nextDay()]
      await bench.put(async (tx) => {
        for (const key of [living, revoked, recent]) await tx.putKey(key, key.id.padStart(64, '0'))
        await tx.revokeKey(team, revoked.id, first)
        await tx.revokeKey(team, recent.id, second)
      })
      expect(await purge('keys', second)).toBe(1)
      expect(await bench.ledger.read.key(revoked.id)).toBeNull()
      for (const { id } of [living, recent]) expect(await bench.ledger.read.key(id)).not.toBeNull()
    })

    it('that a failed transaction removed is there', async () => {
      const teamId = freshTeam()
      await bench.put((tx) => tx.addEvent(sampleEvent(teamId, { at: nextDay() })))
      const failing = bench.ledger.transact(async (tx) => {
        await tx.purge('events', nextDay(), 100)
        throw new Error('no')
      })
      await expect(failing).rejects.toThrow('no')
      expect(await bench.ledger.read.events({ teamId }, 0, 10)).toHaveLength(1)
      expect(await bench.ledger.read.purgedEvents(teamId)).toBe(0)
    })
  })
}
