import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { generate } from './testing/generate-wire-schemas.ts'

test('the generated types are those of the API as it is (else: npm run generate -w packages/sdk)', async () => {
  // The formatter may lay the file out anew; what it says is what counts.
  const plain = (text: string) => text.replaceAll(/[\s()|;]|^ *\|/g, '')
  const committed = readFileSync(new URL('./wire-schemas.ts', import.meta.url), 'utf8')
  expect(plain(committed)).toBe(plain(await generate()))
})
