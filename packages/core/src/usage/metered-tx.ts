import type { IncarnationId, Sandbox, SandboxId, Snapshot, SnapshotId, UsageInterval } from '../model.ts'
import type { Clock } from '../parts.ts'
import type { LedgerTx } from '../ports/index.ts'
import type { Meter } from './meter.ts'

/** What the meter is told after the commit. */
export interface Lives {
  began: IncarnationId[]
  ended: IncarnationId[]
}

type Metered = Pick<
  LedgerTx,
  'lockSandbox' | 'lockSnapshot' | 'putSandbox' | 'putSnapshot' | 'deleteSnapshot' | 'beginUsage' | 'endUsage'
>

/**
 * Begins and ends usage intervals in the transactions that begin and end what they are about, by what is written to the
 * records: an incarnation lasts while its sandbox names it, a snapshot from when it is ready until its record goes, and
 * what a paused sandbox resumes from from when it is named. So whoever changes a record need not think of usage.
 */
export class MeteredTx implements Metered {
  readonly #tx: LedgerTx
  readonly #clock: Clock
  readonly #meter: Meter
  readonly #lives: Lives
  /** As they were last read or written here; whoever changes one has locked it before */
  readonly #sandboxes = new Map<SandboxId, Sandbox | null>()
  readonly #snapshots = new Map<SnapshotId, Snapshot | null>()

  constructor(tx: LedgerTx, clock: Clock, meter: Meter, lives: Lives) {
    this.#tx = tx
    this.#clock = clock
    this.#meter = meter
    this.#lives = lives
  }

  /** One that was locked or written here before is as it was then: nobody else can change it meanwhile. */
  async lockSandbox(id: SandboxId): Promise<Sandbox | null> {
    const sandbox = this.#sandboxes.get(id) ?? (await this.#tx.lockSandbox(id))
    this.#sandboxes.set(id, sandbox)
    return sandbox
  }

  async lockSnapshot(id: SnapshotId): Promise<Snapshot | null> {
    const snapshot = this.#snapshots.get(id) ?? (await this.#tx.lockSnapshot(id))
    this.#snapshots.set(id, snapshot)
    return snapshot
  }

  async putSandbox(sandbox: Sandbox): Promise<void> {
    const before = await this.#before(sandbox)
    await this.#tx.putSandbox(sandbox)
    this.#sandboxes.set(sandbox.id, sandbox)
    const { incarnationId: now, pausedSnapshotId: paused } = sandbox
    const old = before?.incarnationId ?? null
    if (old !== now) {
      const at = this.#clock.now()
      const startedAt = now === null || sandbox.startedAt === null ? at : sandbox.startedAt
      // The old one's time ends where the new one's begins.
      if (old !== null) await this.endUsage(old, startedAt)
      if (now !== null) await this.#begin(sandbox, now, startedAt)
    }
    if (paused !== null && paused !== before?.pausedSnapshotId) {
      const snapshot = await this.#tx.snapshot(paused)
      if (snapshot !== null) await this.#tx.beginUsage(storedOf(snapshot, this.#clock.now()))
    }
  }

  async putSnapshot(snapshot: Snapshot): Promise<void> {
    const before = this.#snapshots.get(snapshot.id)
    await this.#tx.putSnapshot(snapshot)
    this.#snapshots.set(snapshot.id, snapshot)
    if (before?.state === snapshot.state) return
    if (snapshot.state === 'ready' && !snapshot.internal)
      await this.#tx.beginUsage(storedOf(snapshot, snapshot.readyAt ?? this.#clock.now()))
    // Its data is missing.
    if (snapshot.state === 'failed') await this.#tx.endUsage(snapshot.id, this.#clock.now())
  }

  async deleteSnapshot(id: SnapshotId): Promise<void> {
    await this.#tx.deleteSnapshot(id)
    this.#snapshots.set(id, null)
    await this.#tx.endUsage(id, this.#clock.now())
  }

  /** Called by others for what no record is about: an incarnation that builds an image. */
  async beginUsage(interval: UsageInterval): Promise<void> {
    await this.#tx.beginUsage(interval)
    if (interval.kind === 'incarnation') this.#lives.began.push(interval.id as IncarnationId)
  }

  async endUsage(id: IncarnationId | SnapshotId, at: Date): Promise<void> {
    const note = this.#meter.lastOf(id)
    if (note !== null) await this.#tx.noteUsage([note])
    await this.#tx.endUsage(id, at)
    if (note !== null) this.#lives.ended.push(note.id)
  }

  async #before(sandbox: Sandbox): Promise<Sandbox | null> {
    const known = this.#sandboxes.get(sandbox.id)
    if (known !== undefined) return known
    return sandbox.state === 'creating' ? null : this.#tx.sandbox(sandbox.id)
  }

  async #begin(sandbox: Sandbox, id: IncarnationId, startedAt: Date): Promise<void> {
    const { teamId, resources } = sandbox
    const { cpus, memoryBytes } = resources
    await this.beginUsage({
      id,
      kind: 'incarnation',
      teamId,
      sandboxId: sandbox.id,
      cpus,
      memoryBytes,
      storedBytes: 0,
      startedAt,
      endedAt: null,
    })
  }
}

function storedOf({ id, teamId, sandboxId, sizeBytes }: Snapshot, startedAt: Date): UsageInterval {
  const nothing = { cpus: 0, memoryBytes: 0, endedAt: null }
  return { id, kind: 'snapshot', teamId, sandboxId, storedBytes: sizeBytes, startedAt, ...nothing }
}
