import { SpawnpointError } from '@spawnpoint/core'

/** So many at a time; who comes later waits its turn. */
export class Places {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    this.#free = count
  }

  /** Rejects `cancelled` when `signal` aborts while it waits. */
  async take(signal?: AbortSignal): Promise<Disposable> {
    if (signal?.aborted) throw cancelled()
    if (this.#free > 0) this.#free -= 1
    else await this.#turn(signal)
    let given = false
    return {
      [Symbol.dispose]: () => {
        if (given) return
        given = true
        this.#give()
      },
    }
  }

  #turn(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn = () => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        this.#waiting.delete(turn)
        reject(cancelled())
      }
      this.#waiting.add(turn)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  #give(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#free += 1
    else {
      this.#waiting.delete(next)
      next()
    }
  }
}

function cancelled(): SpawnpointError<'cancelled'> {
  return new SpawnpointError('cancelled', 'Stopped on request: read files', { what: 'read files' })
}
