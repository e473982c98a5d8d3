/**
 * Calls `late` after so many milliseconds, unless disposed before. What came by then is read first: it may have been this
 * process that stood still, and timers come before input.
 */
export function whenOverdue(late: () => void, ms: number): Disposable {
  let due: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    due = setImmediate(late)
  }, ms)
  return {
    [Symbol.dispose]() {
      clearTimeout(timer)
      clearImmediate(due)
    },
  }
}
