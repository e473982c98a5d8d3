import type { UsageRow } from 'spawnpoint'
import { expect, it } from 'vitest'
import { perDay, total } from './days.ts'

const row = (day: string, sandboxSeconds: number): UsageRow => ({
  teamId: null,
  day,
  sandboxId: null,
  sandboxSeconds,
  cpuSeconds: 0,
  cpuUsedSeconds: 0,
  memoryGibSeconds: 0,
  snapshotGibHours: 0,
})

it('has a value for every day, nought where nothing was used', () => {
  const rows = [row('2026-11-20', 5), row('2026-11-22', 7)]
  const from = new Date('2026-11-19T12:00:00Z')
  expect(perDay(rows, 'sandboxSeconds', from, new Date('2026-11-22T00:00:01Z'))).toEqual({
    times: ['2026-11-19', '2026-11-20', '2026-11-21', '2026-11-22'].map((day) => Date.parse(day) / 1000),
    values: [0, 5, 0, 7],
  })
  // What ends with a day has nothing of the next.
  expect(perDay(rows, 'sandboxSeconds', from, new Date('2026-11-21T00:00:00Z')).values).toEqual([0, 5])
  expect(total(rows, 'sandboxSeconds')).toBe(12)
})
