import { describe, expect, it } from 'vitest'
import { OPEN_NETWORK } from '../src/network.ts'
import { mergeNetwork } from '../src/services/checks.ts'

describe('hosts that a network policy names', () => {
  it('are kept in lower case, without the dot at the end', () => {
    const allowDomains = ['Example.COM', '*.example.com.', 'a_b.c', 'localhost']
    expect(mergeNetwork(OPEN_NETWORK, { allowDomains }).allowDomains).toEqual([
      'example.com',
      '*.example.com',
      'a_b.c',
      'localhost',
    ])
  })

  it.each(['', '*', '*.', 'a..b', 'a.*.b', '-a.b', '1.2.3.4', 'a/b', 'a b', 'é.com', `${'a'.repeat(64)}.com`])(
    'like %j are refused',
    (name) => {
      expect(() => mergeNetwork(OPEN_NETWORK, { allowDomains: [name] })).toThrow(/network\.allowDomains/)
    },
  )

  it('are bounded in number', () => {
    const allowDomains = Array.from({ length: 257 }, (_, index) => `h${index}.test`)
    expect(() => mergeNetwork(OPEN_NETWORK, { allowDomains })).toThrow(/at most 256/)
  })
})
