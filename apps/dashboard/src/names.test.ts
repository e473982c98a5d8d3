import { expect, it } from 'vitest'
import { parsePairs, sandboxNameError, snapshotNameError } from './names.ts'

it('takes the names that the API takes', () => {
  for (const good of ['', 'ready', '1.2-a_b', 'a'.repeat(128)]) expect(snapshotNameError(good)).toBeNull()
  for (const bad of ['Ready', '-a', 'a b', 'ä', 'a'.repeat(129)]) expect(snapshotNameError(bad)).not.toBeNull()
  expect(sandboxNameError('Build-1')).toBeNull()
  expect(sandboxNameError('a/b')).not.toBeNull()
})

it('reads pairs line by line, values as they are', () => {
  expect(parsePairs('A=1\n\n B = x=y \n')).toEqual({ pairs: { A: '1', B: ' x=y ' } })
  expect(parsePairs('A=1\nnothing')).toEqual({ error: "'nothing' is not KEY=value" })
  expect(parsePairs('=1')).toHaveProperty('error')
})
