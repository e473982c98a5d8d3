import { setImmediate as breathe } from 'node:timers/promises'

/** Milliseconds of work after which everybody else has a turn */
const TURN_MS = 10

/**
 * Those that `fits` says yes to, at most `limit`. Patterns and names may be made to take long: others are not kept waiting, and
 * with `signal` the rest is left out. `whole` if nothing was.
 */
export async function select<T>(
  all: readonly T[],
  fits: (one: T) => boolean,
  limit: number,
  signal: AbortSignal,
): Promise<{ found: T[]; whole: boolean }> {
  const found: T[] = []
  let turn = performance.now()
  for (const one of all) {
    if (performance.now() - turn > TURN_MS) {
      await breathe()
      turn = performance.now()
    }
    if (signal.aborted) return { found, whole: false }
    if (!fits(one)) continue
    if (found.length === limit) return { found, whole: false }
    found.push(one)
  }
  return { found, whole: true }
}
