import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Sandbox } from '@spawnpoint/core'
import type { ServiceCall } from '@spawnpoint/gateway'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { BROWSER_COOKIE, browserSession, browserUrl, runtimeTokenAllows } from './exposed-ports.ts'
import { issueRuntimeToken } from './runtime-token.ts'
import { type DoorWorld, openDoorWorld } from './testing/door-world.ts'

let world: DoorWorld
const sandbox = { id: 'a'.repeat(24) } as Sandbox
beforeAll(async () => {
  world = await openDoorWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const asked = (headers: object, url = '/') => ({ headers, url }) as IncomingMessage

it('lets in who shows the token, and keeps the program from seeing it', () => {
  const allows = runtimeTokenAllows(world.core)
  const { token } = issueRuntimeToken(world.core, sandbox.id)
  expect(allows(asked({ authorization: `Bearer ${token}` }), sandbox, 3000)).toEqual({
    stripHeaders: ['authorization'],
  })
  expect(allows(asked({ authorization: 'Bearer of-the-program' }), sandbox, 3000)).toBe(false)
})

it.each([
  ['/', '/'],
  ['/a?b', '/a?b'],
  ['/\t/evil.test', '/'],
  ['//evil.test', '/'],
])('gives a browser a cookie for one port, and sends it from next=%j on to %s', async (next, location) => {
  const url = new URL(browserUrl(world.core, 'https://port.test/', sandbox.id, 3000).browserUrl)
  url.searchParams.set('next', next)
  const said: Record<string, string>[] = []
  const res = { writeHead: (_: number, headers: Record<string, string>) => void said.push(headers), end: () => {} }
  await browserSession(world.core)({
    ...{ req: asked({}, url.pathname + url.search), res: res as unknown as ServerResponse, sandbox, port: 3000 },
  } as ServiceCall)
  expect(said[0]?.location).toBe(location)
  const cookie = said[0]?.['set-cookie']?.split(';')[0] ?? ''
  expect(cookie).toMatch(new RegExp(`^${BROWSER_COOKIE}=`))
  const allows = runtimeTokenAllows(world.core)
  expect([3000, 3001].map((port) => allows(asked({ cookie }), sandbox, port))).toEqual([true, false])
})
