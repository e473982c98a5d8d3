import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KeepRule } from '../src/model.ts'
import { checkCron, latestTick, nextTick, ticksBetween } from '../src/schedule/cron.ts'
import { kept } from '../src/schedule/keep.ts'

const ALL: KeepRule = { last: null, hourly: null, daily: null, weekly: null, monthly: null }
const at = (text: string) => ({ createdAt: new Date(text) })
const texts = (set: Set<{ createdAt: Date }>) =>
  [...set].map(({ createdAt }) => createdAt.toISOString().slice(0, 16)).sort()

describe('what a rule keeps', () => {
  it('is everything if it has no numbers', () => {
    const some = [at('2026-01-01T00:00Z'), at('2025-01-01T00:00Z')]
    expect(kept(some, ALL, 'UTC')).toEqual(new Set(some))
  })

  it('is the newest of each period that has any', () => {
    const hourly = Array.from({ length: 24 * 70 }, (_, hour) => ({ createdAt: new Date(Date.UTC(2026, 0, 1, hour)) }))
    const stay = kept(hourly, { last: 2, hourly: 3, daily: 2, weekly: 3, monthly: 9 }, 'UTC')
    expect(texts(stay)).toEqual([
      '2026-01-31T23:00', // month
      '2026-02-28T23:00', // month
      '2026-03-01T23:00', // Sunday
      '2026-03-08T23:00', // Sunday
      '2026-03-10T23:00', // day
      '2026-03-11T21:00', // hour
      '2026-03-11T22:00',
      '2026-03-11T23:00',
    ])
  })

  it('counts periods in the time zone of the schedule', () => {
    const midnight = [at('2026-06-01T21:30Z'), at('2026-06-01T22:30Z')]
    expect(kept(midnight, { ...ALL, daily: 9 }, 'UTC').size).toBe(1)
    expect(kept(midnight, { ...ALL, daily: 9 }, 'Europe/Berlin').size).toBe(2)
    const twice = [at('2026-10-25T00:30Z'), at('2026-10-25T01:30Z')] // both are half past two
    expect(kept(twice, { ...ALL, hourly: 9 }, 'Europe/Berlin').size).toBe(2)
  })

  it('never leaves out the newest, and keeps no more than its numbers add up to', () => {
    const count = fc.option(fc.integer({ min: 1, max: 5 }))
    const rule = fc.record({ last: count, hourly: count, daily: count, weekly: count, monthly: count })
    const instants = fc.uniqueArray(fc.integer({ min: 1.6e12, max: 1.7e12 }), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(instants, rule, (times, numbers) => {
        const snapshots = times.map((time) => ({ createdAt: new Date(time) }))
        const stay = kept(snapshots, numbers, 'America/New_York')
        const newest = Math.max(...times)
        expect([...stay].some(({ createdAt }) => createdAt.getTime() === newest)).toBe(true)
        const sum = Object.values(numbers).reduce<number>((total, value) => total + (value ?? 0), 0)
        expect(stay.size).toBeLessThanOrEqual(sum === 0 ? times.length : sum)
      }),
    )
  })
})

describe('cron', () => {
  it('is five fields in a time zone', () => {
    checkCron('*/15 2-4 * JAN,jul MON-FRI', 'Europe/Oslo')
    expect(nextTick('30 2 * * *', 'Europe/Berlin', new Date('2026-06-01T00:00Z'))).toEqual(
      new Date('2026-06-01T00:30Z'),
    )
  })

  it.each([
    ['* * * *', 'UTC'],
    ['* * * * * *', 'UTC'],
    ['@daily', 'UTC'],
    ['60 * * * *', 'UTC'],
    ['0 0 30 2 *', 'UTC'],
    ['a b c d e', 'UTC'],
    [`${'0,'.repeat(200)}0 * * * *`, 'UTC'],
    ['* * * * *', 'Mars/Olympus'],
    ['* * * * *', ''],
  ])('%j in %j is refused', (cron, zone) => {
    expect(() => checkCron(cron, zone)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  })

  it('finds the latest tick up to now, and how many there were', () => {
    const from = new Date('2026-01-01T00:00Z')
    const minutes = (n: number) => new Date(from.getTime() + n * 60_000)
    expect(latestTick('*/10 * * * *', 'UTC', from, minutes(9))).toBeNull()
    expect(latestTick('*/10 * * * *', 'UTC', from, minutes(10))).toEqual(minutes(10))
    expect(latestTick('*/10 * * * *', 'UTC', minutes(10), minutes(19))).toBeNull()
    expect(latestTick('*/10 * * * *', 'UTC', from, minutes(65))).toEqual(minutes(60))
    expect(ticksBetween('*/10 * * * *', 'UTC', from, minutes(60))).toBe(6)
  })
})
