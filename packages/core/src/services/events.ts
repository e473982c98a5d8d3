import type { EventsApi, Principal } from '../api.ts'
import { SpawnpointError } from '../errors.ts'
import type { SandboxId, TeamId } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { Signal } from './follow.ts'
import { findSandbox } from './refs.ts'

const BATCH = 200

export class Events implements EventsApi {
  readonly #parts: Parts
  readonly #happened: Signal

  constructor(parts: Parts, happened: Signal) {
    this.#parts = parts
    this.#happened = happened
  }

  async list(by: Principal, filter: { sandbox?: string | undefined }, after: number, limit: number) {
    const events = await this.#parts.ledger.read.events(await this.#filter(by, filter), after, limit)
    // Afterwards: what is purged between the two is told, not skipped.
    await this.#mustBeKept(by.teamId, after)
    return events
  }

  latest(by: Principal): Promise<number> {
    return this.#parts.ledger.read.latestEvent(by.teamId)
  }

  async *follow(
    by: Principal,
    filter: { sandbox?: string | undefined },
    after: number,
    signal: AbortSignal,
  ): ReturnType<EventsApi['follow']> {
    const only = await this.#filter(by, filter)
    await this.#mustBeKept(by.teamId, after)
    let cursor = after
    while (!signal.aborted) {
      const next = this.#happened.next(signal)
      const events = await this.#parts.ledger.read.events(only, cursor, BATCH)
      for (const event of events) {
        yield event
        cursor = event.seq
      }
      if (events.length < BATCH) await next
    }
  }

  async #mustBeKept(teamId: TeamId, cursor: number): Promise<void> {
    const keptAfter = cursor === 0 ? 0 : await this.#parts.ledger.read.purgedEvents(teamId)
    if (cursor >= keptAfter) return
    throw new SpawnpointError(
      'cursor_expired',
      `Events that followed ${cursor} are not kept any more; begin anew, at 0 for the oldest that are`,
      { cursor, keptAfter },
    )
  }

  async #filter(
    by: Principal,
    filter: { sandbox?: string | undefined },
  ): Promise<{ teamId: typeof by.teamId; sandboxId?: SandboxId }> {
    if (filter.sandbox === undefined) return { teamId: by.teamId }
    return { teamId: by.teamId, sandboxId: (await findSandbox(this.#parts.ledger.read, by.teamId, filter.sandbox)).id }
  }
}
