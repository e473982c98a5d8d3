import { expect, it } from 'vitest'
import { Refresher } from './refresher.ts'

it('asks once for what comes together, and for the rest when the answers are there', async () => {
  const asked: string[] = []
  const first = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const again = Promise.withResolvers<void>()
  const refresher = new Refresher(async (key) => {
    asked.push(key.join('/'))
    if (asked.length === 2) begun.resolve()
    if (asked.length === 3) again.resolve()
    await first.promise
  }, 1)
  refresher.add([['sandboxes'], ['sandbox', 'a']])
  refresher.add([['sandboxes']])
  await begun.promise
  expect(asked).toEqual(['sandboxes', 'sandbox/a'])
  for (let n = 0; n < 100; n += 1) refresher.add([['sandboxes']])
  expect(asked).toHaveLength(2)
  first.resolve()
  await again.promise
  expect(asked).toEqual(['sandboxes', 'sandbox/a', 'sandboxes'])
})

it('goes on after an answer that failed, and stops when it is ended', async () => {
  const asked: string[] = []
  const second = Promise.withResolvers<void>()
  const refresher = new Refresher(async (key) => {
    asked.push(key.join('/'))
    if (asked.length === 2) second.resolve()
    throw new Error('no answer')
  }, 1)
  refresher.add([['a']])
  refresher.add([['b']])
  await second.promise
  refresher.end()
  refresher.add([['c']])
  await new Promise((resolve) => setImmediate(resolve))
  expect(asked).toEqual(['a', 'b'])
})
