import { Alarms } from '../alarms.ts'
import type { Sandbox, SandboxId, Snapshot, SnapshotId } from '../model.ts'
import type { Parts } from '../parts.ts'
import { isResting, isUp } from './lifecycle.ts'

/** What to do when a time has come; the core supplies it. One that rejects is logged and called again. */
export interface DeadlineActions {
  sandbox(id: SandboxId): Promise<void>
  snapshot(id: SnapshotId): Promise<void>
}

/**
 * The alarm clock for all expiries. Times are kept in the ledger: an action reads the record again and decides. Idle time is
 * counted here alone, so that a request costs no write, and not by the clock on the wall, which may be set; after a restart of the
 * server it begins anew.
 */
export class Deadlines {
  readonly #parts: Parts
  readonly #sandboxes: Alarms<SandboxId>
  readonly #snapshots: Alarms<SnapshotId>
  /** Idle timeouts, in milliseconds of `uptimeMs` */
  readonly #idling: Alarms<SandboxId>
  /** Sandboxes that may become idle (`timeoutMs` is not `null`) or that a stream is open to (`leases`) */
  readonly #idle = new Map<SandboxId, { timeoutMs: number | null; lastUse: number; leases: number }>()

  constructor(parts: Parts, actions: DeadlineActions) {
    this.#parts = parts
    const failed = (id: SandboxId | SnapshotId, error: unknown) =>
      parts.log.warn({ err: error, id }, 'what was due at expiry failed; trying again')
    this.#sandboxes = new Alarms<SandboxId>(parts.clock, { ring: (id) => actions.sandbox(id), failed })
    this.#idling = new Alarms<SandboxId>(parts.clock, { ring: (id) => actions.sandbox(id), failed }, () => this.#now())
    this.#snapshots = new Alarms<SnapshotId>(parts.clock, { ring: (id) => actions.snapshot(id), failed })
  }

  /** Call whenever a sandbox's state, expiry or timeout policy may have changed. */
  watch(sandbox: Pick<Sandbox, 'id' | 'state' | 'expiresAt' | 'haltedAt' | 'timeout'>): void {
    const { id } = sandbox
    const running = isUp(sandbox)
    const idleTimeoutMs = running ? sandbox.timeout.idleTimeoutMs : null
    // The entry is changed, never replaced: leases hold on to it.
    const idle = this.#idle.get(id)
    if (idle === undefined) {
      if (idleTimeoutMs !== null) this.#idle.set(id, { timeoutMs: idleTimeoutMs, lastUse: this.#now(), leases: 0 })
    } else {
      if (idle.timeoutMs === null) idle.lastUse = this.#now()
      idle.timeoutMs = idleTimeoutMs
      this.#dropIfUnused(id)
    }
    this.#sandboxes.set(id, running ? (sandbox.expiresAt?.getTime() ?? null) : deletionDue(sandbox))
    this.#idling.set(id, this.#idleDue(id))
  }

  watchSnapshot(snapshot: Pick<Snapshot, 'id' | 'state' | 'expiresAt' | 'pinned' | 'purgeAt'>): void {
    this.#snapshots.set(snapshot.id, removalDue(snapshot))
  }

  forget(id: SandboxId): void {
    this.#sandboxes.set(id, null)
    this.#idling.set(id, null)
    this.#idle.delete(id)
  }

  /** Counts as use of the sandbox now. */
  touch(id: SandboxId): void {
    const idle = this.#idle.get(id)
    if (idle !== undefined) idle.lastUse = this.#now()
  }

  keepActive(id: SandboxId): Disposable {
    // Also where no idle timeout is set: it may be while the stream is open, and a pause that fails sets it anew.
    const idle = this.#idle.get(id) ?? { timeoutMs: null, lastUse: this.#now(), leases: 0 }
    this.#idle.set(id, idle)
    idle.leases += 1
    return {
      [Symbol.dispose]: () => {
        idle.leases -= 1
        idle.lastUse = this.#now()
        this.#dropIfUnused(id)
      },
    }
  }

  #dropIfUnused(id: SandboxId): void {
    const idle = this.#idle.get(id)
    if (idle?.timeoutMs === null && idle.leases === 0) this.#idle.delete(id)
  }

  /** Whether its idle timeout has struck. */
  isIdle(id: SandboxId): boolean {
    return (this.#idleDue(id) ?? Number.POSITIVE_INFINITY) <= this.#now()
  }

  close(): void {
    this.#sandboxes.close()
    this.#idling.close()
    this.#snapshots.close()
  }

  /** When the idle timeout strikes, in milliseconds of `uptimeMs`; `null` while it cannot. */
  #idleDue(id: SandboxId): number | null {
    const idle = this.#idle.get(id)
    if (idle === undefined || idle.timeoutMs === null) return null
    return (idle.leases > 0 ? this.#now() : idle.lastUse) + idle.timeoutMs
  }

  #now(): number {
    return this.#parts.clock.uptimeMs()
  }
}

/** When a resting sandbox is to be killed, in epoch milliseconds; `null` for never. */
export function deletionDue({
  state,
  haltedAt,
  timeout,
}: Pick<Sandbox, 'state' | 'haltedAt' | 'timeout'>): number | null {
  if (!isResting({ state }) || haltedAt === null || timeout.deleteAfterMs === null) return null
  return haltedAt.getTime() + timeout.deleteAfterMs
}

/** When a snapshot is to go for good by itself, in epoch milliseconds; `null` for never. */
export function removalDue({
  state,
  expiresAt,
  pinned,
  purgeAt,
}: Pick<Snapshot, 'state' | 'expiresAt' | 'pinned' | 'purgeAt'>): number | null {
  if (state === 'deleting') return null
  if (state === 'trashed') return purgeAt?.getTime() ?? null
  const times = [pinned ? null : expiresAt, purgeAt].flatMap((time) => (time === null ? [] : [time.getTime()]))
  return times.length === 0 ? null : Math.min(...times)
}
