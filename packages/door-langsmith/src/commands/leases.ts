import type { Terms } from './terms.ts'

/** The longest that a timer can wait */
const TIMER_MAX_MS = 2 ** 31 - 1

interface Lease {
  clients: number
  timer: NodeJS.Timeout | null
}

/**
 * Ends commands that nobody follows any more, as their terms say. The timers are this server's: a command whose client has gone
 * before the server ended goes on until its own time limit.
 */
export class Leases implements Disposable {
  readonly #leases = new Map<string, Lease>()
  #disposed = false

  /** While the returned value is not disposed of, somebody follows the command. `end` must not reject. */
  follow(
    command: string,
    { idleMs, killOnDisconnect }: Terms,
    end: () => Promise<void>,
  ): Disposable & { ended(): void } {
    const lease = this.#leases.get(command) ?? { clients: 0, timer: null }
    this.#leases.set(command, lease)
    lease.clients += 1
    stop(lease)
    let left = false
    const leave = (alive: boolean) => {
      if (left) return
      left = true
      lease.clients -= 1
      if (lease.clients > 0) return
      this.#leases.delete(command)
      // When the server closes, clients come back to the next one.
      if (!alive || this.#disposed || (idleMs === null && !killOnDisconnect)) return
      this.#leases.set(command, lease)
      lease.timer = setTimeout(
        () => {
          this.#leases.delete(command)
          void end()
        },
        killOnDisconnect ? 0 : Math.min(idleMs ?? 0, TIMER_MAX_MS),
      )
    }
    return { ended: () => leave(false), [Symbol.dispose]: () => leave(true) }
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    for (const lease of this.#leases.values()) stop(lease)
    this.#leases.clear()
  }
}

function stop(lease: Lease): void {
  if (lease.timer !== null) clearTimeout(lease.timer)
  lease.timer = null
}
