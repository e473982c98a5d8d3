import { expect, it } from 'vitest'
import { z } from 'zod'
import { wordsOf } from './issue-words.ts'

it.each([
  [z.number().min(1), 0, 'Expected at least 1'],
  [z.number().positive(), 0, 'Expected more than 0'],
  [z.number().max(100), 101, 'Expected at most 100'],
  [z.string().min(1), '', 'Expected not to be empty'],
  [z.string().max(3), 'four', 'Expected at most 3 characters'],
  [z.array(z.string()).min(2), [], 'Expected at least 2 items'],
  [z.string().min(9, 'Expected five fields'), '', 'Expected five fields'],
])('says %# in words', (schema, value, words) => {
  expect(schema.safeParse(value).error?.issues.map(wordsOf)).toEqual([words])
})
