import type { ProcessState, TimerName } from './machine-state.ts'

const realSetTimeout = setTimeout
const realClearTimeout = clearTimeout

const ALL: readonly TimerName[] = ['program', 'timeout']

/** What a process waits for. Its time passes between `thaw` and `freeze`; what is left of it is in `due`, as in a capture. */
export class ProcessTimers {
  readonly #process: ProcessState
  readonly #fire: (name: TimerName) => void
  readonly #running = new Map<TimerName, { handle: NodeJS.Timeout; dueAt: number }>()

  constructor(process: ProcessState, fire: (name: TimerName) => void) {
    this.#process = process
    this.#fire = fire
  }

  /** Starts those that are due at some time and do not run yet. */
  thaw(names: readonly TimerName[]): void {
    for (const name of names) {
      const ms = this.#process.due[name]
      if (ms === undefined || this.#running.has(name)) continue
      const strike = () => {
        this.#running.delete(name)
        delete this.#process.due[name]
        this.#fire(name)
      }
      this.#running.set(name, { handle: realSetTimeout(strike, ms).unref(), dueAt: Date.now() + ms })
    }
  }

  freeze(names: readonly TimerName[] = ALL): void {
    for (const [name, { handle, dueAt }] of this.#running) {
      if (!names.includes(name)) continue
      realClearTimeout(handle)
      this.#process.due[name] = Math.max(0, dueAt - Date.now())
      this.#running.delete(name)
    }
  }
}
