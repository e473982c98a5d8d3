import type { Duplex } from 'node:stream'
import type { Principal, SpawnpointApi } from '@spawnpoint/core'

const SHORT_MS = 500

/**
 * Keeps the idle timeout of a sandbox from striking while a stream is open. Short calls never take the lease: asking for
 * the guest counted as activity already.
 */
export function holdActive(api: SpawnpointApi, by: Principal, ref: string): Disposable {
  let lease: Disposable | null = null
  let disposed = false
  const timer = setTimeout(() => {
    api.sandboxes.keepActive(by, ref).then(
      (given) => {
        if (disposed) given[Symbol.dispose]()
        else lease = given
      },
      // Harmless: it rejects if the sandbox is gone, and then the stream itself ends.
      () => {},
    )
  }, SHORT_MS)
  return {
    [Symbol.dispose]() {
      disposed = true
      clearTimeout(timer)
      lease?.[Symbol.dispose]()
    },
  }
}

/** The same for as long as a connection is open. */
export function holdActiveWhileOpen(socket: Duplex, api: SpawnpointApi, by: Principal, ref: string): void {
  const active = holdActive(api, by, ref)
  socket.once('close', () => active[Symbol.dispose]())
  if (socket.destroyed) active[Symbol.dispose]()
}
