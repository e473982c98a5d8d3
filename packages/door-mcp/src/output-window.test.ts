import { describe, expect, test } from 'vitest'
import { OutputWindow } from './output-window.ts'

function shown(maxBytes: number, ...pieces: string[]): string {
  const window = new OutputWindow(maxBytes)
  for (const piece of pieces) window.add(Buffer.from(piece))
  return window.text
}

describe('the window on an output', () => {
  test('shows all of what fits, however it comes', () => {
    expect(shown(9, 'abcdefghi')).toBe('abcdefghi')
    expect(shown(9, 'a', 'bcd', 'efgh', 'i')).toBe('abcdefghi')
    expect(shown(9)).toBe('')
  })

  test('shows the beginning and the end of more, and how much is left out', () => {
    expect(shown(9, 'abc1234567890uvwxyz')).toBe('abc\n… 10 bytes left out …\nuvwxyz')
    expect(shown(9, ...'abc1234567890uvwxyz')).toBe('abc\n… 10 bytes left out …\nuvwxyz')
    expect(shown(9, 'ab', 'c123', '4567890uvw', 'xy', 'z')).toBe('abc\n… 10 bytes left out …\nuvwxyz')
  })

  test('cuts no character in two', () => {
    expect(shown(9, `ab${'é'.repeat(10)}x`)).toBe('ab\n… 14 bytes left out …\nééx')
  })

  test('counts what a reader came too late for', () => {
    const window = new OutputWindow(9)
    window.add(Buffer.from('abc'))
    window.skip(1000)
    window.add(Buffer.from('xyz'))
    expect(window.text).toBe('abc\n… 1000 bytes left out …\nxyz')
  })

  test('holds no more than it shows, whatever comes', () => {
    const window = new OutputWindow(3000)
    for (let n = 0; n < 10_000; n++) window.add(Buffer.alloc(100, 'x'))
    expect(window.heldBytes).toBeLessThan(4000)
    expect(window.text.length).toBeLessThan(3100)
  })
})
