import { expect, it } from 'vitest'
import { Places } from './places.ts'

it('are given to so many at a time, in the order of asking', async () => {
  const places = new Places(2)
  const [first, second] = [await places.take(), await places.take()]
  const order: string[] = []
  const third = places.take().then((place) => {
    order.push('third')
    return place
  })
  const fourth = places.take().then((place) => {
    order.push('fourth')
    return place
  })
  await Promise.resolve()
  expect(order).toEqual([])
  first[Symbol.dispose]()
  // Given back once, however often that is said.
  first[Symbol.dispose]()
  const place = await third
  await Promise.resolve()
  expect(order).toEqual(['third'])
  place[Symbol.dispose]()
  await fourth
  expect(order).toEqual(['third', 'fourth'])
  second[Symbol.dispose]()
})

it('are not waited for by who goes away', async () => {
  const places = new Places(1)
  const held = await places.take()
  const controller = new AbortController()
  const leaving = places.take(controller.signal)
  const staying = places.take()
  controller.abort()
  await expect(leaving).rejects.toMatchObject({ code: 'cancelled' })
  await expect(places.take(AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' })
  held[Symbol.dispose]()
  ;(await staying)[Symbol.dispose]()
  // Nothing of the one that left is in the way.
  ;(await places.take())[Symbol.dispose]()
})
