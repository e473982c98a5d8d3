import { once } from 'node:events'
import { expect, it } from 'vitest'
import { eventsOf, openDoorWorld } from './testing/door-world.ts'

it('closes with streams and WebSockets open, and ends them', async () => {
  const world = await openDoorWorld()
  const id = await world.sandbox()
  const events = eventsOf(await world.get(`/sandboxes/${id}/events`, { accept: 'text/event-stream' }))
  await events.next()
  const ws = world.socket(`/sandboxes/${id}/processes/connect`)
  await once(ws, 'open')
  const closed = once(ws, 'close')
  await world[Symbol.asyncDispose]()
  expect((await closed)[0]).toBe(1001)
  // The stream may have held more events; what matters is that it has an end.
  const rest = (async () => {
    for await (const _ of events);
  })()
  await rest.catch((error: Error) => expect(error.message).toBe('terminated'))
})
