import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { WebSocket } from 'ws'
import { ClientSocket, closeReason } from './client-socket.ts'

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

it.each(['gone', 'é'.repeat(100), '漢'.repeat(60), '😀'.repeat(40)])(
  'cuts a reason to what a close frame holds: %s',
  (text) => {
    const cut = closeReason(text)
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(123)
    expect(Buffer.byteLength(cut)).toBeGreaterThan(Math.min(Buffer.byteLength(text), 123) - 4)
    expect(text.startsWith(cut.replace(/\uFFFD$/, ''))).toBe(true)
  },
)
