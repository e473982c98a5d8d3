import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { withKeepalive } from './keepalive.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A source that is fed by hand. */
function source() {
  const waiting: { resolve(result: IteratorResult<string>): void; reject(error: unknown): void }[] = []
  const state = { returned: false }
  const items: AsyncIterable<string> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise((resolve, reject) => waiting.push({ resolve, reject })),
      return: async () => {
        state.returned = true
        return { done: true, value: undefined }
      },
    }),
  }
  return {
    items,
    state,
    give: (value: string) => waiting.shift()?.resolve({ done: false, value }),
    end: () => waiting.shift()?.resolve({ done: true, value: undefined }),
    fail: (error: unknown) => waiting.shift()?.reject(error),
  }
}

it('ticks in silence, counted from the last item', async () => {
  const from = source()
  const items = withKeepalive(from.items, 1000, () => 'tick', new AbortController().signal)
  const first = items.next()
  vi.advanceTimersByTime(999)
  from.give('one')
  expect((await first).value).toBe('one')
  const second = items.next()
  await vi.advanceTimersByTimeAsync(999)
  from.give('two')
  expect((await second).value).toBe('two')
  const third = items.next()
  await vi.advanceTimersByTimeAsync(1000)
  expect((await third).value).toBe('tick')
  const fourth = items.next()
  await vi.advanceTimersByTimeAsync(1000)
  expect((await fourth).value).toBe('tick')
  const last = items.next()
  from.end()
  expect((await last).done).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})

it('loses nothing that comes while a tick is on its way', async () => {
  const from = source()
  const items = withKeepalive(from.items, 1000, () => 'tick', new AbortController().signal)
  const first = items.next()
  await vi.advanceTimersByTimeAsync(1000)
  from.give('meanwhile')
  expect([(await first).value, (await items.next()).value]).toEqual(['tick', 'meanwhile'])
})

it('fails as its source does, and leaves no timer', async () => {
  const from = source()
  const items = withKeepalive(from.items, 1000, () => 'tick', new AbortController().signal)
  const next = items.next()
  from.fail(new Error('broken'))
  await expect(next).rejects.toThrow('broken')
  expect(vi.getTimerCount()).toBe(0)
})

it('ends with the signal’s reason while the source is silent, and lets go of it', async () => {
  const from = source()
  const over = new AbortController()
  const items = withKeepalive(from.items, 1000, () => 'tick', over.signal)
  const next = items.next()
  over.abort(new Error('time is over'))
  await expect(next).rejects.toThrow('time is over')
  expect([from.state.returned, vi.getTimerCount()]).toEqual([true, 0])
  const late = withKeepalive(from.items, 1000, () => 'tick', over.signal)
  await expect(late.next()).rejects.toThrow('time is over')
})

it('lets go of its source when it is left', async () => {
  const from = source()
  const items = withKeepalive(from.items, 1000, () => 'tick', new AbortController().signal)
  const first = items.next()
  from.give('one')
  await first
  await items.return(undefined)
  expect([from.state.returned, vi.getTimerCount()]).toEqual([true, 0])
})
