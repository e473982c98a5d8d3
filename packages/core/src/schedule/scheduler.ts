import { Alarms } from '../alarms.ts'
import { isCode, toSpawnpointError } from '../errors.ts'
import type { ScheduleId } from '../ids.ts'
import type { Event, Schedule, ScheduleTick, Snapshot } from '../model.ts'
import { everyItem } from '../paging.ts'
import type { Parts } from '../parts.ts'
import type { LedgerTx } from '../ports/index.ts'
import { latestTick, nextTick, ticksBetween } from './cron.ts'
import { kept } from './keep.ts'

/** A tick found later than this, in milliseconds, was missed: the server did not run, or stood still. */
const LATE_MS = 60_000
/** Milliseconds until it is tried again to note what became of a tick */
const RETRY_MS = 5_000

/** What the scheduler needs of snapshots. */
export interface ScheduledSnapshots {
  /** Rejects if the sandbox cannot be snapshotted this very moment. */
  take(schedule: Schedule): Promise<{ snapshot: Snapshot; done: Promise<Snapshot> }>
  delete(snapshot: Snapshot): Promise<void>
}

/**
 * Fires schedules. A tick is decided once: the transaction that decides it moves `decidedUntil` on, so neither a restart nor
 * a second timer fires it again. It is never made up for:
 *
 *     tick ─► late, sandbox not running, snapshot in flight: skipped, with the reason in the schedule and its event
 *          └► claimed ─► snapshot accepted ─► noted ─► ready: what the rule does not keep goes
 *
 * A claim that a dead server left without a note is settled at start: the snapshot it took bears the schedule's id.
 */
export class Scheduler {
  readonly #parts: Parts
  readonly #snapshots: ScheduledSnapshots
  readonly #alarms: Alarms<ScheduleId>
  readonly #work = new Set<Promise<void>>()

  constructor(parts: Parts, snapshots: ScheduledSnapshots) {
    this.#parts = parts
    this.#snapshots = snapshots
    this.#alarms = new Alarms(parts.clock, {
      ring: (id) => this.#tracked(this.#tick(id, parts.clock.now())),
      failed: (id, error) =>
        parts.log.warn({ err: error, schedule: id }, 'a tick of a schedule could not be decided; trying again'),
    })
  }

  /** Settles what a dead server left half done, and begins. Ticks since then count as missed. */
  async start(): Promise<void> {
    const schedules = await everyItem((page) => this.#parts.ledger.read.schedules({}, page))
    for (const schedule of schedules) await this.#settleClaim(schedule)
    // At once, not when each is next due: what was missed meanwhile is then told.
    const now = this.#parts.clock.now().getTime()
    for (const { id, enabled } of schedules) if (enabled) this.#alarms.set(id, now)
  }

  /** Call when a schedule was made or changed. */
  watch(schedule: Schedule): void {
    const next = schedule.enabled ? nextTick(schedule.cron, schedule.timeZone, schedule.decidedUntil) : null
    this.#alarms.set(schedule.id, next?.getTime() ?? null)
  }

  forget(id: ScheduleId): void {
    this.#alarms.set(id, null)
  }

  /** Resolves when nothing of a tick is under way. */
  async idle(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work)
  }

  async close(): Promise<void> {
    this.#alarms.close()
    await this.idle()
  }

  #tracked(work: Promise<void>): Promise<void> {
    const tracked: Promise<void> = work
      .catch(() => {}) // the alarms have the error
      .finally(() => this.#work.delete(tracked))
    this.#work.add(tracked)
    return work
  }

  async #tick(id: ScheduleId, now: Date): Promise<void> {
    const decided = await this.#parts.ledger.transact((tx) => this.#decide(tx, id, now))
    if (decided === null) return
    const { schedule, fired } = decided
    this.watch(schedule)
    if (!fired) return
    this.#parts.failpoint('schedule.claimed')
    let taken: Awaited<ReturnType<ScheduledSnapshots['take']>>
    try {
      taken = await this.#snapshots.take(schedule)
    } catch (error) {
      const reason = toSpawnpointError(error).message
      await this.#noteSurely(schedule, { outcome: 'skipped', reason, snapshotId: null })
      return
    }
    this.#parts.failpoint('schedule.taken')
    await this.#noteSurely(schedule, { outcome: 'fired', reason: null, snapshotId: taken.snapshot.id })
    try {
      await taken.done
    } catch {
      // The snapshot's record says why it failed; what was kept so far stays.
      return
    }
    await this.#thin(schedule)
  }

  /** `null` if there is no such schedule any more, or it is switched off. */
  async #decide(tx: LedgerTx, id: ScheduleId, now: Date): Promise<{ schedule: Schedule; fired: boolean } | null> {
    const schedule = await tx.lockSchedule(id)
    if (schedule === null) return null
    const sandbox = await tx.sandbox(schedule.sandboxId)
    if (sandbox === null || sandbox.state === 'killed') {
      await tx.deleteSchedule(id)
      return null
    }
    if (!schedule.enabled) return null
    const { cron, timeZone, decidedUntil } = schedule
    const at = latestTick(cron, timeZone, decidedUntil, now)
    if (at === null) return { schedule, fired: false }
    const late = at.getTime() < now.getTime() - LATE_MS
    const missed = ticksBetween(cron, timeZone, decidedUntil, at) - (late ? 0 : 1)
    const inFlight = await tx.operations(
      { sandboxId: sandbox.id, kinds: ['snapshot.create'], states: ['open'] },
      { limit: 1 },
    )
    let reason: string | null = null
    if (late) reason = 'The server did not run at that time'
    else if (sandbox.state !== 'running') reason = `The sandbox was ${sandbox.state}`
    else if (inFlight.items.length > 0) reason = 'A snapshot of the sandbox was in flight'
    const tick: ScheduleTick = { at, outcome: reason === null ? 'fired' : 'skipped', reason, snapshotId: null }
    const next: Schedule = { ...schedule, decidedUntil: at, lastTick: tick }
    await tx.putSchedule(next)
    if (reason !== null) await tx.addEvent(this.#event(next, { missed }))
    return { schedule: next, fired: reason === null }
  }

  /** As often as it takes: what the ledger was not there to note would only be found out at the next start. */
  async #noteSurely(schedule: Schedule, outcome: Omit<ScheduleTick, 'at'>): Promise<void> {
    const { clock, closing, log } = this.#parts
    for (;;) {
      try {
        return await this.#note(schedule, outcome)
      } catch (error) {
        if (closing.aborted || !isCode(error, 'unavailable')) throw error
        log.warn({ err: error, schedule: schedule.id }, 'what became of a tick could not be noted; trying again')
        const { promise, resolve } = Promise.withResolvers<void>()
        const over = () => resolve()
        using _timer = clock.after(RETRY_MS, over)
        closing.addEventListener('abort', over, { once: true })
        await promise
        closing.removeEventListener('abort', over)
      }
    }
  }

  /** What became of a claimed tick. A later decision, or a schedule that is gone, is left as it is. */
  async #note(schedule: Schedule, outcome: Omit<ScheduleTick, 'at'>): Promise<void> {
    await this.#parts.ledger.transact(async (tx) => {
      const current = await tx.lockSchedule(schedule.id)
      const at = schedule.lastTick?.at
      if (at === undefined || current?.lastTick?.at.getTime() !== at.getTime()) return
      const next = { ...current, lastTick: { at, ...outcome } }
      await tx.putSchedule(next)
      await tx.addEvent(this.#event(next, {}))
    })
  }

  async #settleClaim(schedule: Schedule): Promise<void> {
    const { id, lastTick } = schedule
    if (lastTick === null || lastTick.outcome !== 'fired' || lastTick.snapshotId !== null) return
    const [latest] = (await this.#parts.ledger.read.snapshots({ scheduleId: id }, { limit: 1 })).items
    const taken = latest !== undefined && latest.createdAt >= lastTick.at ? latest.id : null
    await this.#note(
      schedule,
      taken === null
        ? { outcome: 'skipped', reason: 'The server stopped at that moment', snapshotId: null }
        : { outcome: 'fired', reason: null, snapshotId: taken },
    )
  }

  /** Deletes what the rule does not keep. What fails is tried again with the next snapshot. */
  async #thin({ id, keep, timeZone }: Schedule): Promise<void> {
    const filter = { scheduleId: id, states: ['ready' as const] }
    const all = await everyItem((page) => this.#parts.ledger.read.snapshots(filter, page))
    const stay = kept(all, keep, timeZone)
    for (const snapshot of all) {
      if (stay.has(snapshot) || snapshot.pinned) continue
      try {
        await this.#snapshots.delete(snapshot)
      } catch (error) {
        this.#parts.log.warn({ err: error, snapshot: snapshot.id, schedule: id }, 'a snapshot that is not kept stayed')
      }
    }
  }

  #event(schedule: Schedule, data: Record<string, unknown>): Omit<Event, 'seq'> {
    const tick = schedule.lastTick
    return {
      teamId: schedule.teamId,
      type: `schedule.${tick?.outcome}`,
      sandboxId: schedule.sandboxId,
      snapshotId: tick?.snapshotId ?? null,
      imageId: null,
      data: { scheduleId: schedule.id, tick: tick?.at.toISOString(), reason: tick?.reason, ...data },
      at: this.#parts.clock.now(),
    }
  }
}
