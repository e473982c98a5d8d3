import type { DrillRequest, Principal, Started } from '../api.ts'
import { Background } from '../background.ts'
import { invalidArgument, isCode, SpawnpointError } from '../errors.ts'
import { type IncarnationId, newId, type RootId, type SandboxId } from '../ids.ts'
import type { Operation, Snapshot, SnapshotId } from '../model.ts'
import { newOperation, type OperationRunner, started } from '../operations/runner.ts'
import { type CheckDetail, snapshotCheck } from '../operations/snapshot-check.ts'
import { type DrillDetail, snapshotDrill } from '../operations/snapshot-drill.ts'
import { everyItem } from '../paging.ts'
import type { Parts } from '../parts.ts'
import { mustBeReady } from './new-sandbox.ts'
import { findSnapshot } from './refs.ts'
import { mustHoldNoVolumes } from './volumes.ts'

const PROBE = ['true']
const PROBE_MS = 60_000
const MAX_PROBE_MS = 3_600_000
const MAX_PROBE_ARGS = 256
/** Milliseconds between two looks at what is due */
const EVERY_MS = 10 * 60_000
/** Reading may take this share of the time, whatever the disk makes of idle priority */
const SHARE = 1 / 4

/**
 * Looks whether snapshots are still worth something: on request, and of itself as often as the server is told, one after
 * the other.
 */
export class Verification {
  readonly #parts: Parts
  readonly #runner: OperationRunner
  /** Of itself: when each was last tried, however it came out */
  readonly #tried = { check: new Map<SnapshotId, number>(), drill: new Map<SnapshotId, number>() }
  readonly #background: Background

  constructor(parts: Parts, runner: OperationRunner) {
    this.#parts = parts
    this.#runner = runner
    this.#background = new Background(parts, () => this.#run())
  }

  async check(by: Principal, ref: string): Promise<Started<Snapshot>> {
    return this.#check(await findSnapshot(this.#parts.ledger.read, by.teamId, ref))
  }

  async drill(by: Principal, ref: string, request: DrillRequest): Promise<Started<Snapshot>> {
    const { probe = PROBE, timeoutMs = PROBE_MS } = request
    if (probe.length === 0 || probe.length > MAX_PROBE_ARGS || probe[0] === '') {
      throw invalidArgument('probe', `a program and its arguments, at most ${MAX_PROBE_ARGS} in all`)
    }
    if (!Number.isFinite(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_PROBE_MS) {
      throw invalidArgument('timeoutMs', `1 to ${MAX_PROBE_MS} milliseconds`)
    }
    return this.#drill(await findSnapshot(this.#parts.ledger.read, by.teamId, ref), { probe, timeoutMs })
  }

  start(): void {
    const { checkEveryMs, drillEveryMs } = this.#parts.config.verify
    if (checkEveryMs !== null || drillEveryMs !== null) this.#background.start(EVERY_MS)
  }

  /** Resolves when nothing more is begun. Preconditions: `closing` is aborted. */
  close(): Promise<void> {
    return this.#background.close()
  }

  async #check(snapshot: Snapshot, { idle = false } = {}): Promise<Started<Snapshot>> {
    const detail: CheckDetail = { snapshotId: snapshot.id, idle }
    const operation = await this.#claim(snapshot, 'snapshot.check', detail)
    return started(snapshot, this.#runner.launch(snapshotCheck, operation))
  }

  async #drill(
    snapshot: Snapshot,
    how: Pick<DrillDetail, 'probe' | 'timeoutMs'> = { probe: PROBE, timeoutMs: PROBE_MS },
  ): Promise<Started<Snapshot>> {
    mustHoldNoVolumes(snapshot, 'The trial would write to them')
    const detail: DrillDetail = {
      snapshotId: snapshot.id,
      sandboxId: newId<SandboxId>(),
      incarnationId: newId<IncarnationId>(),
      rootId: newId<RootId>(),
      ...how,
    }
    const operation = await this.#claim(snapshot, 'snapshot.drill', detail)
    return started(snapshot, this.#runner.launch(snapshotDrill, operation))
  }

  async #claim(snapshot: Snapshot, kind: 'snapshot.check' | 'snapshot.drill', detail: object): Promise<Operation> {
    const { id, teamId } = snapshot
    const operation = newOperation(this.#parts, {
      teamId,
      kind,
      snapshotId: id,
      detail,
    })
    await this.#parts.ledger.transact(async (tx) => {
      await mustBeReady(tx, null, snapshot)
      const open = await tx.operations(
        { snapshotId: id, states: ['open'], kinds: ['snapshot.check', 'snapshot.drill'] },
        { limit: 1 },
      )
      const [other] = open.items
      if (other !== undefined) {
        throw new SpawnpointError('operation_in_progress', 'The snapshot is being checked already', {
          resource: 'snapshot',
          id,
          operation: other.kind,
        })
      }
      await tx.putOperation(operation)
    })
    return operation
  }

  // ---------------------------------------------------------------- of itself

  async #run(): Promise<number> {
    const { checkEveryMs, drillEveryMs } = this.#parts.config.verify
    try {
      for (const snapshot of await this.#ready()) {
        // Pauses and layers are many and may not live long.
        const last = snapshot.checkedAt ?? (snapshot.internal ? snapshot.readyAt : null)
        await this.#ifDue('check', snapshot, last, checkEveryMs)
        if (!snapshot.internal) await this.#ifDue('drill', snapshot, snapshot.verifiedAt, drillEveryMs)
      }
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'snapshots could not be checked; trying again')
    }
    return EVERY_MS
  }

  /** Never looked at at first, so that digests of memory are from soon after it was written. */
  async #ifDue(how: 'check' | 'drill', snapshot: Snapshot, last: Date | null, everyMs: number | null): Promise<void> {
    const { clock, closing, log } = this.#parts
    const now = clock.now().getTime()
    const tried = Math.max(last?.getTime() ?? 0, this.#tried[how].get(snapshot.id) ?? 0)
    if (everyMs === null || closing.aborted || now - tried < everyMs) return
    if (how === 'drill' && snapshot.volumes.length > 0) return
    this.#tried[how].set(snapshot.id, now)
    const began = clock.uptimeMs()
    try {
      const { done } = await (how === 'check' ? this.#check(snapshot, { idle: true }) : this.#drill(snapshot))
      const { checkFailure } = await done
      if (checkFailure !== null) log.warn({ snapshot: snapshot.id, checkFailure }, 'something is wrong with a snapshot')
      await this.#rest((clock.uptimeMs() - began) * (1 / SHARE - 1))
    } catch (error) {
      // It is being deleted, or the server closes: no news. Anything else the operation has logged.
      if (isCode(error, 'unavailable')) throw error
    }
  }

  async #rest(ms: number): Promise<void> {
    const { clock, closing } = this.#parts
    if (ms <= 0 || closing.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const over = () => resolve()
    using _timer = clock.after(ms, over)
    closing.addEventListener('abort', over, { once: true })
    await promise
    closing.removeEventListener('abort', over)
  }

  async #ready(): Promise<Snapshot[]> {
    const filter = { states: ['ready' as const], includeInternal: true }
    const found = await everyItem((page) => this.#parts.ledger.read.snapshots(filter, page))
    const ids = new Set(found.map(({ id }) => id))
    for (const tried of Object.values(this.#tried)) for (const id of tried.keys()) if (!ids.has(id)) tried.delete(id)
    return found
  }
}
