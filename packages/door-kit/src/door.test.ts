import type { AddressInfo } from 'node:net'
import type { Principal } from '@spawnpoint/core'
import Fastify from 'fastify'
import { expect, it } from 'vitest'
import { registerDoor } from './door.ts'
import { route } from './route.ts'

it('who asks for the signal of a call again and again gets the same, which holds nothing more each time', async () => {
  await using app = Fastify()
  let listeners: number[] = []
  let gone: AbortSignal | undefined
  await registerDoor(app, {
    prefix: '/door',
    log: { warn() {}, error() {} },
    jsonLimitBytes: 1_000,
    authenticate: async () => ({ teamId: 'team', keyId: null }) as unknown as Principal,
    refuse: () => ({ status: 500, body: {} }),
    routes: [
      route({
        method: 'GET',
        path: '/',
        handle: async (call) => {
          const { raw } = call.reply
          listeners = [1, 2, 3].map(() => {
            gone = call.signal
            return raw.listenerCount('close')
          })
          return { status: 200, body: {} }
        },
      }),
    ],
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  expect((await fetch(`http://127.0.0.1:${port}/door/`)).status).toBe(200)
  expect(new Set(listeners).size).toBe(1)
  await expect.poll(() => gone?.aborted).toBe(true)
})
