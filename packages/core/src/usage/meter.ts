import { isCode } from '../errors.ts'
import type { IncarnationId, SnapshotId } from '../model.ts'
import type { Clock, Log } from '../parts.ts'
import type { Ledger, Runtime, UsageNote } from '../ports/index.ts'

/** Milliseconds between two notes of what is used: what a crash of the host may cost */
const NOTED_EVERY_MS = 60_000
/** Incarnations of one transaction */
const BATCH = 500

/**
 * Processor time of incarnations, as it was last seen. It grows only, so a late note or one made twice does no harm: it is
 * written down every minute, and with the end of the incarnation.
 */
export class Meter {
  readonly #clock: Clock
  readonly #log: Log
  /** Of every incarnation that a sandbox has */
  readonly #last = new Map<string, UsageNote>()
  readonly #unwritten = new Set<IncarnationId>()
  #timer: Disposable | null = null
  #writing: Promise<void> = Promise.resolve()
  #closed = false

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  began(id: IncarnationId): void {
    if (!this.#last.has(id)) this.saw(id, 0)
  }

  saw(id: IncarnationId, cpuMs: number): void {
    this.#last.set(id, { id, at: this.#clock.now(), cpuMs })
    this.#unwritten.add(id)
  }

  /** What was last seen of it; for the transaction that ends it. */
  lastOf(id: IncarnationId | SnapshotId): UsageNote | null {
    return this.#last.get(id) ?? null
  }

  /** Its end is written. */
  ended(id: IncarnationId): void {
    this.#last.delete(id)
    this.#unwritten.delete(id)
  }

  start(ledger: Ledger): void {
    if (this.#closed) return
    this.#timer = this.#clock.after(NOTED_EVERY_MS, () => {
      this.#writing = this.write(ledger).then(() => this.start(ledger))
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.[Symbol.dispose]()
    await this.#writing
  }

  /** Reports what fails, and never rejects: it is tried again. */
  async write(ledger: Ledger): Promise<void> {
    const ids = [...this.#unwritten]
    try {
      for (let from = 0; from < ids.length && !this.#closed; from += BATCH) {
        const notes = ids.slice(from, from + BATCH).flatMap((id) => this.#last.get(id) ?? [])
        await ledger.transact((tx) => tx.noteUsage(notes))
        for (const note of notes) if (this.#last.get(note.id) === note) this.#unwritten.delete(note.id)
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'what sandboxes use could not be noted; trying again in a minute')
    }
  }
}

/** The runtime, whose every reading the meter sees, and which takes a last one of what is to be killed. */
export function metered(runtime: Runtime, meter: Meter, log: Log): Runtime {
  const usage: Runtime['usage'] = async (id) => {
    const used = await runtime.usage(id)
    // Not of one that has ended meanwhile, nor of one that no sandbox has yet.
    if (meter.lastOf(id) !== null) meter.saw(id, used.cpuMs)
    return used
  }
  const kill: Runtime['kill'] = async (id) => {
    if (meter.lastOf(id) !== null) {
      try {
        await usage(id)
      } catch (error) {
        // It has ended by itself: what was seen before is all there is.
        if (!isCode(error, 'stale_incarnation')) log.debug({ err: error, incarnation: id }, 'no last look at it')
      }
    }
    await runtime.kill(id)
  }
  return new Proxy(runtime, {
    get(target, property) {
      if (property === 'kill') return kill
      if (property === 'usage') return usage
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
