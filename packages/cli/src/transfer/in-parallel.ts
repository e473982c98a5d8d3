/** Requests under way at once: enough to hide the way to the server, few enough not to crowd out others. */
const WIDTH = 8

/** Does `work` for each, several at a time, beginning no more after the first failure, which it throws. */
export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  let failed = false
  const lane = async () => {
    while (next < items.length && !failed) {
      const item = items[next] as T
      next += 1
      try {
        await work(item)
      } catch (thrown) {
        failed = true
        throw thrown
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(WIDTH, items.length) }, lane))
}
