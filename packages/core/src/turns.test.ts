import { expect, it } from 'vitest'
import { Turns } from './turns.ts'

it('gives turns by key in order, whatever comes of them', async () => {
  const turns = new Turns<string>()
  const order: string[] = []
  const work =
    (name: string, fails = false) =>
    async () => {
      order.push(`${name} begins`)
      await new Promise((next) => setImmediate(next))
      order.push(`${name} ends`)
      if (fails) throw new Error(name)
      return name
    }
  const taken = [turns.take('k', work('a', true)), turns.take('k', work('b')), turns.take('other', work('c'))]
  expect((await Promise.allSettled(taken)).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
  expect(order.filter((entry) => !entry.startsWith('c'))).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
  expect(order.indexOf('c begins')).toBeLessThan(order.indexOf('a ends'))
})

it('passes over who has left before the turn', async () => {
  const turns = new Turns<string>()
  const go = Promise.withResolvers<void>()
  const first = turns.take('k', () => go.promise)
  const left = new AbortController()
  const second = turns.take('k', async () => expect.unreachable(), left.signal)
  left.abort(new Error('left'))
  go.resolve()
  await first
  await expect(second).rejects.toThrow('left')
  expect(await turns.take('k', async () => 'third')).toBe('third')
})
