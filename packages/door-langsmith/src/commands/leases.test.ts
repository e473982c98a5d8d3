import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Leases } from './leases.ts'
import type { Terms } from './terms.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const TERMS: Terms = { idleMs: 1000, ttlMs: null, killOnDisconnect: false }

function world() {
  const ended: string[] = []
  const leases = new Leases()
  const follow = (command: string, terms = TERMS) => leases.follow(command, terms, async () => void ended.push(command))
  return { ended, leases, follow }
}

it('a command ends when nobody has followed it for so long', () => {
  const { ended, follow } = world()
  follow('a')[Symbol.dispose]()
  vi.advanceTimersByTime(999)
  expect(ended).toEqual([])
  vi.advanceTimersByTime(1)
  expect(ended).toEqual(['a'])
})

it('not while one of several does, nor once somebody is back', () => {
  const { ended, follow } = world()
  const [first, second] = [follow('a'), follow('a')]
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  vi.advanceTimersByTime(5000)
  second[Symbol.dispose]()
  vi.advanceTimersByTime(900)
  const third = follow('a')
  vi.advanceTimersByTime(5000)
  expect(ended).toEqual([])
  third.ended()
  third[Symbol.dispose]()
  vi.advanceTimersByTime(5000)
  expect(ended).toEqual([])
})

it('at once if it is to end with its client, never if it is to stay', () => {
  const { ended, follow } = world()
  follow('now', { ...TERMS, killOnDisconnect: true })[Symbol.dispose]()
  follow('never', { ...TERMS, idleMs: null })[Symbol.dispose]()
  vi.advanceTimersByTime(10 ** 9)
  expect(ended).toEqual(['now'])
})

it('not because the server closes', () => {
  const { ended, leases, follow } = world()
  const [waiting, open] = [follow('a'), follow('b', { ...TERMS, killOnDisconnect: true })]
  waiting[Symbol.dispose]()
  leases[Symbol.dispose]()
  open[Symbol.dispose]()
  vi.advanceTimersByTime(5000)
  expect(ended).toEqual([])
})
