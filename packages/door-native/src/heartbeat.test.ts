import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { type DoorWorld, openDoorWorld } from './testing/door-world.ts'

let world: DoorWorld
let id: string
beforeAll(async () => {
  world = await openDoorWorld()
  id = await world.sandbox()
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
afterEach(() => void vi.useRealTimers())

/** Text of a streamed answer as it comes. */
async function opened(path: string, accept: string, signal: AbortSignal) {
  const response = await world.call('GET', path, { headers: { accept }, signal })
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  return async () => (await reader.read()).value
}

it('comes in every silent stream', async () => {
  const guest = await world.guest(id)
  const process = await guest.processes.start({ args: ['sleep', '1000'], env: {}, stdin: false })
  const leave = new AbortController()
  const cursor = Number.MAX_SAFE_INTEGER
  const events = await opened(`/events?cursor=${cursor}`, 'text/event-stream', leave.signal)
  const output = await opened(`/sandboxes/${id}/processes/${process.id}/output`, '*/*', leave.signal)
  const watch = await opened(`/sandboxes/${id}/files/watch?path=/tmp`, 'application/x-ndjson', leave.signal)
  expect(await output()).toContain('"started"')
  vi.advanceTimersByTime(15_000)
  expect(await events()).toBe(': heartbeat\n\n')
  expect(await output()).toBe('{"type":"heartbeat"}\n')
  expect(await watch()).toBe('\n')
  leave.abort()
})

it('is asked of a WebSocket, and one that does not answer is cut', async () => {
  const mute = world.socket(`/sandboxes/${id}/processes/connect`, { headers: world.withKey(), autoPong: false })
  const lively = world.socket(`/sandboxes/${id}/processes/connect`)
  await Promise.all([once(mute, 'open'), once(lively, 'open')])
  const pinged = Promise.all([once(mute, 'ping'), once(lively, 'ping')])
  vi.advanceTimersByTime(15_000)
  await pinged
  // What comes after the pong has come after the pong.
  lively.send(JSON.stringify({ type: 'start', args: ['cat'] }))
  await once(lively, 'message')
  const cut = once(mute, 'close')
  vi.advanceTimersByTime(15_000)
  expect((await cut)[0]).toBe(1006)
  expect(lively.readyState).toBe(lively.OPEN)
  lively.terminate()
})

it('is not needed to get rid of a WebSocket that never starts anything', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const idle = world.socket(`/sandboxes/${id}/processes/connect`)
  await once(idle, 'open')
  vi.advanceTimersByTime(10_000)
  const [code, reason] = await once(idle, 'close')
  expect([code, String(reason)]).toEqual([1008, 'No start message in time'])
})
