import { type HostProcess, isAlive } from './host-process.ts'

const POLL_MS = 500

/**
 * Notices the end of processes that are not our children. The end of their error output says so at once; looking at all
 * of them twice a second finds the rest.
 */
export class ExitWatch<Key> {
  readonly #watched = new Map<Key, { processes: readonly HostProcess[]; onExit: () => void }>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#poll(), POLL_MS).unref()
  }

  /** `onExit` is called once when any of the processes has ended, unless `remove` comes first. */
  add(key: Key, processes: readonly HostProcess[], onExit: () => void): void {
    this.#watched.set(key, { processes, onExit })
  }

  remove(key: Key): void {
    this.#watched.delete(key)
  }

  /** Looks now instead of at the next turn. */
  check(key: Key): void {
    const watched = this.#watched.get(key)
    if (!watched || watched.processes.every(isAlive)) return
    this.#watched.delete(key)
    watched.onExit()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#watched.clear()
  }

  #poll(): void {
    for (const key of [...this.#watched.keys()]) this.check(key)
  }
}
