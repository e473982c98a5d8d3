import type { Clock } from './parts.ts'

/** Milliseconds until an alarm whose action failed rings again. */
const RETRY_MS = 5_000
/** A timer does not notice that the clock was set, or that the machine slept: the time is looked at this often, in milliseconds */
const LOOK_MS = 30_000

interface Actions<Key> {
  /** What to do when the time of `key` has come. If it rejects, it is called again later. */
  ring(key: Key): Promise<void>
  /** Told why `ring` has rejected. */
  failed(key: Key, error: unknown): void
}

/** An alarm clock: at most one time for each key, one timer for the nearest of all. Times are in milliseconds of `nowMs`. */
export class Alarms<Key> {
  readonly #clock: Pick<Clock, 'after'>
  readonly #nowMs: () => number
  readonly #actions: Actions<Key>
  readonly #due = new Map<Key, number>()
  #timer: Disposable | null = null
  #closed = false

  /** `nowMs`: that of the clock on the wall by default */
  constructor(clock: Clock, actions: Actions<Key>, nowMs: () => number = () => clock.now().getTime()) {
    this.#clock = clock
    this.#nowMs = nowMs
    this.#actions = actions
  }

  /** Replaces the time of `key`; `null` for none. */
  set(key: Key, atMs: number | null): void {
    if (this.#closed) return
    if (atMs === null) this.#due.delete(key)
    else this.#due.set(key, atMs)
    this.#arm()
  }

  close(): void {
    this.#closed = true
    this.#timer?.[Symbol.dispose]()
    this.#due.clear()
  }

  #arm(): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = null
    if (this.#closed || this.#due.size === 0) return
    let nearest = Number.POSITIVE_INFINITY
    for (const atMs of this.#due.values()) nearest = Math.min(nearest, atMs)
    const ms = Math.min(nearest - this.#nowMs(), LOOK_MS)
    this.#timer = this.#clock.after(ms, () => this.#strike())
  }

  #strike(): void {
    const now = this.#nowMs()
    for (const [key, atMs] of this.#due) {
      if (atMs > now) continue
      this.#due.delete(key)
      this.#actions.ring(key).catch((error: unknown) => {
        this.#actions.failed(key, error)
        this.set(key, this.#nowMs() + RETRY_MS)
      })
    }
    this.#arm()
  }
}
