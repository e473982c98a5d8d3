import { Background } from './background.ts'
import type { Image } from './model.ts'
import { everyItem } from './paging.ts'
import type { Parts } from './parts.ts'
import type { HistoryKind } from './ports/index.ts'

/** Milliseconds after the start of the server: when that has settled what an earlier one left. */
const FIRST_RUN_MS = 60_000
const EVERY_MS = 3_600_000
/** Milliseconds until the next run if there was more than one run takes */
const MORE_MS = 60_000
/** Records removed in one transaction, so that none is long */
const BATCH = 500
/** Batches of one kind in one run, so that years of history do not keep the ledger busy for minutes */
const BATCHES = 40

/** Milliseconds that calls in the audit log are kept */
const AUDIT_MS = 90 * 86_400_000
/** Milliseconds that the use of what is over is kept: a year and a bit */
const USAGE_MS = 400 * 86_400_000

const KINDS = [
  ...(['idempotency', 'events', 'operations', 'sandboxes'] as const),
  ...(['names', 'keys', 'usage', 'audit'] as const),
] satisfies HistoryKind[]

/** Removes history that is older than it has to be kept, now and then, a little at a time. */
export class Retention {
  readonly #parts: Parts
  readonly #forgetImage: (image: Image) => Promise<void>
  readonly #background: Background

  /** `forgetImage` deletes one that has failed, with its name if nothing else bears that. */
  constructor(parts: Parts, forgetImage: (image: Image) => Promise<void>) {
    this.#parts = parts
    this.#background = new Background(parts, () => this.#run())
    this.#forgetImage = forgetImage
  }

  start(): void {
    this.#background.start(FIRST_RUN_MS)
  }

  /** Resolves when a run under way has stopped. Preconditions: `closing` is aborted. */
  close(): Promise<void> {
    return this.#background.close()
  }

  async #run(): Promise<number> {
    let more = false
    try {
      for (const kind of KINDS) more = (await this.#purge(kind)) || more
      more = (await this.#forgetImages()) || more
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'old history could not be removed; trying again in an hour')
    }
    return more ? MORE_MS : EVERY_MS
  }

  /** True if there is more than one run takes. */
  async #purge(kind: HistoryKind): Promise<boolean> {
    const { ledger, clock, closing, config, log } = this.#parts
    const { historyMs, idempotencyMs } = config.keep
    // An idempotency record is judged by its operation, so that stays at least as long.
    const usual = Math.max(historyMs, idempotencyMs)
    const keepMs: { [K in HistoryKind]: number } = {
      idempotency: idempotencyMs,
      events: usual,
      operations: usual,
      sandboxes: usual,
      names: usual,
      // As long as the audit log tells of what they did.
      keys: AUDIT_MS,
      usage: USAGE_MS,
      audit: AUDIT_MS,
    }
    const before = new Date(clock.now().getTime() - keepMs[kind])
    let removed = 0
    let more = true
    for (let batch = 0; more && batch < BATCHES && !closing.aborted; batch += 1) {
      const count = await ledger.transact((tx) => tx.purge(kind, before, BATCH))
      removed += count
      more = count === BATCH
    }
    if (removed > 0) log.info({ kind, removed }, 'removed old history')
    return more
  }

  /** Failed images, whose records say why, and nothing else. True if there are more than one run takes. */
  async #forgetImages(): Promise<boolean> {
    const { ledger, clock, closing, config, log } = this.#parts
    const before = clock.now().getTime() - config.keep.historyMs
    const failed = await everyItem((page) => ledger.read.images({ states: ['failed'] }, page))
    const old = failed.filter(({ createdAt }) => createdAt.getTime() < before)
    let removed = 0
    for (const image of old.slice(0, BATCH)) {
      if (closing.aborted) break
      await this.#forgetImage(image)
      removed += 1
    }
    if (removed > 0) log.info({ removed }, 'removed the records of images that had failed')
    return old.length > BATCH
  }
}
