import type { OperationProgress, Started } from '../api.ts'
import { isCode, SpawnpointError, toSpawnpointError } from '../errors.ts'
import type { Guests } from '../guests.ts'
import { type ImageId, newId, type OperationId, type SandboxId, type SnapshotId, type TeamId } from '../ids.ts'
import type { Operation, OperationKind } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { LedgerTx } from '../ports/index.ts'

/**
 * One kind of operation. `run` does the work of a fresh one; `recover` is called at start-up for one that a dead server
 * left open, in whatever phase, and finishes or undoes it. Both must end it through `work.end`; `recover` may be cut off
 * and called again, so each of its steps can be repeated.
 */
export interface OperationDefinition<Detail, Result> {
  kind: OperationKind
  run(work: Work<Detail>): Promise<Result>
  recover(work: Work<Detail>): Promise<unknown>
}

export interface NewOperation<Detail> {
  teamId: TeamId
  kind: OperationKind
  phase: string
  sandboxId?: SandboxId | null
  snapshotId?: SnapshotId | null
  imageId?: ImageId | null
  detail: Detail
}

/** Makes the row of an operation; the caller puts it in the transaction that claims the resource. */
export function newOperation<Detail extends object>(parts: Parts, fresh: NewOperation<Detail>): Operation {
  return {
    id: newId<OperationId>(parts.clock.now().getTime()),
    teamId: fresh.teamId,
    kind: fresh.kind,
    state: 'open',
    phase: fresh.phase,
    sandboxId: fresh.sandboxId ?? null,
    snapshotId: fresh.snapshotId ?? null,
    imageId: fresh.imageId ?? null,
    detail: { ...fresh.detail } as Record<string, unknown>,
    error: null,
    createdAt: parts.clock.now(),
    endedAt: null,
  }
}

/** An operation being worked on: its record, its named points and its progress. */
export class Work<Detail> {
  #parts: Parts
  readonly guests: Guests
  readonly detail: Detail
  readonly #runner: OperationRunner
  #operation: Operation
  readonly #givenUp = new AbortController()
  /** Milliseconds each step took, in order: the receipt's */
  readonly steps: { step: string; ms: number }[] = []

  constructor(parts: Parts, guests: Guests, runner: OperationRunner, operation: Operation) {
    this.#parts = parts
    this.guests = guests
    this.#runner = runner
    this.#operation = operation
    this.detail = operation.detail as Detail
  }

  get parts(): Parts {
    return this.#parts
  }

  get operation(): Operation {
    return this.#operation
  }

  /** From here on it is stopped by this signal as by the server's end: `parts.closing` is either. */
  endWith(signal: AbortSignal): void {
    this.#parts = { ...this.#parts, closing: AbortSignal.any([this.#parts.closing, signal]) }
  }

  /**
   * Waits for something that is in the guest's hands. A kill that has waited for this operation long enough has it given
   * up, and so has a server that starts: what a guest does not do must keep nobody from being rid of it. Rejects
   * `cancelled` then, or, with `cutOff`, with what `call` makes of being cut off; and `guest_unresponsive` after
   * `timeoutMs`, where the guest's own limits are too wide.
   */
  async fromGuest<T>(
    what: string,
    call: () => Promise<T>,
    { cutOff, timeoutMs }: { cutOff?: () => void; timeoutMs?: number } = {},
  ): Promise<T> {
    const { signal } = this.#givenUp
    const { promise: givenUp, reject } = Promise.withResolvers<never>()
    const giveUp = () =>
      reject(new SpawnpointError('cancelled', `Given up, as the sandbox is to go: ${what}`, { what }))
    const end = cutOff ?? giveUp
    if (signal.aborted) giveUp()
    else signal.addEventListener('abort', end, { once: true })
    const late = () => reject(unresponsive(this.#operation, what))
    using _limit = timeoutMs === undefined ? null : this.parts.clock.after(timeoutMs, late)
    try {
      return await (signal.aborted ? givenUp : Promise.race([call(), givenUp]))
    } finally {
      signal.removeEventListener('abort', end)
    }
  }

  giveUpGuest(): void {
    this.#givenUp.abort()
  }

  /** A named point between two steps that leaves no trace in the ledger. */
  point(name: string): void {
    this.parts.failpoint(`${this.#operation.kind}.${name}`)
  }

  /** Runs and times one step; its named point follows it. */
  async step<T>(name: string, run: () => Promise<T>): Promise<T> {
    const begun = performance.now()
    const result = await run()
    this.steps.push({ step: name, ms: Math.round((performance.now() - begun) * 100) / 100 })
    this.point(name)
    return result
  }

  /** Records that `phase` has begun, together with whatever `change` writes, in one transaction. */
  async enter(phase: string, change: (tx: LedgerTx) => Promise<void> = async () => {}): Promise<void> {
    this.point(`${phase}:before`)
    await this.#commit({ ...this.#operation, phase, detail: { ...(this.detail as object) } }, change)
    this.point(`${phase}:after`)
  }

  /** Ends the operation, together with whatever `change` writes. */
  async end(
    outcome: 'done' | SpawnpointError,
    change: (tx: LedgerTx) => Promise<void> = async () => {},
  ): Promise<void> {
    const failed = outcome !== 'done'
    this.point(`${failed ? 'failed' : 'done'}:before`)
    const ended: Operation = {
      ...this.#operation,
      state: failed ? 'failed' : 'done',
      phase: failed ? 'failed' : 'done',
      detail: { ...(this.detail as object) },
      error: failed ? { code: outcome.code, message: outcome.message } : null,
      endedAt: this.parts.clock.now(),
    }
    await this.#commit(ended, change)
    this.point(`${failed ? 'failed' : 'done'}:after`)
  }

  /** Goes on with `run` after the caller of the operation has been answered. The record stays open until it ends. */
  background(run: () => Promise<unknown>): void {
    this.#runner.behind(this.#operation.id, run())
  }

  report(progress: OperationProgress): void {
    this.#runner.publish(this.#operation, progress)
  }

  /** Runs an undo step: a failure is logged and left to the next start's sweep, since the first error is what matters. */
  async undo(what: string, run: () => Promise<unknown>): Promise<void> {
    try {
      await run()
    } catch (error) {
      // One that was given up is no failure.
      this.parts.log[isCode(error, 'cancelled') ? 'info' : 'error'](
        { err: error, operation: this.#operation.id, kind: this.#operation.kind, what },
        'undo step failed',
      )
    }
  }

  /**
   * Writes the operation's next record. A ledger that is away for a while is waited for: the work itself is done, only its
   * record is missing. A commit whose answer was lost is recognised by the record it left.
   */
  async #commit(next: Operation, change: (tx: LedgerTx) => Promise<void>): Promise<void> {
    const { ledger, clock, log } = this.parts
    const giveUpAt = clock.now().getTime() + LEDGER_PATIENCE_MS
    let doubted = false
    for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
      try {
        await ledger.transact(async (tx) => {
          const stored = doubted ? await tx.operation(next.id) : null
          if (stored !== null && (stored.state !== 'open' || stored.phase === next.phase)) return
          await change(tx)
          await tx.putOperation(next)
        })
        break
      } catch (error) {
        if (!isCode(error, 'unavailable') || clock.now().getTime() >= giveUpAt) throw error
        doubted = true
        log.warn({ operation: next.id, phase: next.phase }, 'the ledger is away; waiting for it')
        await new Promise<void>((resolve) => clock.after(pauseMs, resolve))
      }
    }
    this.#operation = next
    this.#runner.publish(next, null)
  }
}

/** How long an operation waits for a ledger that is away, in milliseconds. */
const LEDGER_PATIENCE_MS = 120_000
/** Milliseconds until an operation whose end could not be recorded is settled anew, doubled each time. */
const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 60_000
/** Milliseconds that the guest has left when a kill waits for an operation */
const KILL_GRACE_MS = 2_000
/** Milliseconds that the guest has to help settle what was cut off, a shutdown in order included */
const SETTLE_GRACE_MS = 15_000

/** An operation that this server works on. */
interface Active {
  work: Pick<Work<unknown>, 'operation' | 'giveUpGuest'>
  done: Promise<unknown>
}

type Listener = (update: { operation: Operation; progress: OperationProgress | null }) => void

/** Runs operations, knows the ones under way, and tells followers of their progress. */
export class OperationRunner {
  readonly #parts: Parts
  readonly #guests: Guests
  readonly #active = new Map<OperationId, Active>()
  readonly #behind = new Set<Promise<unknown>>()
  /** Open in the ledger though their work is over: see `#settleLater` */
  readonly #unsettled = new Set<OperationId>()
  readonly #listeners = new Map<OperationId, Set<Listener>>()

  constructor(parts: Parts, guests: Guests) {
    this.#parts = parts
    this.#guests = guests
  }

  /** Begins an operation that has just been claimed in the ledger. */
  launch<Detail, Result>(
    definition: OperationDefinition<Detail, Result>,
    operation: Operation,
  ): { operationId: OperationId; done: Promise<Result> } {
    this.#parts.failpoint(`${operation.kind}.claimed`)
    const work = new Work<Detail>(this.#parts, this.#guests, this, operation)
    const done = definition.run(work).catch((error: unknown) => {
      const known = toSpawnpointError(error)
      const level = known.code === 'internal' || known.code === 'runtime_failed' ? 'error' : 'info'
      this.#parts.log[level](
        { err: known.cause ?? known, operation: operation.id, kind: operation.kind },
        'operation failed',
      )
      throw known
    })
    // Before it is tracked: whoever waits for its end is told.
    done.catch(() => this.#settleLater(definition, work.operation))
    this.#track(work, done)
    return { operationId: operation.id, done }
  }

  /** Finishes or undoes an operation that a dead server left open. */
  async recover(definition: OperationDefinition<never, unknown>, operation: Operation): Promise<void> {
    const work = new Work<never>(this.#parts, this.#guests, this, operation)
    const done = definition.recover(work)
    done.catch(() => this.#settleLater(definition, work.operation))
    this.#track(work, done)
    this.hasten(operation.id, SETTLE_GRACE_MS)
    await done
  }

  /**
   * An operation that may have been accepted though whoever asked for it was told otherwise. Nobody works on it: if it is in
   * the ledger, it is finished or undone, as after a restart.
   */
  doubted(definition: OperationDefinition<never, unknown>, operation: Operation): void {
    if (!this.#active.has(operation.id)) this.#settleLater(definition, operation)
  }

  /** An operation whose end could not be recorded holds its resource: tries to finish or undo it, again and again. */
  #settleLater<Detail>(
    definition: OperationDefinition<Detail, unknown>,
    operation: Operation,
    pauseMs = FIRST_RETRY_MS,
  ): void {
    const { clock, closing, ledger, log } = this.#parts
    const { id, kind } = operation
    if (operation.state !== 'open') return
    this.#unsettled.add(id)
    let work = new Work<Detail>(this.#parts, this.#guests, this, operation)
    const active = {
      get operation() {
        return work.operation
      },
      giveUpGuest: () => work.giveUpGuest(),
    }
    const recover = async () => {
      const stored = await ledger.read.operation(id)
      if (stored?.state === 'open') {
        // A commit whose answer was lost may have taken it further than this server knows.
        work = new Work<Detail>(this.#parts, this.#guests, this, stored)
        await definition.recover(work)
      }
      this.#unsettled.delete(id)
    }
    clock.after(pauseMs, () => {
      if (closing.aborted) return
      const done = recover().catch((error: unknown) => {
        log.error({ err: error, operation: id, kind }, 'still not settled; trying again')
        this.#settleLater(definition, operation, Math.min(pauseMs * 2, LAST_RETRY_MS))
      })
      this.#track(active, done)
      this.hasten(id, SETTLE_GRACE_MS)
    })
  }

  /** The outcome of an operation under way; `null` if this server does not run it. */
  outcome(id: OperationId): Promise<unknown> | null {
    return this.#active.get(id)?.done ?? null
  }

  /** Resolves when the operation has ended, however it did. Rejects `unavailable` if its end could not be recorded yet. */
  async ended(id: OperationId): Promise<void> {
    // Its caller is told of a failure; whoever only waits for the end does not care.
    await this.#active.get(id)?.done.catch(() => {})
    if (this.#unsettled.has(id)) {
      throw new SpawnpointError(
        'unavailable',
        'An earlier operation on this was cut off; try again when it is undone',
        {
          reason: 'unsettled',
        },
      )
    }
  }

  /** As `ended`, but resolves also when the operation enters another phase. */
  async moved({ id, phase }: Pick<Operation, 'id' | 'phase'>): Promise<void> {
    const work = this.#active.get(id)?.work
    if (work === undefined) return this.ended(id)
    const { promise, resolve } = Promise.withResolvers<void>()
    using _listening = this.listen(id, ({ operation }) => {
      if (operation.phase !== phase) resolve()
    })
    if (work.operation.phase !== phase) return
    await Promise.race([this.ended(id), promise])
  }

  /** For somebody who waits for an operation to make way: it waits for the guest for a short while more, and then no longer. */
  hasten(id: OperationId, graceMs = KILL_GRACE_MS): void {
    const work = this.#active.get(id)?.work
    if (work !== undefined) this.#parts.clock.after(graceMs, () => work.giveUpGuest())
  }

  /** Resolves when nothing is under way, clean-up behind callers' backs included. */
  async idle(): Promise<void> {
    while (this.#active.size + this.#behind.size > 0) {
      await Promise.allSettled([...[...this.#active.values()].map(({ done }) => done), ...this.#behind])
    }
  }

  behind(id: OperationId, work: Promise<unknown>): void {
    const tracked = work
      .catch((error: unknown) => {
        this.#parts.log.error({ err: error, operation: id }, 'clean-up failed; the next start goes on with it')
      })
      .finally(() => this.#behind.delete(tracked))
    this.#behind.add(tracked)
  }

  listen(id: OperationId, listener: Listener): Disposable {
    const listeners = this.#listeners.get(id) ?? new Set()
    this.#listeners.set(id, listeners.add(listener))
    return {
      [Symbol.dispose]: () => {
        listeners.delete(listener)
        if (listeners.size === 0 && this.#listeners.get(id) === listeners) this.#listeners.delete(id)
      },
    }
  }

  publish(operation: Operation, progress: OperationProgress | null): void {
    for (const listener of this.#listeners.get(operation.id) ?? []) listener({ operation, progress })
  }

  #track(work: Active['work'], done: Promise<unknown>): void {
    const { id } = work.operation
    const tracked = done.finally(() => this.#active.delete(id))
    // Nobody need await the outcome; `launch` has logged a failure and whoever awaits `done` gets it too.
    tracked.catch(() => {})
    this.#active.set(id, { done: tracked, work })
  }
}

/** The resource now, its operation, and its end. */
export function started<T>(value: T, launched: { operationId: OperationId; done: Promise<T> }): Started<T> {
  launched.done.catch(() => {}) // whoever awaits `done` still gets it; see `Started`
  return { operationId: launched.operationId, value, done: launched.done }
}

function unresponsive({ sandboxId }: Operation, what: string): SpawnpointError {
  return new SpawnpointError('guest_unresponsive', `The agent did not answer: ${what}`, { sandboxId: sandboxId ?? '' })
}
