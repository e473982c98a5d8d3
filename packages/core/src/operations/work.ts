import type { OperationProgress } from '../api.ts'
import { isCode, SpawnpointError } from '../errors.ts'
import type { Guests } from '../guests.ts'
import type { Operation } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { LedgerTx } from '../ports/index.ts'
import type { Phase } from './phases.ts'
import type { OperationRunner } from './runner.ts'

/** How long an operation waits for a ledger that does not answer, in milliseconds. */
const LEDGER_PATIENCE_MS = 120_000

/** An operation being worked on: its record, its named points and its progress. */
export class Work<Detail> {
  #parts: Parts
  readonly guests: Guests
  readonly detail: Detail
  readonly #runner: OperationRunner
  readonly #settle: (operation: Operation) => void
  #operation: Operation
  readonly #givenUp = new AbortController()
  /** Set when the answer to a commit was lost for good: the record may say that it is done, so nothing may be undone */
  #inDoubt: unknown = null
  /** Milliseconds each step took, in order: the receipt's */
  readonly steps: { step: string; ms: number }[] = []

  /** `settle` is called if `background` work fails: whoever asked has been answered by then. */
  constructor(
    parts: Parts,
    guests: Guests,
    runner: OperationRunner,
    operation: Operation,
    settle: (operation: Operation) => void = () => {},
  ) {
    this.#settle = settle
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

  /** From here on `signal` stops the work as the closing of the server does: `parts.closing` is aborted by either. */
  endWith(signal: AbortSignal): void {
    this.#parts = { ...this.#parts, closing: AbortSignal.any([this.#parts.closing, signal]) }
  }

  /**
   * Waits for something that only the guest can do. `giveUpGuest` ends the wait: nobody must be unable to get rid of a
   * sandbox because its guest does not answer. Rejects `cancelled` then or, with `cutOff`, with whatever `call` rejects with
   * once `cutOff` has been called; and `guest_unresponsive` after `timeoutMs`, for calls whose own limits are too wide.
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

  /** Ends every wait of `fromGuest`, now and from now on. A kill that waits for this operation asks for it, and a server that starts. */
  giveUpGuest(): void {
    this.#givenUp.abort()
  }

  /** A named point between two steps, where a crash test may end the process. The ledger does not learn of it. */
  point(name: string): void {
    this.parts.failpoint(`${this.#operation.kind}.${name}`)
  }

  /** Runs one step and notes how long it took. Its named point follows it. */
  async step<T>(name: string, run: () => Promise<T>): Promise<T> {
    const begun = performance.now()
    const result = await run()
    this.steps.push({ step: name, ms: Math.round((performance.now() - begun) * 100) / 100 })
    this.point(name)
    return result
  }

  /** Records in one transaction that `phase` has begun, and what `change` writes. */
  async enter(phase: Phase, change: (tx: LedgerTx) => Promise<void> = async () => {}): Promise<void> {
    this.point(`${phase}:before`)
    await this.#commit({ ...this.#operation, phase, detail: { ...(this.detail as object) } }, change)
    this.point(`${phase}:after`)
  }

  /** Records in one transaction that the operation has ended, and what `change` writes. */
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

  /** Goes on with `run` after the caller has been answered. The operation stays open until `run` ends it. */
  background(run: () => Promise<unknown>): void {
    const settled = run().catch((error: unknown) => {
      this.#settle(this.#operation)
      throw error
    })
    this.#runner.behind(this.#operation.id, settled)
  }

  report(progress: OperationProgress): void {
    this.#runner.publish(this.#operation, progress)
  }

  /**
   * Runs a step whose failure must not fail the operation: a step of an undo, or a clean-up. A failure is logged, and what
   * is left is removed at the next start. Does nothing while it is in doubt what the operation's record says: it may be done.
   */
  async attempt(what: string, run: () => Promise<unknown>): Promise<void> {
    if (this.#inDoubt !== null) return
    try {
      await run()
    } catch (error) {
      // What was given up for a kill that waits is no failure.
      this.parts.log[isCode(error, 'cancelled') ? 'info' : 'error'](
        { err: error, operation: this.#operation.id, kind: this.#operation.kind, what },
        'a step of an undo or a clean-up failed',
      )
    }
  }

  /**
   * Writes the operation's next record. While the ledger does not answer, it is tried again: the work is done, only its
   * record is missing. A commit whose answer was lost is recognised by the record that it left. If that can still not be read
   * after `LEDGER_PATIENCE_MS`, the operation is in doubt and left to `OperationRunner`: what it may have done must not be undone.
   */
  async #commit(next: Operation, change: (tx: LedgerTx) => Promise<void>): Promise<void> {
    const { ledger, clock, log } = this.parts
    if (this.#inDoubt !== null) throw this.#inDoubt
    const giveUpAt = clock.uptimeMs() + LEDGER_PATIENCE_MS
    let doubted = false
    for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
      try {
        await ledger.transact(async (tx) => {
          // Locked, so that a commit that is still under way is waited for.
          const stored = doubted ? await tx.lockOperation(next.id) : null
          if (stored !== null && (stored.state !== 'open' || stored.phase === next.phase)) return
          doubted = false
          await change(tx)
          await tx.putOperation(next)
        })
        break
      } catch (error) {
        const away = isCode(error, 'unavailable')
        doubted ||= away
        // A transaction that timed out has changed nothing.
        if (!doubted && !isCode(error, 'timeout')) throw error
        if (clock.uptimeMs() >= giveUpAt) {
          if (doubted) this.#inDoubt = error
          throw error
        }
        log.warn({ err: error, operation: next.id, phase: next.phase }, 'the ledger is away; waiting for it')
        await new Promise<void>((resolve) => clock.after(pauseMs, resolve))
      }
    }
    this.#operation = next
    this.#runner.publish(next, null)
  }
}

function unresponsive({ sandboxId }: Operation, what: string): SpawnpointError {
  return new SpawnpointError('guest_unresponsive', `The agent did not answer: ${what}`, { sandboxId: sandboxId ?? '' })
}
