import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { WebSocket } from 'ws'
import { ClientSocket } from './client-socket.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** As much of a WebSocket as its watch looks at. */
class Client extends EventEmitter {
  isPaused = false
  isThere = true
  asked = 0

  ping(): void {
    this.asked += 1
  }

  terminate(): void {
    this.isThere = false
    this.emit('close')
  }
}

function watched(): Client {
  const client = new Client()
  new ClientSocket(client as unknown as WebSocket, { firstWithinMs: 1_000_000, late() {}, message() {} })
  return client
}

it('lets go of a client that does not answer a ping before the next', () => {
  const client = watched()
  vi.advanceTimersByTime(15_000)
  client.emit('pong')
  vi.advanceTimersByTime(15_000)
  expect(client).toMatchObject({ isThere: true, asked: 2 })
  vi.advanceTimersByTime(15_000)
  expect(client.isThere).toBe(false)
})

it('waits for one that nothing is taken from meanwhile, and asks it anew afterwards', () => {
  const client = watched()
  client.isPaused = true
  vi.advanceTimersByTime(60_000)
  expect(client).toMatchObject({ isThere: true, asked: 4 })
  client.isPaused = false
  vi.advanceTimersByTime(15_000)
  expect(client.isThere).toBe(true)
  vi.advanceTimersByTime(15_000)
  expect(client.isThere).toBe(false)
})
