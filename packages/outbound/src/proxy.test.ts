import { expect, it } from 'vitest'
import { environmentProxy } from './proxy.ts'

const HTTPS_PROXY = 'http://proxy.test:3128'

it('is what the environment names, in small letters first', () => {
  expect(environmentProxy({})).toBeNull()
  expect(environmentProxy({ HTTPS_PROXY: '' })).toBeNull()
  expect(environmentProxy({ HTTP_PROXY: HTTPS_PROXY })).toBeNull()
  expect(environmentProxy({ HTTPS_PROXY })?.url).toBe(HTTPS_PROXY)
  expect(environmentProxy({ HTTPS_PROXY, https_proxy: 'http://other.test' })?.url).toBe('http://other.test')
})

it.each([
  ['', 'a.test', true],
  ['', 'localhost', false],
  ['', 'a.localhost', false],
  ['', '127.0.0.2', false],
  ['', '[::1]', false],
  ['*', 'a.test', false],
  ['a.test', 'a.test', false],
  ['A.test', 'a.TEST', false],
  ['a.test', 'b.a.test', false],
  ['.a.test', 'b.a.test', false],
  ['*.a.test', 'b.a.test', false],
  ['a.test', 'ba.test', true],
  ['x, a.test y', 'a.test', false],
  ['a.test:8443', 'a.test', true],
  ['a.test:8443', 'a.test:8443', false],
  ['a.test:443', 'a.test', false],
  ['192.0.2.1', '192.0.2.1', false],
  ['2.1', '192.0.2.1', true],
  ['192.0.2.0/24', '192.0.2.77', false],
  ['192.0.2.0/24', '192.0.3.77', true],
  ['192.0.2.0/99', '192.0.2.77', true],
  ['2001:db8::/32', '[2001:db8::1]', false],
  ['2001:db8::1', '[2001:db8::1]', false],
  ['[2001:db8::1]:443', '[2001:db8::1]', false],
])('NO_PROXY=%s: a request to %s goes through it: %s', (NO_PROXY, host, through) => {
  expect(environmentProxy({ HTTPS_PROXY, NO_PROXY })?.isFor(new URL(`https://${host}/`))).toBe(through)
})
