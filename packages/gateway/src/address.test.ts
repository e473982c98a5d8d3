import { describe, expect, it } from 'vitest'
import { addressOf } from './address.ts'

const rules = {
  domain: 'sbx.test',
  routingHeaders: [
    { id: 'e2b-sandbox-id', port: 'e2b-sandbox-port' },
    { id: 'novita-sandbox-id', port: 'novita-sandbox-port' },
  ],
}
const of = (headers: Record<string, string>, domain: string | null = rules.domain) =>
  addressOf(headers, { ...rules, domain })

describe('a host', () => {
  it.each([
    ['3000-abc123.sbx.test', 'abc123', 3000],
    ['3000-abc123.sbx.test:7443', 'abc123', 3000],
    ['49983-ABC.SBX.test', 'abc', 49983],
    ['80-abc-6532622b.sbx.test', 'abc', 80],
    ['80-abc-x-y.sbx.test', 'abc', 80],
    ['65535-a.localhost', 'a', 65535],
  ])('%s names a port', (host, id, port) => {
    expect(of({ host })).toEqual({ id, port })
  })

  it.each(['0-abc.sbx.test', '65536-abc.sbx.test', '99999999-abc.sbx.test', '80-.sbx.test', '80-a_b.sbx.test'])(
    '%s says what is wrong',
    (host) => expect(of({ host })).toMatch(/^Invalid host: /),
  )

  it.each([
    'sbx.test',
    'api.sbx.test',
    'sandbox.sbx.test',
    '127.0.0.1:7300',
    '[::1]:7300',
    '80-a.other.test',
    '80-a.b.sbx.test',
    '',
  ])('%j names none', (host) => expect(of({ host })).toBeNull())

  it('below another domain names none', () => {
    expect(of({ host: '80-abc.sbx.test' }, null)).toBeNull()
    expect(of({ host: '80-abc.localhost:7300' }, null)).toEqual({ id: 'abc', port: 80 })
    expect(of({})).toBeNull()
  })
})

describe('routing headers', () => {
  it.each(['e2b', 'novita'])('of %s name a port, whatever the host', (vendor) => {
    const headers = { [`${vendor}-sandbox-id`]: 'Abc-6532622b', [`${vendor}-sandbox-port`]: '49983' }
    for (const host of ['127.0.0.1:7300', 'sandbox.sbx.test', 'spawn.example'])
      expect(of({ host, ...headers })).toEqual({ id: 'abc', port: 49983 })
  })

  it('give way to a host that names a port', () => {
    expect(of({ host: '80-abc.sbx.test', 'e2b-sandbox-id': 'other', 'e2b-sandbox-port': '81' })).toEqual({
      id: 'abc',
      port: 80,
    })
  })

  it('go together', () => {
    expect(of({ host: 'x', 'e2b-sandbox-id': 'abc' })).toMatch(/go together/)
    expect(of({ host: 'x', 'novita-sandbox-port': '80' })).toMatch(/go together/)
  })

  it.each([
    ['../x', '80'],
    ['', '80'],
    ['a'.repeat(65), '80'],
    ['abc', '0'],
    ['abc', '-1'],
    ['abc', '80.5'],
    ['abc', ''],
    ['abc', '70000'],
  ])('%j and %j are refused', (id, port) => {
    expect(of({ host: 'x', 'e2b-sandbox-id': id, 'e2b-sandbox-port': port })).toMatch(/^Invalid /)
  })
})
