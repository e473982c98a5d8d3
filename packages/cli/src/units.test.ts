import { expect, test } from 'vitest'
import { painter } from './output/colors.ts'
import { printable } from './output/printable.ts'
import { formatFields, formatTable } from './output/table.ts'
import {
  formatAge,
  formatBytes,
  formatDuration,
  parseDuration,
  parseDurationOrNever,
  parseSize,
} from './output/units.ts'
import { safeParts } from './transfer/download.ts'
import { Escape } from './transfer/escape.ts'
import { parsePlace } from './transfer/place.ts'

const plain = painter(false)

test('durations and sizes', () => {
  expect(['250ms', '30', '30s', '1.5m', '2h', '1d'].map(parseDuration)).toEqual([250, 30e3, 30e3, 90e3, 72e5, 864e5])
  expect(parseDurationOrNever('never')).toBeNull()
  expect(['1024', '1K', '512M', '1.5GiB', '2g'].map(parseSize)).toEqual([1024, 1024, 2 ** 29, 1.5 * 2 ** 30, 2 ** 31])
  for (const bad of ['', 'x', '5 m', '-1s', '1y']) expect(() => parseDuration(bad)).toThrow(/not a duration/)
  for (const bad of ['', '1X', '-1']) expect(() => parseSize(bad)).toThrow(/not a size/)
  expect([0.25, 12, 1500, 59e3, 3.6e6, 864e5 * 3].map(formatDuration)).toEqual([
    '0.3ms',
    '12ms',
    '1.5s',
    '59s',
    '60m',
    '3d',
  ])
  expect([0, 1023, 1024, 1536, 200 * 2 ** 20, 3 * 2 ** 40].map(formatBytes)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '200 MiB',
    '3.0 TiB',
  ])
  const now = Date.parse('2026-01-01T00:10:00Z')
  expect(formatAge(new Date('2026-01-01T00:00:00Z'), now)).toBe('10m ago')
  expect(formatAge(new Date('2026-01-01T00:15:00Z'), now)).toBe('in 5m')
  expect(formatAge(null, now)).toBe('-')
})

test('tables line up, also with wide characters, and are cut to the terminal', () => {
  const items = [
    { name: 'a', size: 5 },
    { name: '日本', size: 1234 },
  ]
  const columns = [
    { title: 'NAME', value: ({ name }: { name: string }) => name },
    { title: 'SIZE', value: ({ size }: { size: number }) => String(size), align: 'right' as const },
  ]
  expect(formatTable(items, columns, plain)).toBe('NAME  SIZE\na        5\n日本  1234\n')
  expect(formatTable(items, columns, plain, 9)).toBe('NAME  SI…\na       …\n日本  12…\n')
  expect(
    formatFields(
      [
        ['id', 'x'],
        ['longer', 'y'],
        ['none', null],
      ],
      plain,
    ),
  ).toBe('id:     x\nlonger: y\n')
})

test('text from outside cannot move the cursor', () => {
  expect(printable('a\u001b[2Jb\rc\nd\u202e')).toBe('a\\u001b[2Jb\\u000dc d\\u202e')
  expect(formatTable([{}], [{ title: 'T', value: () => '\u001b[31m' }], plain)).toBe('T\n\\u001b[31m\n')
})

test('places', () => {
  expect(parsePlace('box:/a:b')).toEqual({ sandbox: 'box', path: '/a:b' })
  expect(parsePlace('./a:b')).toEqual({ sandbox: null, path: './a:b' })
  expect(parsePlace('/a:b')).toEqual({ sandbox: null, path: '/a:b' })
  expect(parsePlace('-')).toEqual({ sandbox: null, path: '-' })
})

test('names from a sandbox stay below the target', () => {
  expect(safeParts('/srv', '/srv/a/b')).toEqual(['a', 'b'])
  for (const path of ['/etc/passwd', '/srv/../x', '/srv/a/../../x', '/srv//x', '/srvx', '/srv/a\0b']) {
    expect(() => safeParts('/srv', path), path).toThrow()
  }
})

test('~. at the beginning of a line leaves, also key by key; elsewhere it is text', () => {
  const feed = (...keys: string[]) => {
    const wayOut = new Escape()
    let passed = ''
    for (const key of keys) {
      const { pass, leaves } = wayOut.feed(Buffer.from(key))
      passed += Buffer.from(pass).toString()
      if (leaves) return `${passed}|left`
    }
    return passed
  }
  expect(feed('~.')).toBe('|left')
  expect(feed('ls', '\r', '~', '.')).toBe('ls\r|left')
  expect(feed('cd ~.', '\r')).toBe('cd ~.\r')
  expect(feed('\r~~.')).toBe('\r~.')
  expect(feed('\r~/bin\r')).toBe('\r~/bin\r')
})
