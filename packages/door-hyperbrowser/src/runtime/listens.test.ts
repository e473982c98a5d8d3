import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws'
import { listens } from './listens.ts'

const server = createServer()
const sockets = new WebSocketServer({ server })
const heard: string[] = []
sockets.on('connection', async (ws) => {
  await listens(ws)
  heard.push(ws.readyState === WebSocket.OPEN ? 'listens' : 'gone')
  if (ws.readyState === WebSocket.OPEN) ws.send('first')
})

beforeEach(async () => {
  heard.length = 0
  if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening')
})
afterEach(() => {
  vi.useRealTimers()
  for (const client of sockets.clients) client.terminate()
})

const open = (options: ClientOptions = {}) =>
  new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, options)

it('is true of a client that answers, and what comes then is not lost on one that listens late', async () => {
  const client = open()
  await once(client, 'open')
  expect(String((await once(client, 'message'))[0])).toBe('first')
})

it('is waited for, but not for ever', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const client = open({ autoPong: false })
  await once(client, 'ping')
  // Whatever was sent with it is here by now.
  client.ping()
  await once(client, 'pong')
  expect(heard).toEqual([])
  const message = once(client, 'message')
  vi.advanceTimersByTime(1_000)
  expect(String((await message)[0])).toBe('first')
})

it('ends with the connection', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const client = open({ autoPong: false })
  await once(client, 'ping')
  client.terminate()
  await expect.poll(() => heard, { interval: 5 }).toEqual(['gone'])
})
