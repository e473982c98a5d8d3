import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { InterceptedWorld } from '../../../testing/intercepted-world.ts'

const world = new InterceptedWorld()
const { ask, raw, valuesOf, heard } = world
beforeAll(() => world.open())
beforeEach(() => world.reset())
afterAll(() => world[Symbol.asyncDispose]())

const KEY = 'placeholder_of_key'
const rule = (...values: { name: string; value: string | null }[]) => ({
  hosts: ['*.test'],
  paths: [],
  matchHeaders: [],
  headers: [],
  auth: { type: 'placeholders' as const, values },
})
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

it('values take the place of their names in targets, headers and Basic credentials', async () => {
  world.guest.rules = [rule({ name: KEY, value: 's&cret' }, { name: `${KEY}_2`, value: KEY })]
  const headers = { authorization: `Bearer ${KEY}`, 'x-both': `${KEY}_2,${KEY}`, 'x-mine': 'mine' }
  expect((await ask({ path: `/a?key=${KEY}`, headers })).status).toBe(200)
  expect(heard[0]?.url).toBe('/a?key=s%26cret')
  expect(valuesOf('authorization')).toEqual(['Bearer s&cret'])
  // What is put in is not looked at again.
  expect([valuesOf('x-both'), valuesOf('x-mine')]).toEqual([[`${KEY},s&cret`], ['mine']])
  await ask({ headers: { authorization: basic(`user:${KEY}`) } })
  expect(valuesOf('authorization', heard[1])).toEqual([basic('user:s&cret')])
  await ask({ headers: { authorization: basic('user:other') } })
  expect(valuesOf('authorization', heard[2])).toEqual([basic('user:other')])
})

it('headers of one name are kept beside each other', async () => {
  world.guest.rules = [rule({ name: KEY, value: 'secret' })]
  await raw(`GET / HTTP/1.1\r\nHost: api.test\r\nX-A: one\r\nX-A: ${KEY}\r\nConnection: close\r\n\r\n`)
  expect(valuesOf('x-a')).toEqual(['one', 'secret'])
})

it('a body, and whatever goes over the open wire, is left as it is', async () => {
  world.guest.rules = [rule({ name: KEY, value: 'secret' })]
  await ask({ method: 'POST', body: (one) => one.end(KEY) })
  expect(heard[0]?.body.toString()).toBe(KEY)
  await raw(`GET / HTTP/1.1\r\nHost: api.test\r\nX-A: ${KEY}\r\nConnection: close\r\n\r\n`, 'plain')
  expect(valuesOf('x-a', heard[1])).toEqual([KEY])
})

it('a secret that is gone stops requests that need it, and no others', async () => {
  world.guest.rules = [rule({ name: KEY, value: null })]
  expect(await ask({ headers: { 'x-a': KEY } })).toMatchObject({ status: 502, body: expect.stringContaining(KEY) })
  expect((await ask({ headers: { 'x-a': 'other' } })).status).toBe(200)
  expect(heard).toHaveLength(1)
})
