import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { linesFor } from './lines.ts'

const DOORS = join(import.meta.dirname, '../../../../docs/doors')

it('says of each vendor what its page says', () => {
  const words = (text: string) => text.match(/[A-Z0-9]+_[A-Z_]+|https?:\S+?\/[a-z0-9]+|baseUrl|new [A-Z]\w+/g) ?? []
  for (const { vendor, text } of linesFor('http://127.0.0.1:7300', 'sp_0123')) {
    const page = {
      E2B: 'e2b',
      Novita: 'novita',
      LangSmith: 'langsmith',
      Hyperbrowser: 'hyperbrowser',
      Brimble: 'brimble',
    }[vendor]
    if (page === undefined) continue
    const said = readFileSync(join(DOORS, `${page}.md`), 'utf8')
    expect(words(text).length).toBeGreaterThan(1)
    for (const word of words(text)) expect(said, vendor).toContain(word)
  }
})

it('gives E2B the prefix that its clients insist on', () => {
  const e2b = linesFor('http://h', 'sp_0123').find(({ vendor }) => vendor === 'E2B')
  expect(e2b?.text).toContain('E2B_API_KEY=e2b_0123')
})
