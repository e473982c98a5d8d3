import { expect, it } from 'vitest'
import { portAddress } from './port-address.ts'

it('is an origin of its own, or none', () => {
  const page = (address: string) => new URL(address)
  expect(portAddress(page('http://127.0.0.1:7300/'), null, 'abc', 8000)).toBe('http://8000-abc.localhost:7300/')
  expect(portAddress(page('http://localhost/'), null, 'abc', 80)).toBe('http://80-abc.localhost/')
  expect(portAddress(page('https://sbx.test/'), 'sbx.test', 'abc', 80)).toBe('https://80-abc.sbx.test/')
  expect(portAddress(page('http://192.0.2.7:7300/'), null, 'abc', 80)).toBeNull()
})
