import { expect, it } from 'vitest'
import { expressionFault, HostList, splitPort } from './host-list.ts'

it.each([
  ['a.test', 'a.test', [80, 443]],
  ['a.test', 'A.Test.', [80, 443]],
  ['a.test', 'b.a.test', []],
  ['*.a.test', 'b.a.test', [80, 443]],
  ['*.a.test', 'a.test', []],
  ['a.test:22', 'a.test', [22]],
  ['*.a.test:443', 'b.a.test', [443]],
  ['~^api[0-9]+\\.', 'api7.a.test', [80, 443]],
  ['~^api[0-9]+\\.', 'an.api7.a.test', []],
])('%s has %s on %j', (entry, host, ports) => {
  const list = new HostList([entry])
  expect([22, 80, 443].filter((port) => list.has(host, port))).toEqual(ports)
})

it('adds up what the entries of one host give it', () => {
  const list = new HostList(['a.test', 'a.test:22', '*.test:5432', 'a.test:443'])
  expect(list.otherPorts('a.test')).toEqual([22, 5432])
  expect([list.hasWhole('a.test'), list.hasWhole('b.test'), list.hasOtherPorts]).toEqual([true, false, true])
  expect([list.allOtherPorts, list.hasWebPorts, new HostList(['a.test:22']).hasWebPorts]).toEqual([
    [22, 5432],
    true,
    false,
  ])
})

it.each([
  ['~(', /missing closing/],
  ['~(a)\\1', /not an RE2/],
  ['~(?=a)', /not an RE2/],
  ['~(x{900})', /too large/],
  ['~((a{1000}){1000}){1000}', /not an RE2/],
])('expression %s is none', (entry, fault) => {
  expect(expressionFault(entry)).toMatch(fault)
})

it('looks for an expression in time that grows with the name alone', () => {
  const steps = (length: number) => {
    const list = new HostList(['~^(a+)+$'])
    return list.hasSomewhere(`${'a'.repeat(length)}!`)
  }
  // A backtracking one would not end before the universe does.
  expect(steps(250)).toBe(false)
})

it('tells a port from an address of IPv6', () => {
  expect([splitPort('a.test:22'), splitPort('a.test'), splitPort('2001:db8::1')]).toEqual([
    ['a.test', 22],
    ['a.test', null],
    ['2001:db8::1', null],
  ])
})
