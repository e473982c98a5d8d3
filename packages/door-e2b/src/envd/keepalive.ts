/**
 * The same items, and a `tick` after each `everyMs` milliseconds without one. Rejects with the signal's reason when that
 * aborts, even while the source is silent.
 */
export async function* withKeepalive<T>(
  source: AsyncIterable<T>,
  everyMs: number,
  tick: () => T,
  signal: AbortSignal,
): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]()
  let next: IteratorResult<T> | null = null
  let failure: { error: unknown } | null = null
  let silent = false
  // Not `Promise.race`: what loses a race stays attached to promises that live as long as the stream.
  let notify = () => {}
  const timer = setTimeout(() => {
    silent = true
    notify()
  }, everyMs)
  const abort = () => notify()
  signal.addEventListener('abort', abort, { once: true })
  const ask = () => {
    iterator.next().then(
      (result) => {
        next = result
        notify()
      },
      (error: unknown) => {
        failure = { error }
        notify()
      },
    )
  }
  try {
    ask()
    for (;;) {
      if (next === null && failure === null && !silent && !signal.aborted)
        await new Promise<void>((resolve) => {
          notify = resolve
        })
      if (signal.aborted) throw signal.reason
      // What is assigned in callbacks is lost on the checker.
      const outcome = { next, failure } as { next: IteratorResult<T> | null; failure: { error: unknown } | null }
      if (outcome.failure !== null) throw outcome.failure.error
      if (outcome.next?.done === true) return
      if (outcome.next !== null) {
        yield outcome.next.value
        next = null
        ask()
      } else if (silent) {
        yield tick()
      }
      silent = false
      timer.refresh()
    }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
    // Whoever leaves early does not want to hear how the source ends.
    iterator.return?.().then(undefined, () => {})
  }
}
