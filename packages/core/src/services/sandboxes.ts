import type {
  CreateSandboxRequest,
  ForkRequest,
  Principal,
  Resolved,
  SandboxesApi,
  SandboxListFilter,
  Started,
  UpdateSandboxRequest,
} from '../api.ts'
import { invalidArgument, isCode, SpawnpointError } from '../errors.ts'
import type { Guests } from '../guests.ts'
import { type IncarnationId, newId, type RootId, type SandboxId, type SnapshotId } from '../ids.ts'
import type { Operation, Sandbox } from '../model.ts'
import { newOperation, type OperationRunner, started } from '../operations/runner.ts'
import { type CreateDetail, sandboxCreate } from '../operations/sandbox-create.ts'
import { childrenOf, type ForkDetail, sandboxFork } from '../operations/sandbox-fork.ts'
import { type KillDetail, sandboxKill } from '../operations/sandbox-kill.ts'
import { type PauseDetail, sandboxPause } from '../operations/sandbox-pause.ts'
import { type ResumeDetail, sandboxResume } from '../operations/sandbox-resume.ts'
import { type RollbackDetail, sandboxRollback } from '../operations/sandbox-rollback.ts'
import { type StartDetail, sandboxStart } from '../operations/sandbox-start.ts'
import { type StopDetail, sandboxStop } from '../operations/sandbox-stop.ts'
import type { Parts } from '../parts.ts'
import type { Guest, LedgerTx } from '../ports/index.ts'
import type { Deadlines } from '../sandbox/deadlines.ts'
import { ARRIVING, decide } from '../sandbox/decide.ts'
import { LIVING_STATES } from '../sandbox/lifecycle.ts'
import { expiryFrom, type LiveSandbox, moveSandbox, sandboxEvent } from '../sandbox/records.ts'
import { newSnapshot } from '../snapshot/new-snapshot.ts'
import { imageOrigin, type Standby, snapshotOrigin } from '../standby.ts'
import { checkLabels, checkOverrides, mergeNetwork, mergeTimeout } from './checks.ts'
import { Claims, openOperation } from './claims.ts'
import { begunBefore, tie } from './idempotency.ts'
import { fromImage, fromSnapshot, mustBeReady, newSandbox } from './new-sandbox.ts'
import { checkName, findImage, findSandbox, findSnapshot, findSource } from './refs.ts'

export const MAX_FORK_CHILDREN = 100
/** Records remembered; with more, all are forgotten. */
const MAX_RECORDS = 10_000

export class Sandboxes implements SandboxesApi {
  readonly #parts: Parts
  readonly #runner: OperationRunner
  readonly #guests: Guests
  readonly #claims: Claims
  readonly #deadlines: Deadlines
  readonly #standby: Standby
  readonly #networkTurns = new Map<SandboxId, Promise<void>>()
  /** Records of sandboxes in use, as the ledger has them: dropped with every change, see `changed` */
  readonly #records = new Map<string, Sandbox>()
  #changes = 0

  constructor(parts: Parts, runner: OperationRunner, guests: Guests, deadlines: Deadlines, standby: Standby) {
    this.#parts = parts
    this.#runner = runner
    this.#guests = guests
    this.#claims = new Claims(parts, runner)
    this.#deadlines = deadlines
    this.#standby = standby
  }

  async create(by: Principal, request: CreateSandboxRequest): Promise<Started<Sandbox>> {
    const begun = begunBefore(by, 'sandbox.create')
    if (begun !== null) return this.#claims.begun(begun)
    checkOverrides(request)
    const { ledger } = this.#parts
    const found = await this.#source(by, request)
    const cold = request.cold ?? false
    const image = 'image' in found ? found.image : null
    const snapshot = 'snapshot' in found ? found.snapshot : null
    const source = 'image' in found ? fromImage(this.#parts, found.image) : fromSnapshot(found.snapshot, cold)
    const sandbox = newSandbox(this.#parts, by.teamId, source, request)
    const origin = 'image' in found ? imageOrigin(found.image) : snapshotOrigin(found.snapshot, cold)
    const ahead = this.#standby.take(origin, sandbox.resources)
    const detail: CreateDetail = {
      sandboxId: sandbox.id,
      incarnationId: ahead?.incarnationId ?? newId<IncarnationId>(),
      rootId: ahead?.rootId ?? newId<RootId>(),
      imageId: image?.id ?? null,
      snapshotId: snapshot?.id ?? null,
      cold,
      ahead: ahead !== null,
    }
    const operation = newOperation(this.#parts, {
      teamId: by.teamId,
      kind: 'sandbox.create',
      phase: 'creating',
      sandboxId: sandbox.id,
      // An operation that names a snapshot keeps it from being deleted meanwhile.
      snapshotId: snapshot?.id ?? null,
      imageId: image?.id ?? null,
      detail,
    })
    try {
      await ledger.transact(async (tx) => {
        await mustBeReady(tx, image, snapshot)
        await tx.putSandbox(sandbox)
        await tx.putOperation(operation)
        await tie(tx, by, operation)
        await tx.addEvent(sandboxEvent(this.#parts, sandbox, 'sandbox.creating', {}))
      })
    } catch (error) {
      // A commit whose answer was lost may have happened; its operation is undone at the next start either way.
      if (ahead !== null) this.#standby.drop(ahead)
      throw error
    }
    const launched = this.#runner.launch(sandboxCreate, operation)
    launched.done.then(
      () => this.#standby.expect(origin, sandbox.resources),
      () => {}, // its caller hears of the failure
    )
    return started(sandbox, launched)
  }

  async #source({ teamId }: Principal, { image, snapshot, from }: CreateSandboxRequest): Promise<Resolved> {
    const { read } = this.#parts.ledger
    if ([image, snapshot, from].filter((ref) => ref !== undefined).length !== 1)
      throw invalidArgument('image', 'give exactly one of image, snapshot and from')
    if (image !== undefined) return { image: await findImage(read, teamId, image) }
    if (snapshot !== undefined) return { snapshot: await findSnapshot(read, teamId, snapshot) }
    return findSource(read, teamId, from as string)
  }

  get: SandboxesApi['get'] = (by, ref) => findSandbox(this.#parts.ledger.read, by.teamId, ref)

  async list(by: Principal, filter: SandboxListFilter, page: Parameters<SandboxesApi['list']>[2]) {
    const { read } = this.#parts.ledger
    return read.sandboxes(
      {
        teamId: by.teamId,
        states: filter.states ?? [...LIVING_STATES],
        name: filter.name,
        labels: filter.labels,
        imageId: filter.image === undefined ? undefined : (await findImage(read, by.teamId, filter.image)).id,
        sourceSnapshotId:
          filter.snapshot === undefined ? undefined : (await findSnapshot(read, by.teamId, filter.snapshot)).id,
      },
      page,
    )
  }

  async update(by: Principal, ref: string, request: UpdateSandboxRequest): Promise<Sandbox> {
    if (request.name !== undefined && request.name !== null) checkName('name', request.name)
    if (request.labels !== undefined) checkLabels(request.labels)
    const { id } = await findSandbox(this.#parts.ledger.read, by.teamId, ref)
    const change = async (tx: LedgerTx) => {
      const sandbox = await tx.lockSandbox(id)
      if (sandbox === null || sandbox.state === 'killed') throw gone(ref)
      // What is coming up has the policy that was recorded when it began.
      const arriving = request.network !== undefined && ARRIVING.includes(sandbox.state)
      const open = arriving ? await openOperation(tx, sandbox) : null
      if (open !== null) return { waitFor: open.id }
      const timeout = mergeTimeout(sandbox.timeout, request.timeout)
      const next: Sandbox = {
        ...sandbox,
        name: request.name === undefined ? sandbox.name : request.name,
        labels: request.labels ?? sandbox.labels,
        network: mergeNetwork(sandbox.network, request.network),
        timeout,
      }
      if (request.timeout?.timeoutMs !== undefined && sandbox.expiresAt !== undefined) {
        next.expiresAt = sandbox.incarnationId === null ? null : expiryFrom(this.#parts, next)
      }
      await tx.putSandbox(next)
      await tx.addEvent(sandboxEvent(this.#parts, next, 'sandbox.updated', {}))
      return next
    }
    let updated = await this.#parts.ledger.transact(change)
    while ('waitFor' in updated) {
      await this.#runner.ended(updated.waitFor)
      updated = await this.#parts.ledger.transact(change)
    }
    this.#deadlines.watch(updated)
    if (request.network !== undefined) await this.#applyNetwork(id)
    return updated
  }

  /** Gives the incarnation the policy that is recorded now. One at a time, or of two changes the earlier could stay. */
  async #applyNetwork(id: SandboxId): Promise<void> {
    const { ledger, runtime } = this.#parts
    const apply = async () => {
      const sandbox = await ledger.read.sandbox(id)
      if (sandbox === null || sandbox.incarnationId === null) return
      try {
        await runtime.setNetwork(sandbox.incarnationId, sandbox.network)
      } catch (error) {
        // It has ended meanwhile; the next one begins with what is recorded.
        if (!isCode(error, 'stale_incarnation')) throw error
      }
    }
    const turn = (this.#networkTurns.get(id) ?? Promise.resolve()).then(apply, apply)
    this.#networkTurns.set(id, turn)
    try {
      await turn
    } finally {
      if (this.#networkTurns.get(id) === turn) this.#networkTurns.delete(id)
    }
  }

  pause = (by: Principal, ref: string): Promise<Started<Sandbox>> =>
    this.#claims.transition(by, ref, 'pause', sandboxPause, async (tx, current) => {
      const sandbox = current as LiveSandbox
      const snapshot = newSnapshot(this.#parts, sandbox, { kind: 'memory', internal: true })
      await tx.putSnapshot(snapshot)
      const detail: PauseDetail = {
        sandboxId: sandbox.id,
        incarnationId: sandbox.incarnationId,
        rootId: sandbox.rootId,
        snapshotId: snapshot.id,
      }
      return this.#claim(tx, sandbox, 'pause', this.#operation(sandbox, 'sandbox.pause', 'capturing', detail))
    })

  resume = (by: Principal, ref: string): Promise<Started<Sandbox>> =>
    this.#claims.transition(by, ref, 'resume', sandboxResume, async (tx, sandbox) => {
      const detail: ResumeDetail = {
        sandboxId: sandbox.id,
        incarnationId: newId<IncarnationId>(),
        rootId: newId<RootId>(),
        snapshotId: sandbox.pausedSnapshotId as SnapshotId,
      }
      return this.#claim(tx, sandbox, 'resume', this.#operation(sandbox, 'sandbox.resume', 'restoring', detail))
    })

  stop = (by: Principal, ref: string): Promise<Started<Sandbox>> =>
    this.#claims.transition(by, ref, 'stop', sandboxStop, async (tx, sandbox) => {
      const detail: StopDetail = { sandboxId: sandbox.id, incarnationId: sandbox.incarnationId as IncarnationId }
      return this.#claim(tx, sandbox, 'stop', this.#operation(sandbox, 'sandbox.stop', 'stopping', detail))
    })

  start = (by: Principal, ref: string): Promise<Started<Sandbox>> =>
    this.#claims.transition(by, ref, 'start', sandboxStart, async (tx, sandbox) => {
      if (sandbox.rootId === null) {
        throw new SpawnpointError('wrong_state', 'The sandbox has no files left to start from', {
          resource: 'sandbox',
          id: sandbox.id,
          state: sandbox.state,
          request: 'start',
        })
      }
      const detail: StartDetail = {
        sandboxId: sandbox.id,
        incarnationId: newId<IncarnationId>(),
        rootId: sandbox.rootId,
      }
      return this.#claim(tx, sandbox, 'start', this.#operation(sandbox, 'sandbox.start', 'starting', detail))
    })

  async rollback(by: Principal, ref: string, request: { snapshot: string }): Promise<Started<Sandbox>> {
    const snapshot = await findSnapshot(this.#parts.ledger.read, by.teamId, request.snapshot)
    return this.#claims.transition(by, ref, 'rollback', sandboxRollback, async (tx, sandbox) => {
      if (snapshot.sandboxId !== sandbox.id && snapshot.id !== sandbox.sourceSnapshotId) {
        throw invalidArgument(
          'snapshot',
          `${snapshot.id} is not a snapshot of this sandbox; start a new sandbox from it instead`,
        )
      }
      await mustBeReady(tx, null, snapshot)
      const detail: RollbackDetail = {
        sandboxId: sandbox.id,
        snapshotId: snapshot.id,
        from: sandbox.state,
        oldIncarnationId: sandbox.incarnationId,
        oldRootId: sandbox.rootId,
        oldPausedSnapshotId: sandbox.pausedSnapshotId,
        incarnationId: newId<IncarnationId>(),
        rootId: newId<RootId>(),
      }
      const operation = this.#operation(sandbox, 'sandbox.rollback', 'restoring', detail)
      return this.#claim(tx, sandbox, 'rollback', { ...operation, snapshotId: snapshot.id })
    })
  }

  async fork(by: Principal, ref: string, request: ForkRequest) {
    const { count, mode, overrides = {}, children = [] } = request
    if (!Number.isInteger(count) || count < 1 || count > MAX_FORK_CHILDREN)
      throw invalidArgument('count', `1 to ${MAX_FORK_CHILDREN}`)
    if (children.length > count) throw invalidArgument('children', 'more entries than count')
    if (overrides.name !== undefined)
      throw invalidArgument('overrides.name', 'a name can be given to one child only; use children')
    for (const one of [overrides, ...children]) checkOverrides(one)

    const answer = await this.#claims.request(by, ref, 'fork', sandboxFork, async (tx, current) => {
      const sandbox = current as LiveSandbox
      const snapshot = newSnapshot(this.#parts, sandbox, { kind: 'memory', internal: true })
      await tx.putSnapshot(snapshot)
      const details: CreateDetail[] = []
      for (let n = 0; n < count; n += 1) {
        const child = newSandbox(this.#parts, by.teamId, fromSnapshot(snapshot, false), {
          ...overrides,
          ...children[n],
        })
        const record: Sandbox = { ...child, parentSandboxId: sandbox.id, sourceSnapshotId: sandbox.sourceSnapshotId }
        await tx.putSandbox(record)
        details.push({
          sandboxId: record.id,
          incarnationId: newId<IncarnationId>(),
          rootId: newId<RootId>(),
          imageId: null,
          snapshotId: snapshot.id,
          cold: false,
          ahead: false,
        })
      }
      const detail: ForkDetail = {
        sandboxId: sandbox.id,
        incarnationId: sandbox.incarnationId,
        rootId: sandbox.rootId,
        snapshotId: snapshot.id,
        mode,
        children: details,
      }
      return this.#claim(tx, sandbox, 'snapshot', this.#operation(sandbox, 'sandbox.fork', 'capturing', detail))
    })
    if (answer.outcome === 'begun') {
      const { id, detail } = answer.operation
      return { operationId: id, done: childrenOf(this.#parts.ledger.read, detail as unknown as ForkDetail) }
    }
    if (answer.outcome !== 'launched') throw new Error('a fork is neither joined nor ignored')
    return { operationId: answer.operationId, done: answer.done }
  }

  async kill(by: Principal, ref: string): Promise<void> {
    const answer = await this.#claims.request(by, ref, 'kill', sandboxKill, async (tx, sandbox) => {
      const detail: KillDetail = {
        sandboxId: sandbox.id,
        incarnationId: sandbox.incarnationId,
        rootId: sandbox.rootId,
        pausedSnapshotId: sandbox.pausedSnapshotId,
      }
      return this.#claim(tx, sandbox, 'kill', this.#operation(sandbox, 'sandbox.kill', 'killing', detail))
    })
    if (answer.outcome === 'launched') await answer.done
    if (answer.outcome === 'joined') {
      const { id } = answer.operation
      await (this.#runner.outcome(id) ?? this.#runner.ended(id))
    }
  }

  async guest(by: Principal, ref: string): Promise<{ sandbox: Sandbox; guest: Guest }> {
    for (;;) {
      const sandbox = await this.#find(by, ref)
      if (sandbox.state === 'running' || sandbox.state === 'snapshotting') {
        this.#deadlines.touch(sandbox.id)
        return { sandbox, guest: await this.#guests.of(sandbox) }
      }
      const open = await this.#parts.ledger.transact((tx) => openOperation(tx, sandbox))
      const decision = decide(sandbox, open, 'use')
      if (decision.do === 'deny') throw decision.error
      if (decision.do === 'wait') await this.#runner.ended(decision.operation.id)
    }
  }

  /** To be called after each transaction that may have written this record, before its writer is answered. */
  changed(id: SandboxId): void {
    this.#changes += 1
    this.#records.delete(id)
  }

  async #find(by: Principal, ref: string): Promise<Sandbox> {
    const known = this.#records.get(ref)
    if (known?.teamId === by.teamId) return known
    const before = this.#changes
    const sandbox = await findSandbox(this.#parts.ledger.read, by.teamId, ref)
    // Not by name, which may come to mean another; not if anything was written while this was read.
    if (ref === sandbox.id && sandbox.state === 'running' && before === this.#changes) {
      if (this.#records.size >= MAX_RECORDS) this.#records.clear()
      this.#records.set(sandbox.id, sandbox)
    }
    return sandbox
  }

  async keepActive(by: Principal, ref: string): Promise<Disposable> {
    const { id } = await findSandbox(this.#parts.ledger.read, by.teamId, ref)
    return this.#deadlines.keepActive(id)
  }

  async usage(by: Principal, ref: string) {
    const sandbox = await findSandbox(this.#parts.ledger.read, by.teamId, ref)
    const host =
      sandbox.incarnationId === null
        ? { cpuMs: 0, memoryBytes: 0 }
        : await this.#parts.runtime.usage(sandbox.incarnationId)
    const disk = sandbox.rootId === null ? 0 : (await this.#parts.pool.rootUsage(sandbox.rootId)).exclusiveBytes
    return { ...host, diskBytes: disk }
  }

  #operation(sandbox: Sandbox, kind: Operation['kind'], phase: string, detail: object): Operation {
    return newOperation(this.#parts, { teamId: sandbox.teamId, kind, phase, sandboxId: sandbox.id, detail })
  }

  async #claim(
    tx: LedgerTx,
    sandbox: Sandbox,
    event: string,
    operation: Operation,
  ): Promise<{ operation: Operation; value: Sandbox }> {
    return {
      operation,
      value: await moveSandbox(this.#parts, tx, sandbox.id, event, {}, { operationId: operation.id }),
    }
  }
}

function gone(ref: string): SpawnpointError {
  return new SpawnpointError('not_found', `No such sandbox: ${ref}`, { resource: 'sandbox', ref })
}
