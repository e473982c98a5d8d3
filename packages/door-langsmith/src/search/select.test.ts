import { expect, it } from 'vitest'
import { select } from './select.ts'

const never = new AbortController().signal

it('ends with what is wanted, and says whether there was more', async () => {
  const isEven = (n: number) => n % 2 === 0
  expect(await select([1, 2, 3, 4], isEven, 2, never)).toEqual({ found: [2, 4], whole: true })
  expect(await select([1, 2, 3, 4], isEven, 1, never)).toEqual({ found: [2], whole: false })
})

it('lets others have a turn, who may end it', async () => {
  const leave = new AbortController()
  setImmediate(() => leave.abort())
  const slow = () => {
    const until = performance.now() + 1
    while (performance.now() < until);
    return true
  }
  const all = Array.from({ length: 10_000 }, (_, n) => n)
  const { found, whole } = await select(all, slow, 10_000, leave.signal)
  expect(whole).toBe(false)
  expect(found.length).toBeLessThan(all.length)
})
