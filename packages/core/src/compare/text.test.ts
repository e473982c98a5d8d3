import { describe, expect, it } from 'vitest'
import { compareText } from './text.ts'

const bytes = (text: string) => Buffer.from(text)
const lines = (count: number, of: (n: number) => string) => Array.from({ length: count }, (_, n) => of(n)).join('\n')

describe('the text of two files', () => {
  it('is told in the unified format', async () => {
    const old = lines(20, (n) => `line ${n}`)
    const young = old.replace('line 7\n', 'line seven\nand more\n').replace('line 19', 'line 19\n')
    const { outcome, unified } = await compareText('/etc/some', bytes(old), bytes(young))
    expect(outcome).toBe('text')
    expect(unified).toBe(
      [
        ...['--- a/etc/some', '+++ b/etc/some', '@@ -5,7 +5,8 @@', ' line 4', ' line 5', ' line 6'],
        ...['-line 7', '+line seven', '+and more', ' line 8', ' line 9', ' line 10'],
        ...['@@ -17,4 +18,4 @@', ' line 16', ' line 17', ' line 18'],
        ...['-line 19', '\\ No newline at end of file', '+line 19', ''],
      ].join('\n'),
    )
  })

  it('of one that is new or gone is all of it', async () => {
    expect((await compareText('/x', null, bytes('a\nb\n'))).unified).toBe(
      '--- /dev/null\n+++ b/x\n@@ -0,0 +1,2 @@\n+a\n+b\n',
    )
    expect((await compareText('/x', bytes('a\n'), null)).unified).toBe('--- a/x\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n')
    expect(await compareText('/x', null, bytes(''))).toMatchObject({ outcome: 'text' })
  })

  it('is the same, or no text', async () => {
    expect(await compareText('/x', bytes('\0a'), bytes('\0a'))).toEqual({ outcome: 'same', unified: '' })
    expect(await compareText('/x', bytes('\0a'), bytes('b'))).toEqual({ outcome: 'binary', unified: null })
    expect(await compareText('/x', bytes('a'), Buffer.from([0xff, 0xfe, 0x41]))).toMatchObject({ outcome: 'binary' })
  })

  it('that has hardly a line in common is given up on', async () => {
    const old = lines(40_000, (n) => `old ${n * 7}`)
    const young = lines(40_000, (n) => `young ${n * 11}`)
    expect(await compareText('/x', bytes(old), bytes(young))).toEqual({ outcome: 'too_different', unified: null })
  })
})
