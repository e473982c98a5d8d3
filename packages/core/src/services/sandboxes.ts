import type {
  CreateSandboxRequest,
  Principal,
  SandboxesApi,
  SandboxListFilter,
  Started,
  UpdateSandboxRequest,
} from '../api.ts'
import type { Guests } from '../guests.ts'
import { type IncarnationId, newId, type RootId, type SandboxId } from '../ids.ts'
import type { Operation, Sandbox, SandboxState, Schedule, TeamId, TimeoutPolicy } from '../model.ts'
import { begin } from '../operations/boot.ts'
import { newOperation, type OperationRunner, started } from '../operations/runner.ts'
import { type CreateDetail, sandboxCreate } from '../operations/sandbox-create.ts'
import { eachItem } from '../paging.ts'
import type { Parts } from '../parts.ts'
import type { Deadlines } from '../sandbox/deadlines.ts'
import type { Exchanger } from '../sandbox/exchanger.ts'
import type { Incarnations } from '../sandbox/incarnations.ts'
import { isUp, LIVING_STATES } from '../sandbox/lifecycle.ts'
import { sandboxEvent } from '../sandbox/records.ts'
import type { Ahead, Standby } from '../standby.ts'
import { checkOverrides } from './checks.ts'
import { Claims } from './claims.ts'
import { forkSandbox } from './fork.ts'
import { begunBefore, tie } from './idempotency.ts'
import { KnownSandboxes } from './known-sandboxes.ts'
import { LiveChanges } from './live-changes.ts'
import { mustBeReady, newSandbox } from './new-sandbox.ts'
import { claimQuota, useOf } from './quotas.ts'
import { findImage, findSandbox, findSnapshot } from './refs.ts'
import { ruleOf } from './remotes.ts'
import type { Samples } from './samples.ts'
import { checkSchedule, newSchedule } from './schedules.ts'
import { secretChanged } from './secret-changes.ts'
import { mustHaveSecrets } from './secrets.ts'
import { startPoint } from './start-point.ts'
import { type Still, Transitions } from './transitions.ts'
import { updateSandbox } from './updates.ts'
import { Uses } from './uses.ts'
import { findVolume, mustMount } from './volumes.ts'

/** States of sandboxes that a request from outside reaches: those that are up, and those that a use waits for or brings back. */
const REACHED: readonly SandboxState[] = [
  'running',
  'snapshotting',
  'pausing',
  'paused',
  'resuming',
  'stopping',
  'stopped',
  'starting',
]

/** What the core shares with its sandboxes. */
export interface Helpers {
  runner: OperationRunner
  guests: Guests
  deadlines: Deadlines
  standby: Standby
  incarnations: Incarnations
  samples: Samples
  exchanger: Exchanger
  /** To be called with the schedule of a new sandbox once it is recorded */
  scheduled(schedule: Schedule): void
}

export class Sandboxes implements SandboxesApi {
  readonly #parts: Parts
  readonly #runner: OperationRunner
  readonly #guests: Guests
  readonly #claims: Claims
  readonly #standby: Standby
  readonly #incarnations: Incarnations
  readonly #samples: Samples
  readonly #exchanger: Exchanger
  readonly #scheduled: Helpers['scheduled']
  readonly #transitions: Transitions
  readonly #live: LiveChanges
  readonly #known: KnownSandboxes
  readonly #uses: Uses

  constructor(parts: Parts, helpers: Helpers) {
    this.#parts = parts
    this.#runner = helpers.runner
    this.#guests = helpers.guests
    this.#standby = helpers.standby
    this.#incarnations = helpers.incarnations
    this.#samples = helpers.samples
    this.#exchanger = helpers.exchanger
    this.#scheduled = (schedule) => helpers.scheduled(schedule)
    this.#claims = new Claims(parts, helpers.runner)
    this.#transitions = new Transitions(parts, helpers.runner, helpers.exchanger)
    this.#live = new LiveChanges(parts, helpers.guests)
    this.#known = new KnownSandboxes(parts)
    this.#uses = new Uses(parts, { ...helpers, known: this.#known, live: this.#live, transitions: this.#transitions })
  }

  async create(by: Principal, request: CreateSandboxRequest): Promise<Started<Sandbox>> {
    const [begun, placed] = await Promise.allSettled([begunBefore(by, 'sandbox.create'), this.#place(by, request)])
    if (begun.status === 'rejected' || begun.value !== null) {
      if (placed.status === 'fulfilled') this.#giveUp(placed.value.ahead)
      if (begun.status === 'rejected') throw begun.reason
      return this.#claims.begun(begun.value as Operation)
    }
    if (placed.status === 'rejected') throw placed.reason
    const { point, sandbox, schedule, ahead, operation } = placed.value
    try {
      await this.#parts.ledger.transact(async (tx) => {
        await mustBeReady(tx, point.image, point.snapshot)
        await mustMount(tx, by.teamId, sandbox.volumes)
        await mustHaveSecrets(tx, by.teamId, sandbox.credentials)
        await mustHaveSecrets(tx, by.teamId, sandbox.remotes.map(ruleOf), ['remotes', 'auth'])
        await claimQuota(tx, by.teamId, useOf([sandbox]))
        await tx.putSandbox(sandbox)
        if (schedule !== null) await tx.putSchedule(schedule)
        await tx.putOperation(operation)
        await tie(tx, by, operation)
        await tx.addEvent(sandboxEvent(this.#parts, sandbox, 'sandbox.creating', {}))
      })
    } catch (error) {
      // A commit whose answer was lost may have happened; its operation is then undone.
      this.#giveUp(ahead)
      throw error
    }
    if (schedule !== null) this.#scheduled(schedule)
    const launched = this.#runner.launch(sandboxCreate, operation)
    launched.done.then(
      () => {
        this.#standby.expect(point.origin, sandbox.resources)
        this.#known.expect(sandbox.id)
      },
      () => {}, // its caller hears of the failure
    )
    return started(sandbox, launched)
  }

  /**
   * A new sandbox that is in no record yet. What was made ahead for it is in none either way, so it comes up while the rest
   * is being claimed, and is to be given up if it cannot be. Not with secrets: one that is changed meanwhile must find who has it.
   */
  async #place(by: Principal, request: CreateSandboxRequest) {
    checkOverrides(request)
    if (request.schedule !== undefined) checkSchedule(request.schedule)
    const point = await startPoint(this.#parts, by.teamId, request, this.#standby)
    const { image, snapshot, source, origin } = point
    const sandbox = newSandbox(this.#parts, by.teamId, source, request)
    const schedule = request.schedule === undefined ? null : newSchedule(this.#parts, sandbox, request.schedule)
    // What is made ahead mounts nothing.
    const ahead = sandbox.volumes.length > 0 ? null : this.#standby.take(origin, sandbox.resources)
    const detail: CreateDetail = {
      sandboxId: sandbox.id,
      incarnationId: ahead?.incarnationId ?? newId<IncarnationId>(),
      rootId: ahead?.rootId ?? newId<RootId>(),
      imageId: image?.id ?? null,
      snapshotId: snapshot?.id ?? null,
      cold: request.cold ?? false,
      ahead: ahead !== null,
    }
    const operation = newOperation(this.#parts, {
      teamId: by.teamId,
      kind: 'sandbox.create',
      sandboxId: sandbox.id,
      // An operation that names a snapshot or an image keeps it from being deleted meanwhile.
      snapshotId: image === null ? (snapshot?.id ?? null) : null,
      imageId: image?.id ?? null,
      detail,
    })
    if (ahead !== null && sandbox.credentials.length === 0) {
      try {
        const { memory } = origin
        this.#guests.comes(ahead.incarnationId, begin(this.#parts, sandbox, { ...ahead, memory }, []))
      } catch (error) {
        this.#giveUp(ahead)
        throw error
      }
    }
    return { point, sandbox, schedule, ahead, operation }
  }

  #giveUp(ahead: Ahead | null): void {
    if (ahead === null) return
    this.#guests.forget(ahead.incarnationId)
    this.#standby.drop(ahead)
  }

  get: SandboxesApi['get'] = (by, ref) => findSandbox(this.#parts.ledger.read, by.teamId, ref)

  async list(by: Principal, filter: SandboxListFilter, page: Parameters<SandboxesApi['list']>[2]) {
    const { read } = this.#parts.ledger
    return read.sandboxes(
      {
        teamId: by.teamId,
        states: filter.states ?? LIVING_STATES,
        name: filter.name,
        labels: filter.labels,
        imageId: filter.image === undefined ? undefined : (await findImage(read, by.teamId, filter.image)).id,
        sourceSnapshotId:
          filter.snapshot === undefined ? undefined : (await findSnapshot(read, by.teamId, filter.snapshot)).id,
        volumeId: filter.volume === undefined ? undefined : (await findVolume(read, by.teamId, filter.volume)).id,
      },
      page,
    )
  }

  async update(by: Principal, ref: string, request: UpdateSandboxRequest): Promise<Sandbox> {
    const { id } = await findSandbox(this.#parts.ledger.read, by.teamId, ref)
    return updateSandbox(this.#parts, this.#runner, this.#live, { id, ref }, request)
  }

  secretChanged(teamId: TeamId, name: string): Promise<void> {
    return secretChanged(this.#parts, this.#runner, this.#live, { teamId, name })
  }

  pause: SandboxesApi['pause'] = (by, ref) => this.#transitions.pause(by, ref)
  resume: SandboxesApi['resume'] = (by, ref, request) => this.#transitions.resume(by, ref, request)
  stop: SandboxesApi['stop'] = (by, ref) => this.#transitions.stop(by, ref)
  start: SandboxesApi['start'] = (by, ref, request) => this.#transitions.start(by, ref, request)
  rollback: SandboxesApi['rollback'] = (by, ref, request) => this.#transitions.rollback(by, ref, request)
  exchange: SandboxesApi['exchange'] = async (by, ref) => {
    const { sandbox } = await this.guest(by, ref)
    await this.#exchanger.now(sandbox)
    return findSandbox(this.#parts.ledger.read, by.teamId, sandbox.id)
  }
  kill: SandboxesApi['kill'] = (by, ref) => this.#transitions.kill(by, ref)

  /** What a time that has come asks for, unless it is put off (`still`) before its turn. */
  async timeOut(by: Principal, id: SandboxId, action: TimeoutPolicy['onTimeout'], still: Still): Promise<void> {
    if (action === 'kill') await this.#transitions.kill(by, id, still)
    else await (await this.#transitions[action](by, id, still)).done
  }

  fork: SandboxesApi['fork'] = (by, ref, request) => forkSandbox(this.#parts, this.#claims, by, ref, request)

  guest: SandboxesApi['guest'] = (by, ref) => this.#uses.guest(by, ref)
  keepActive: SandboxesApi['keepActive'] = (by, ref) => this.#uses.keepActive(by, ref)

  /** To be called after each transaction that may have written this record, before its writer is answered. */
  changed(id: SandboxId): void {
    this.#known.changed(id)
  }

  async reach(id: string): Promise<{ by: Principal; sandbox: Sandbox } | null> {
    const sandbox = await this.#known.byId(id)
    return sandbox === null || sandbox.state === 'killed' ? null : reached(sandbox)
  }

  async *reachAll(): AsyncIterable<{ by: Principal; sandbox: Sandbox }> {
    const { read } = this.#parts.ledger
    for await (const sandbox of eachItem((page) => read.sandboxes({ states: REACHED }, page)))
      if (isUp(sandbox) || sandbox.timeout.autoResume) yield reached(sandbox)
  }

  gone: SandboxesApi['gone'] = (id, incarnationId) => this.#incarnations.gone(id, incarnationId)

  async usage(by: Principal, ref: string) {
    const sandbox = await findSandbox(this.#parts.ledger.read, by.teamId, ref)
    const host =
      sandbox.incarnationId === null
        ? { cpuMs: 0, memoryBytes: 0 }
        : await this.#parts.runtime.usage(sandbox.incarnationId)
    const disk = sandbox.rootId === null ? 0 : (await this.#parts.pool.rootUsage(sandbox.rootId)).exclusiveBytes
    return { cpuMs: host.cpuMs, memoryBytes: host.memoryBytes, diskBytes: disk }
  }

  async metrics(by: Principal, ref: string, range: { from?: Date | undefined; to?: Date | undefined }) {
    return this.#samples.of(await findSandbox(this.#parts.ledger.read, by.teamId, ref), range)
  }
}

function reached(sandbox: Sandbox): { by: Principal; sandbox: Sandbox } {
  return { by: { teamId: sandbox.teamId, keyId: null }, sandbox }
}
