import {
  type AuditEntry,
  type IncarnationId,
  newId,
  type SandboxId,
  type SandboxState,
  type SnapshotId,
  type SnapshotState,
  type TeamId,
  type UsageInterval,
  type UsageSums,
} from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { sampleAudit, sampleOperation, sampleSandbox, sampleSnapshot, sampleTeam } from '../ledger-samples.ts'
import { freshTeam, type LedgerBench } from './bench.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const NOON = new Date('2024-03-10T12:00:00Z').getTime()

export function accountsSuite(bench: LedgerBench): void {
  const read = () => bench.ledger.read
  const usage = (teamId: TeamId, fromMs: number, toMs: number, by: Partial<Record<'byDay' | 'bySandbox', true>> = {}) =>
    read().usage({
      teamId,
      from: new Date(fromMs),
      to: new Date(toMs),
      now: new Date(NOON),
      byTeam: false,
      byDay: false,
      bySandbox: false,
      limit: 1_000,
      ...by,
    })

  describe('usage', () => {
    it('of nothing has no row', async () => {
      expect(await usage(freshTeam(), NOON - DAY, NOON)).toEqual([])
    })

    it('counts an incarnation from its beginning to its end, by day in UTC', async () => {
      const teamId = freshTeam()
      const ran = incarnation(teamId, { cpus: 0.5, memoryBytes: 2 ** 30, startedAt: new Date(NOON - DAY) })
      await bench.put((tx) => tx.beginUsage(ran))
      await bench.put((tx) => tx.endUsage(ran.id, new Date(NOON - 10 * HOUR)))
      const sums = {
        teamId: null,
        sandboxId: null,
        day: null,
        ranMs: 14 * HOUR,
        cpuMs: 7 * HOUR,
        cpuUsedMs: 0,
        memoryByteMs: 14 * HOUR * 2 ** 30,
        storedByteMs: 0,
      }
      expect(await usage(teamId, NOON - 2 * DAY, NOON + DAY)).toEqual([sums])
      expect(
        (await usage(teamId, NOON - 2 * DAY, NOON, { byDay: true })).map(({ day, ranMs }) => [day, ranMs]),
      ).toEqual([
        ['2024-03-09', 12 * HOUR],
        ['2024-03-10', 2 * HOUR],
      ])
      const inPart = await usage(teamId, NOON - 13 * HOUR, NOON - 11 * HOUR)
      expect(inPart.map(({ ranMs, cpuMs }) => [ranMs, cpuMs])).toEqual([[2 * HOUR, HOUR]])
      expect(await usage(teamId, NOON - 10 * HOUR, NOON)).toEqual([])
      expect(await usage(teamId, NOON - 3 * DAY, NOON - DAY)).toEqual([])
    })

    it('counts what has not ended until now, and snapshots by their size', async () => {
      const teamId = freshTeam()
      await bench.put((tx) => tx.beginUsage(stored(teamId, { storedBytes: 4_096, startedAt: new Date(NOON - HOUR) })))
      await bench.put((tx) => tx.beginUsage(stored(teamId, { storedBytes: 1, startedAt: new Date(NOON + HOUR) })))
      const [row] = await usage(teamId, NOON - DAY, NOON + DAY)
      expect(row).toMatchObject({ ranMs: 0, cpuMs: 0, memoryByteMs: 0, storedByteMs: 4_096 * HOUR })
    })

    it('begins and ends an interval once, whatever is said again', async () => {
      const teamId = freshTeam()
      const ran = incarnation(teamId, { startedAt: new Date(NOON - 4 * HOUR) })
      for (const startedAt of [ran.startedAt, new Date(NOON - 9 * HOUR)])
        await bench.put((tx) => tx.beginUsage({ ...ran, startedAt }))
      await bench.put((tx) => tx.endUsage(ran.id, new Date(NOON - 3 * HOUR)))
      await bench.put((tx) => tx.endUsage(ran.id, new Date(NOON - HOUR)))
      await bench.put((tx) => tx.beginUsage({ ...ran, startedAt: new Date(NOON - HOUR) }))
      await bench.put((tx) => tx.endUsage(newId<SnapshotId>(), new Date(NOON)))
      expect((await usage(teamId, NOON - DAY, NOON)).map(({ ranMs }) => ranMs)).toEqual([HOUR])
    })

    it('ends nothing before it began', async () => {
      const teamId = freshTeam()
      const ran = incarnation(teamId, { startedAt: new Date(NOON - HOUR) })
      await bench.put((tx) => tx.beginUsage(ran))
      await bench.put((tx) => tx.endUsage(ran.id, new Date(NOON - 2 * HOUR)))
      expect(await usage(teamId, NOON - DAY, NOON)).toEqual([])
    })

    it('keeps the most that was noted of each day, and gives a day what came on top', async () => {
      const teamId = freshTeam()
      const ran = incarnation(teamId, { startedAt: new Date(NOON - DAY) })
      const note = (atMs: number, cpuMs: number) =>
        bench.put((tx) => tx.noteUsage([{ id: ran.id, at: new Date(atMs), cpuMs }]))
      await bench.put((tx) => tx.beginUsage(ran))
      await note(NOON - 14 * HOUR, 1_000)
      await note(NOON - 13 * HOUR, 5_000)
      await note(NOON - 13 * HOUR, 2_000)
      // At midnight: it is about the day that ends.
      await note(NOON - 12 * HOUR, 6_000)
      await note(NOON - HOUR, 9_000)
      await note(NOON, 0)
      await bench.put((tx) => tx.noteUsage([{ id: newId<IncarnationId>(), at: new Date(NOON), cpuMs: 1 }]))
      const used = (await usage(teamId, NOON - 2 * DAY, NOON + DAY, { byDay: true })).map((row) => [
        row.day,
        row.cpuUsedMs,
      ])
      expect(used).toEqual([
        ['2024-03-09', 6_000],
        ['2024-03-10', 3_000],
      ])
      expect((await usage(teamId, NOON - 6 * HOUR, NOON)).map((row) => row.cpuUsedMs)).toEqual([1_500])
    })

    it('takes several notes at once, and one after the end', async () => {
      const teamId = freshTeam()
      const [one, two] = [incarnation(teamId), incarnation(teamId)] as const
      for (const ran of [one, two]) await bench.put((tx) => tx.beginUsage(ran))
      await bench.put((tx) => tx.endUsage(one.id, new Date(NOON - HOUR)))
      const at = new Date(NOON)
      await bench.put((tx) =>
        tx.noteUsage([
          { id: one.id, at, cpuMs: 10 },
          { id: two.id, at, cpuMs: 20 },
          { id: two.id, at, cpuMs: 15 },
        ]),
      )
      await bench.put((tx) => tx.noteUsage([]))
      expect((await usage(teamId, NOON - DAY, NOON)).map((row) => row.cpuUsedMs)).toEqual([30])
    })

    it('knows the incarnations that have not ended, and when they were last seen', async () => {
      const teamId = freshTeam()
      const [seen, unseen, over] = [incarnation(teamId), incarnation(teamId), incarnation(teamId)] as const
      for (const ran of [seen, unseen, over]) await bench.put((tx) => tx.beginUsage(ran))
      await bench.put((tx) => tx.beginUsage(stored(teamId)))
      await bench.put((tx) => tx.noteUsage([{ id: seen.id, at: new Date(NOON - 5), cpuMs: 1 }]))
      await bench.put((tx) => tx.noteUsage([{ id: seen.id, at: new Date(NOON - 9), cpuMs: 1 }]))
      await bench.put((tx) => tx.endUsage(over.id, new Date(NOON)))
      const ours = new Set<string>([seen.id, unseen.id, over.id])
      const open = (await read().openIncarnations()).filter(({ id }) => ours.has(id))
      expect(new Map(open.map(({ id, seenAt }) => [id, seenAt]))).toEqual(
        new Map([
          [seen.id, new Date(NOON - 5)],
          [unseen.id, unseen.startedAt],
        ]),
      )
    })

    it('groups by team, day and sandbox, in that order, and as many rows as asked for', async () => {
      const teams = [freshTeam(), freshTeam()].sort()
      const boxes = [newId<SandboxId>(), newId<SandboxId>()] as const
      for (const teamId of teams) {
        for (const sandboxId of boxes) {
          const ran = incarnation(teamId, { sandboxId, startedAt: new Date(NOON - DAY) })
          await bench.put((tx) => tx.beginUsage({ ...ran, endedAt: new Date(NOON) }))
        }
      }
      const ours = (rows: UsageSums[]) => rows.filter(({ teamId }) => teams.includes(teamId as TeamId))
      const [from, to, now] = [new Date(NOON - DAY), new Date(NOON), new Date(NOON)]
      const filter = { from, to, now, byTeam: true, byDay: true, bySandbox: true, limit: 100_000 }
      const expected = teams.flatMap((teamId) =>
        ['2024-03-09', '2024-03-10'].flatMap((day) => boxes.map((box) => [teamId, day, box, 12 * HOUR])),
      )
      expect(ours(await read().usage(filter)).map((r) => [r.teamId, r.day, r.sandboxId, r.ranMs])).toEqual(expected)
      const teamId = teams[0] as TeamId
      expect(await read().usage({ ...filter, teamId, limit: 3 })).toHaveLength(3)
      expect(
        (await usage(teamId, NOON - DAY, NOON, { bySandbox: true })).map((r) => [r.day, r.sandboxId, r.ranMs]),
      ).toEqual(boxes.map((box) => [null, box, DAY]))
    })

    it('adds up to the same whatever it is cut into', async () => {
      const teamId = freshTeam()
      for (let n = 0; n < 40; n += 1) {
        const startedAt = new Date(NOON - ((n * 7_919_173) % (4 * DAY)))
        const endedAt = n % 5 === 0 ? null : new Date(startedAt.getTime() + ((n * 5_711_977) % (2 * DAY)))
        const ran = n % 3 === 0 ? stored(teamId, { startedAt, endedAt }) : incarnation(teamId, { startedAt, endedAt })
        await bench.put((tx) => tx.beginUsage(ran))
        if (ran.kind !== 'incarnation') continue
        const noted = { id: ran.id as IncarnationId, at: new Date(NOON - n * HOUR), cpuMs: n * 1_000 }
        await bench.put((tx) => tx.noteUsage([noted]))
      }
      const total = (rows: UsageSums[]) =>
        (['ranMs', 'cpuMs', 'cpuUsedMs', 'memoryByteMs', 'storedByteMs'] as const).map((field) =>
          rows.reduce((sum, row) => sum + row[field], 0),
        )
      const whole = total(await usage(teamId, NOON - 9 * DAY, NOON))
      const cuts = [9 * DAY, 3.3 * DAY, 2 * DAY, 1.5 * DAY, 77_777, 0]
      const parts: UsageSums[] = []
      for (const [n, cut] of cuts.slice(1).entries())
        parts.push(...(await usage(teamId, NOON - (cuts[n] as number), NOON - cut, { byDay: true, bySandbox: true })))
      for (const [n, sum] of total(parts).entries()) expect(sum / (whole[n] as number)).toBeCloseTo(1, 9)
    })
  })

  describe('what a team has', () => {
    it('counts sandboxes that hold processors and memory, and snapshots that hold storage', async () => {
      const team = sampleTeam()
      const resources = { cpus: 0.1, memoryBytes: 2 ** 31, diskBytes: 1, maxProcesses: 1 }
      const states: SandboxState[] = ['creating', 'running', 'paused', 'stopped', 'failed', 'killed', 'rolling_back']
      const resting = sampleSnapshot(team.id, { internal: true, sizeBytes: 500 })
      const kept: [SnapshotState, number][] = [
        ['creating', 7],
        ['ready', 1_000],
        ['failed', 70],
        ['deleting', 20],
      ]
      await bench.put(async (tx) => {
        await tx.putTeam(team)
        for (const state of states) await tx.putSandbox(sampleSandbox(team.id, { state, resources }))
        await tx.putSandbox(sampleSandbox(team.id, { state: 'killing', resources }))
        await tx.putSandbox(sampleSandbox(team.id, { state: 'killing', resources, incarnationId: null }))
        await tx.putSandbox(
          sampleSandbox(team.id, { id: resting.sandboxId, state: 'paused', pausedSnapshotId: resting.id }),
        )
        await tx.putSnapshot(resting)
        await tx.putSnapshot(sampleSnapshot(team.id, { internal: true, sizeBytes: 9 }))
        for (const [state, sizeBytes] of kept) await tx.putSnapshot(sampleSnapshot(team.id, { state, sizeBytes }))
        await tx.putSandbox(sampleSandbox(freshTeam(), { resources }))
        const builds = { kind: 'image.build', sandboxId: null, detail: { builder: resources } } as const
        await tx.putOperation(sampleOperation(team.id, { ...builds, state: 'open' }))
        await tx.putOperation(sampleOperation(team.id, { ...builds, state: 'done', endedAt: new Date(NOON) }))
        await tx.putOperation(sampleOperation(team.id, { ...builds, state: 'open', detail: { recipe: null } }))
        await tx.putOperation(sampleOperation(freshTeam(), { ...builds, state: 'open' }))
      })
      const use = await read().teamUse(team.id)
      expect(use).toEqual({
        sandboxes: 5,
        cpus: expect.closeTo(0.5, 9),
        memoryBytes: 5 * 2 ** 31,
        snapshots: 2,
        storageBytes: 1_520,
      })
      expect((await read().teamUse(team.id, ['sandboxes'])).sandboxes).toBe(5)
      expect((await read().teamUse(team.id, ['storageBytes'])).storageBytes).toBe(1_520)
      expect(await read().teamUse(freshTeam())).toEqual({
        sandboxes: 0,
        cpus: 0,
        memoryBytes: 0,
        snapshots: 0,
        storageBytes: 0,
      })
    })

    it('is claimed by one at a time', async () => {
      const team = sampleTeam({ limits: { ...sampleTeam().limits, sandboxes: 1 } })
      await bench.put((tx) => tx.putTeam(team))
      const claim = () =>
        bench.ledger.transact(async (tx) => {
          const limits = (await tx.lockTeam(team.id))?.limits
          if ((await tx.teamUse(team.id)).sandboxes >= (limits?.sandboxes ?? 0)) return false
          await tx.putSandbox(sampleSandbox(team.id))
          return true
        })
      const claimed = await Promise.all(Array.from({ length: 8 }, claim))
      expect(claimed.filter(Boolean)).toHaveLength(1)
      expect(await bench.ledger.transact((tx) => tx.lockTeam(freshTeam()))).toBeNull()
    })

    it('lists teams', async () => {
      const team = sampleTeam()
      await bench.put((tx) => tx.putTeam(team))
      const found = []
      for (let after: string | undefined; ; ) {
        const page = await read().teams({ limit: 2, after })
        found.push(...page.items)
        if (page.next === null) break
        after = page.next
      }
      expect(found.filter(({ id }) => id === team.id)).toEqual([team])
      expect(found.map(({ id }) => id)).toEqual(
        found
          .map(({ id }) => id)
          .sort()
          .reverse(),
      )
    })
  })

  describe('the audit log', () => {
    it('gives back what was written, newest first, and what was written last of one', async () => {
      const teamId = freshTeam()
      const [first, second] = [
        sampleAudit(teamId),
        sampleAudit(teamId, { keyId: null, keyName: null, member: null, target: null }),
      ]
      await bench.put((tx) => tx.putAudit(first))
      await bench.put((tx) => tx.putAudit(second))
      await bench.put((tx) => tx.putAudit(sampleAudit(freshTeam())))
      await bench.put((tx) => tx.putAudit({ ...first, outcome: 'disk_full' }))
      const page = await read().audit({ teamId }, { limit: 1 })
      expect(page.items).toEqual([second])
      const rest = await read().audit({ teamId }, { limit: 10, after: page.next ?? '' })
      expect(rest).toEqual({ items: [{ ...first, outcome: 'disk_full' }], next: null })
    })

    it('finds by who, what, when and about what', async () => {
      const teamId = freshTeam()
      const keyId = newId<NonNullable<AuditEntry['keyId']>>()
      const early = sampleAudit(teamId, { member: 'a', what: 'snapshots.create', at: new Date(NOON) })
      const late = sampleAudit(teamId, { keyId, what: 'snapshots_x', target: 'box%', at: new Date(NOON + 1) })
      for (const one of [early, late]) await bench.put((tx) => tx.putAudit(one))
      const find = async (query: object) => (await read().audit({ teamId, ...query }, { limit: 10 })).items
      expect(await find({ member: 'a' })).toEqual([early])
      expect(await find({ keyId })).toEqual([late])
      expect(await find({ what: 'snapshots.create' })).toEqual([early])
      expect(await find({ whatPrefix: 'snapshots.' })).toEqual([early])
      expect(await find({ whatPrefix: 'snapshots_' })).toEqual([late])
      expect(await find({ target: 'box%' })).toEqual([late])
      expect(await find({ from: new Date(NOON + 1) })).toEqual([late])
      expect(await find({ to: new Date(NOON + 1) })).toEqual([early])
      await expect(find({ member: 'nul \u0000' })).rejects.toMatchObject({ code: 'invalid_argument' })
    })
  })

  describe('old usage and audited calls', () => {
    it('go by age, what lasts excepted', async () => {
      const teamId = freshTeam()
      const at = new Date('1980-06-01T00:00:00Z')
      const [over, lasting] = [incarnation(teamId, { startedAt: at }), stored(teamId, { startedAt: at })] as const
      const later = new Date(at.getTime() + DAY)
      await bench.put(async (tx) => {
        for (const one of [over, lasting]) await tx.beginUsage(one)
        await tx.noteUsage([{ id: over.id, at: later, cpuMs: 5 }])
        await tx.endUsage(over.id, later)
        await tx.putAudit(sampleAudit(teamId, { at }))
      })
      const purge = (kind: 'usage' | 'audit', before: Date) => bench.ledger.transact((tx) => tx.purge(kind, before, 10))
      expect(await purge('usage', later)).toBe(0)
      expect(await purge('audit', at)).toBe(0)
      expect(await purge('usage', new Date(later.getTime() + 1))).toBe(1)
      expect(await purge('audit', later)).toBe(1)
      expect((await read().audit({ teamId }, { limit: 10 })).items).toEqual([])
      const rows = await usage(teamId, at.getTime(), later.getTime())
      expect(rows.map(({ ranMs, storedByteMs }) => [ranMs, storedByteMs])).toEqual([[0, DAY]])
      await bench.put((tx) => tx.deleteSnapshot(lasting.id))
      await bench.put((tx) => tx.endUsage(lasting.id, later))
      expect(await purge('usage', new Date(later.getTime() + 1))).toBe(1)
    })
  })
}

function incarnation(teamId: TeamId, over: Partial<UsageInterval> = {}): UsageInterval & { id: IncarnationId } {
  return {
    kind: 'incarnation',
    teamId,
    sandboxId: newId(),
    cpus: 1,
    memoryBytes: 2 ** 30,
    storedBytes: 0,
    startedAt: new Date(NOON - 2 * HOUR),
    endedAt: null,
    ...over,
    id: newId<IncarnationId>(),
  }
}

function stored(teamId: TeamId, over: Partial<UsageInterval> = {}): UsageInterval & { id: SnapshotId } {
  return {
    ...incarnation(teamId),
    kind: 'snapshot',
    cpus: 0,
    memoryBytes: 0,
    storedBytes: 1,
    ...over,
    id: newId<SnapshotId>(),
  }
}
