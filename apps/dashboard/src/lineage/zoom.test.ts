import { expect, it } from 'vitest'
import { fitting, nextZoom } from './zoom.ts'

it('makes the picture as small as it must be to be seen as a whole, and not so small that it cannot be read', () => {
  expect(fitting(500, 1_000)).toBe(1)
  expect(fitting(1_000, 800)).toBe(0.8)
  expect(fitting(5_000, 800)).toBe(0.6)
})

it('goes on from what fits to the next larger and smaller', () => {
  expect(nextZoom(0.8, 'larger')).toBe(0.9)
  expect(nextZoom(0.8, 'smaller')).toBe(0.75)
  expect([nextZoom(1.25, 'larger'), nextZoom(0.5, 'smaller')]).toEqual([null, null])
})
