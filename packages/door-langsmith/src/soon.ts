import { setTimeout } from 'node:timers/promises'

/** What comes of `done` if it comes within `ms` milliseconds, else `before`. Rejects as `done` does in that time. */
export async function soon<T>(before: T, done: Promise<T>, ms: number): Promise<T> {
  const late = new AbortController()
  try {
    return await Promise.race([done, setTimeout(ms, before, { signal: late.signal, ref: false })])
  } finally {
    late.abort()
  }
}
