/**
 * The same items, ending as soon as `signal` aborts, even while the source is silent. A source that does not heed the signal
 * itself is told by `return`.
 */
export function untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator](): AsyncIterator<T> {
      const iterator = source[Symbol.asyncIterator]()
      const leave = (): IteratorResult<T> => {
        // Not awaited and harmless if it fails: a generator that waits for its next item settles this only when that comes.
        iterator.return?.().then(undefined, () => {})
        return { done: true, value: undefined }
      }
      return {
        next: () =>
          new Promise((resolve, reject) => {
            const onAbort = () => resolve(leave())
            if (signal.aborted) {
              onAbort()
              return
            }
            signal.addEventListener('abort', onAbort, { once: true })
            iterator
              .next()
              .finally(() => signal.removeEventListener('abort', onAbort))
              .then(resolve, reject)
          }),
        return: async () => leave(),
      }
    },
  }
}
