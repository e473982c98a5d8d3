import { expect, it } from 'vitest'
import { imageNameError, nameFor } from './names.ts'

it('proposes a name for what is pulled', () => {
  const of = {
    'python:3.13': 'python',
    'ghcr.io/Team/Tool@sha256:ab': 'tool',
    'oci:layout:tag': 'layout',
    '': '',
    'a:5000/b': 'b',
  }
  for (const [reference, name] of Object.entries(of)) expect(nameFor(reference)).toBe(name)
})

it('takes the names that the API takes', () => {
  expect(imageNameError('node-22')).toBeNull()
  for (const bad of ['', 'Node', '-x', 'a'.repeat(65)]) expect(imageNameError(bad)).not.toBeNull()
})
