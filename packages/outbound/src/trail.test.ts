import { expect, it } from 'vitest'
import { nextHop, Trail } from './trail.ts'

it('leads no nearer than whoever answered first, also where the name comes to mean another address', () => {
  const trail = new Trail()
  expect([trail.nearest(true), trail.nearest(false)]).toEqual(['loopback', 'public'])
  trail.answered({ reach: 'private' })
  trail.answered({ reach: 'loopback' })
  expect([trail.nearest(true), trail.nearest(false)]).toEqual(['private', 'private'])
})

it.each([
  ['https://a.test/x', '/y', 'https://a.test/y'],
  ['https://a.test/x', 'https://u:p@b.test/y?z', 'https://b.test/y?z'],
  ['http://a.test/x', 'http://b.test/', 'http://b.test/'],
  ['http://a.test/x', 'https://b.test/', 'https://b.test/'],
  ['https://a.test/x', 'http://a.test/x', undefined],
  ['http://a.test/x', 'file:///etc/passwd', undefined],
  ['http://a.test/x', 'http://[', undefined],
])('from %s to %s it goes to %s', (from, location, to) => {
  expect(nextHop(new URL(from), location)?.href).toBe(to)
})
