import { expect, it } from 'vitest'
import { hostOf, insideOnly } from './client-address.ts'

it.each([
  ['box.lan:7300', 'box.lan:7300'],
  ['[::1]:7300', '[::1]:7300'],
  ['a b', 'localhost'],
  ['a/b', 'localhost'],
  ['box.lan:99999', 'localhost'],
  ['[::1', 'localhost'],
  ['', 'localhost'],
  [undefined, 'localhost'],
])('a client that says it reached %s has reached %s', (host, reached) => {
  expect(hostOf({ headers: { host } })).toBe(reached)
})

it.each([
  ['/a?b=c#d', '/a?b=c#d'],
  ['//evil.test', '/'],
  ['/\\evil.test', '/'],
  ['/\t/evil.test', '/'],
  ['/a\\..', '/'],
  ['https://evil.test', '/'],
  ['', '/'],
])('a browser that is to go on to %j goes to %s', (path, to) => {
  expect(insideOnly(path)).toBe(to)
})
