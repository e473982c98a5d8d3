import { PassThrough } from 'node:stream'
import type { Principal, SpawnpointApi } from '@spawnpoint/core'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { holdActive, holdActiveWhileOpen } from './active.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** An API that only counts who holds a sandbox active; leases come when `grant` is called. */
function counting() {
  const waiting: (() => void)[] = []
  const state = { asked: 0, held: 0, grant: () => waiting.splice(0).forEach((give) => void give()) }
  const keepActive = (): Promise<Disposable> => {
    state.asked += 1
    return new Promise((resolve) => {
      waiting.push(() => {
        state.held += 1
        resolve({
          [Symbol.dispose]() {
            state.held -= 1
          },
        })
      })
    })
  }
  return { state, api: { sandboxes: { keepActive } } as unknown as SpawnpointApi }
}

const by = {} as Principal

it('asks for nothing if the call is short', () => {
  const { state, api } = counting()
  holdActive(api, by, 'x')[Symbol.dispose]()
  vi.advanceTimersByTime(10_000)
  expect(state.asked).toBe(0)
})

it('holds the sandbox from then on until it is let go', async () => {
  const { state, api } = counting()
  const active = holdActive(api, by, 'x')
  vi.advanceTimersByTime(500)
  state.grant()
  await Promise.resolve()
  expect(state.held).toBe(1)
  active[Symbol.dispose]()
  expect(state.held).toBe(0)
})

it('lets go of a lease that comes too late', async () => {
  const { state, api } = counting()
  const active = holdActive(api, by, 'x')
  vi.advanceTimersByTime(500)
  active[Symbol.dispose]()
  state.grant()
  await Promise.resolve()
  expect([state.asked, state.held]).toEqual([1, 0])
})

it('holds the sandbox as long as a connection is open, and not for one that has closed already', async () => {
  const { state, api } = counting()
  const socket = new PassThrough()
  holdActiveWhileOpen(socket, api, by, 'x')
  vi.advanceTimersByTime(500)
  state.grant()
  await Promise.resolve()
  expect(state.held).toBe(1)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.destroy()
  await closed
  expect(state.held).toBe(0)
  holdActiveWhileOpen(socket, api, by, 'x')
  vi.advanceTimersByTime(500)
  expect(state.asked).toBe(1)
})
