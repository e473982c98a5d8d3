import { isCode } from '../errors.ts'
import type { Sandbox, SandboxId, SnapshotId, TimeoutPolicy } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { Sandboxes } from '../services/sandboxes.ts'
import type { Snapshots } from '../services/snapshots.ts'
import { type Deadlines, deletionDue, removalDue } from './deadlines.ts'
import { isUp } from './lifecycle.ts'

/** What is done when a time has come, by the records as they are then: they may have changed since the alarm was set. */
export class Due {
  readonly #parts: Parts
  readonly #services: Services

  constructor(parts: Parts, services: Services) {
    this.#parts = parts
    this.#services = services
  }

  async sandbox(id: SandboxId, deadlines: Deadlines): Promise<void> {
    const sandbox = await this.#parts.ledger.read.sandbox(id)
    if (sandbox === null) return
    const action = this.#action(sandbox, deadlines)
    if (action === null) {
      deadlines.watch(sandbox) // it was used, extended or brought back meanwhile
      return
    }
    const { state, expiresAt, haltedAt } = sandbox
    this.#parts.log.info({ sandbox: id, action, state, expiresAt, haltedAt }, 'sandbox timed out')
    const by = { teamId: sandbox.teamId, keyId: null }
    await this.#services.sandboxes().timeOut(by, id, action, (now) => this.#action(now, deadlines) === action)
  }

  async snapshot(id: SnapshotId, deadlines: Deadlines): Promise<void> {
    const snapshot = await this.#parts.ledger.read.snapshot(id)
    const due = snapshot === null ? null : removalDue(snapshot)
    if (snapshot === null || due === null) return
    if (due > this.#parts.clock.now().getTime()) {
      deadlines.watchSnapshot(snapshot)
      return
    }
    try {
      await this.#services.snapshots().deleteIfDue(snapshot)
    } catch (error) {
      if (!isCode(error, 'not_found')) throw error // somebody else has deleted it: that is what was wanted
    }
  }

  /** What this record asks for now; `null` for nothing yet. */
  #action(sandbox: Sandbox, deadlines: Deadlines): TimeoutPolicy['onTimeout'] | null {
    const now = this.#parts.clock.now().getTime()
    if (!isUp(sandbox)) return (deletionDue(sandbox) ?? Number.POSITIVE_INFINITY) <= now ? 'kill' : null
    const expired = sandbox.expiresAt !== null && sandbox.expiresAt.getTime() <= now
    return expired || deadlines.isIdle(sandbox.id) ? sandbox.timeout.onTimeout : null
  }
}

/** They are made after the alarms that ask for them. */
interface Services {
  sandboxes(): Sandboxes
  snapshots(): Snapshots
}
