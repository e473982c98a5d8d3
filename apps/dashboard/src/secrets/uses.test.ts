import { expect, test } from 'vitest'
import { usesSecret } from './uses.ts'

const rule = (template?: string) => ({
  name: 'api',
  enabled: false,
  hosts: ['api.example.com'],
  paths: [],
  matchHeaders: [],
  headers: [{ name: 'authorization', value: null, secret: true, template }],
  env: {},
})

test('a sandbox uses the secrets that the templates of its rules name', () => {
  expect(usesSecret('KEY')({ credentials: [rule(), rule('Bearer {KEY}')] })).toBe(true)
  expect(usesSecret('KEY')({ credentials: [rule('Bearer {KEY_2}'), rule('KEY')] })).toBe(false)
  expect(usesSecret('KEY')({ credentials: [] })).toBe(false)
})
