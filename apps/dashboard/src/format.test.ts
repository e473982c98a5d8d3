import { expect, it } from 'vitest'
import {
  ageChangesIn,
  counted,
  durationText,
  formatAge,
  formatBytes,
  formatDuration,
  nameOf,
  parseDuration,
  parseSize,
  sizeText,
} from './format.ts'

it('says sizes and durations as people do', () => {
  expect([0, 1023, 1536, 150 * 2 ** 20, 3 * 2 ** 40].map(formatBytes)).toEqual([
    '0 B',
    '1023 B',
    '1.5 KiB',
    '150 MiB',
    '3.0 TiB',
  ])
  expect([0.25, 84.6, 4200, 119_000, 7_000_000, 3 * 86_400_000].map(formatDuration)).toEqual([
    '0.3 ms',
    '85 ms',
    '4.2 s',
    '119 s',
    '116 min',
    '3 days',
  ])
})

it('tells the past from the future, and says no more often than it must', () => {
  const now = Date.parse('2026-11-22T10:00:00Z')
  expect(formatAge(new Date(now - 180_000), now)).toBe('3 min ago')
  expect(formatAge(new Date(now + 300_000), now)).toBe('in 5 min')
  expect(formatAge(new Date(now - 500), now)).toBe('now')
  expect(formatAge(new Date(now - 4_300), now)).toBe('4 s ago')
  expect(ageChangesIn(new Date(now - 5_000), now)).toBe(1_000)
  expect(ageChangesIn(new Date(now - 600_000), now)).toBe(30_000)
})

it('reads what people write, and nothing else', () => {
  expect(['90s', '5m', '2 h', '1d', '250ms', '30'].map(parseDuration)).toEqual([
    90_000, 300_000, 7_200_000, 86_400_000, 250, 30_000,
  ])
  expect(['512M', '1.5 GiB', '2g', '1024'].map(parseSize)).toEqual([512 * 2 ** 20, 1.5 * 2 ** 30, 2 * 2 ** 30, 1024])
  for (const bad of ['', 'soon', '-1h', '1w', '5 m m']) expect(parseDuration(bad)).toBeNull()
  for (const bad of ['', 'big', '-1G', '1P']) expect(parseSize(bad)).toBeNull()
})

it('calls a thing by its name, or by the end of its id', () => {
  expect(nameOf({ id: '6920c1f20000a1b2c3d4e5f6', name: 'build' })).toBe('build')
  expect(nameOf({ id: '6920c1f20000a1b2c3d4e5f6', name: null })).toBe('…c3d4e5f6')
})

it('writes durations and sizes as it reads them', () => {
  expect([0, 1500, 90_000, 7_200_000, 30 * 86_400_000].map(durationText)).toEqual(['0', '1500ms', '90s', '2h', '30d'])
  expect([0, 1000, 512 * 2 ** 20, 2 ** 40].map(sizeText)).toEqual(['0', '1000', '512M', '1T'])
  for (const ms of [0, 1500, 90_000, 86_400_000]) expect(parseDuration(durationText(ms))).toBe(ms)
  for (const bytes of [0, 1000, 3 * 2 ** 30]) expect(parseSize(sizeText(bytes))).toBe(bytes)
})

it('counts', () => {
  expect([counted(1, 'call', 'calls'), counted(2, 'call', 'calls'), counted(500, 'call', 'calls', true)]).toEqual([
    '1 call',
    '2 calls',
    '500+ calls',
  ])
})
