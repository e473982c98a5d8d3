import { expect, it } from 'vitest'
import { appended, plainText } from './log-text.ts'

it('shows text as it would stand on paper', () => {
  expect(plainText('\u001b[1;32mok\u001b[0m\r\nnext\u0007')).toBe('ok\nnext')
  expect(plainText('\u001b]0;title\u0007text \u001b[2K\u001b[?25lend')).toBe('text end')
  expect(plainText('tabs\tand\nlines')).toBe('tabs\tand\nlines')
})

it('keeps the end, by whole lines', () => {
  expect(appended('a\n', 'b')).toBe('a\nb')
  const long = appended('x'.repeat(262_000), `\n${'y'.repeat(200)}\n`)
  expect(long).toBe(`${'y'.repeat(200)}\n`)
})
