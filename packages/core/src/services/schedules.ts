import type {
  CreateScheduleRequest,
  NewSandboxSchedule,
  Principal,
  SchedulesApi,
  ScheduleView,
  UpdateScheduleRequest,
} from '../api.ts'
import { invalidArgument, notFound, SpawnpointError } from '../errors.ts'
import { newId, type ScheduleId } from '../ids.ts'
import type { KeepRule, Sandbox, Schedule } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { Page, PageRequest } from '../ports/index.ts'
import { checkCron, nextTick } from '../schedule/cron.ts'
import type { Scheduler } from '../schedule/scheduler.ts'
import { findSandbox } from './refs.ts'

/** Of one sandbox */
export const MAX_SCHEDULES = 10
const MAX_KEPT = 10_000

export class Schedules implements SchedulesApi {
  readonly #parts: Parts
  readonly #scheduler: Scheduler

  constructor(parts: Parts, scheduler: Scheduler) {
    this.#parts = parts
    this.#scheduler = scheduler
  }

  async create(by: Principal, request: CreateScheduleRequest): Promise<ScheduleView> {
    const { ledger } = this.#parts
    checkSchedule(request)
    const { id: sandboxId } = await findSandbox(ledger.read, by.teamId, request.sandbox)
    const schedule = newSchedule(this.#parts, { teamId: by.teamId, id: sandboxId }, request)
    await ledger.transact(async (tx) => {
      const sandbox = await tx.lockSandbox(sandboxId)
      if (sandbox === null || sandbox.state === 'killed') throw notFound('sandbox', request.sandbox)
      const { items } = await tx.schedules({ sandboxId }, { limit: MAX_SCHEDULES })
      if (items.length >= MAX_SCHEDULES) {
        throw new SpawnpointError('limit_exceeded', `A sandbox has at most ${MAX_SCHEDULES} schedules`, {
          limit: 'schedules',
          allowed: MAX_SCHEDULES,
          asked: items.length + 1,
        })
      }
      await tx.putSchedule(schedule)
    })
    this.#scheduler.watch(schedule)
    return view(schedule)
  }

  async get(by: Principal, id: string): Promise<ScheduleView> {
    return view(await this.#find(by, id))
  }

  async list(by: Principal, filter: { sandbox?: string | undefined }, page: PageRequest): Promise<Page<ScheduleView>> {
    const { read } = this.#parts.ledger
    const sandboxId = filter.sandbox === undefined ? undefined : (await findSandbox(read, by.teamId, filter.sandbox)).id
    const { items, next } = await read.schedules({ teamId: by.teamId, sandboxId }, page)
    return { items: items.map(view), next }
  }

  async update(by: Principal, id: string, request: UpdateScheduleRequest): Promise<ScheduleView> {
    const { id: known } = await this.#find(by, id)
    const updated = await this.#parts.ledger.transact(async (tx) => {
      const schedule = await tx.lockSchedule(known)
      if (schedule === null) throw notFound('schedule', id)
      const next: Schedule = {
        ...schedule,
        cron: request.cron?.trim() ?? schedule.cron,
        timeZone: request.timeZone ?? schedule.timeZone,
        kind: request.kind ?? schedule.kind,
        keep: merged(schedule.keep, request.keep),
        enabled: request.enabled ?? schedule.enabled,
        // Ticks of the old times, or of the time it was switched off, are nobody's.
        decidedUntil: this.#parts.clock.now(),
      }
      checkCron(next.cron, next.timeZone)
      await tx.putSchedule(next)
      return next
    })
    this.#scheduler.watch(updated)
    return view(updated)
  }

  async delete(by: Principal, id: string): Promise<void> {
    const { id: known } = await this.#find(by, id)
    await this.#parts.ledger.transact((tx) => tx.deleteSchedule(known))
    this.#scheduler.forget(known)
  }

  async #find(by: Principal, id: string): Promise<Schedule> {
    const schedule = await this.#parts.ledger.read.schedule(id as ScheduleId)
    if (schedule?.teamId !== by.teamId) throw notFound('schedule', id)
    return schedule
  }
}

export function checkSchedule({ cron, timeZone = 'UTC', keep }: NewSandboxSchedule): void {
  checkCron(cron, timeZone)
  merged(KEEP_ALL, keep)
}

/** The record of one about to be made. Its first tick is the next one. Preconditions: `checkSchedule` accepted it. */
export function newSchedule(
  parts: Parts,
  { teamId, id: sandboxId }: Pick<Sandbox, 'teamId' | 'id'>,
  { cron, timeZone = 'UTC', kind, keep, enabled = true }: NewSandboxSchedule,
): Schedule {
  const now = parts.clock.now()
  return {
    id: newId<ScheduleId>(),
    teamId,
    sandboxId,
    cron: cron.trim(),
    timeZone,
    kind,
    keep: merged(KEEP_ALL, keep),
    enabled,
    createdAt: now,
    decidedUntil: now,
    lastTick: null,
  }
}

const KEEP_ALL: KeepRule = { last: null, hourly: null, daily: null, weekly: null, monthly: null }

function merged(base: KeepRule, asked: Partial<KeepRule> | undefined): KeepRule {
  const keep = { ...base, ...asked }
  for (const [name, value] of Object.entries(keep)) {
    if (value !== null && (!Number.isInteger(value) || value < 1 || value > MAX_KEPT))
      throw invalidArgument(`keep.${name}`, `1 to ${MAX_KEPT}, or null`)
  }
  return keep
}

function view(schedule: Schedule): ScheduleView {
  const { cron, timeZone, enabled, decidedUntil } = schedule
  return { ...schedule, nextAt: enabled ? nextTick(cron, timeZone, decidedUntil) : null }
}
