import { expect, it } from 'vitest'
import { untilAborted } from './until-aborted.ts'

/** Yields what it is given, then is silent for ever and does not heed any signal. */
async function* silentAfter<T>(...items: T[]): AsyncIterable<T> {
  yield* items
  await new Promise(() => {})
}

it('ends while the source is silent', async () => {
  const leave = new AbortController()
  const seen: number[] = []
  for await (const item of untilAborted(silentAfter(1, 2), leave.signal)) {
    seen.push(item)
    if (item === 2) setImmediate(() => leave.abort())
  }
  expect(seen).toEqual([1, 2])
})

it('takes nothing from the source once aborted', async () => {
  for await (const _ of untilAborted(silentAfter(1), AbortSignal.abort())) throw new Error('not reached')
})

it('passes on how the source ends', async () => {
  async function* broken() {
    yield 1
    throw new Error('broken')
  }
  const items = untilAborted(broken(), new AbortController().signal)[Symbol.asyncIterator]()
  expect(await items.next()).toEqual({ done: false, value: 1 })
  await expect(items.next()).rejects.toThrow('broken')
})

it('tells the source when the reader leaves', async () => {
  let left = false
  async function* source() {
    try {
      yield 1
    } finally {
      left = true
    }
  }
  for await (const _ of untilAborted(source(), new AbortController().signal)) break
  expect(left).toBe(true)
})
