import { expect, it } from 'vitest'
import { soon } from './soon.ts'

const never = new Promise<string>(() => {})

it('waits no longer than it was told for what is not there', async () => {
  expect(await soon('before', never, 1)).toBe('before')
  expect(await soon('before', Promise.resolve('after'), 60_000)).toBe('after')
})

it('tells why it did not come', async () => {
  await expect(soon('before', Promise.reject(new Error('no')), 60_000)).rejects.toThrow('no')
})
