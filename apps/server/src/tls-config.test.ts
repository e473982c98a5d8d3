import { expect, test } from 'vitest'
import { tlsFrom, toldDomain } from './tls-config.ts'

const PAIR = { SPAWNPOINT_TLS_CERT: '/c', SPAWNPOINT_TLS_KEY: '/k' }

test('a domain may stand alone; a certificate has a key, a domain and a port', () => {
  expect(tlsFrom({}, {})).toEqual({ domain: null, tls: null })
  expect(tlsFrom({}, { SPAWNPOINT_DOMAIN: 'Sandbox.Example.com' })).toEqual({
    domain: 'sandbox.example.com',
    tls: null,
  })
  expect(tlsFrom({}, { SPAWNPOINT_DOMAIN: 'sbx.test', ...PAIR })).toEqual({
    domain: 'sbx.test',
    tls: { cert: '/c', key: '/k', port: 7443 },
  })
  expect(tlsFrom({ domain: 'a.b:8443', tlsCert: '/x', tlsPort: '0' }, { SPAWNPOINT_DOMAIN: 'c.d', ...PAIR })).toEqual({
    domain: 'a.b:8443',
    tls: { cert: '/x', key: '/k', port: 0 },
  })
})

const DOMAINS = ['https://a.test', '*.a.test', 'a..test', '-a.test', '127.0.0.1', 'a:', 'a.test:0', 'a.test:1:2', 'a b']
const REFUSED: [env: Record<string, string>, said: string][] = [
  [{ SPAWNPOINT_TLS_CERT: '/c' }, 'go together'],
  [{ SPAWNPOINT_TLS_KEY: '/k' }, 'go together'],
  [PAIR, 'SPAWNPOINT_DOMAIN'],
  [{ SPAWNPOINT_DOMAIN: 'sbx.test', ...PAIR, SPAWNPOINT_TLS_PORT: '1e3' }, 'TLS port'],
  [{ SPAWNPOINT_DOMAIN: 'sbx.test', ...PAIR, SPAWNPOINT_TLS_PORT: '65536' }, 'TLS port'],
  ...DOMAINS.map((domain): [Record<string, string>, string] => [{ SPAWNPOINT_DOMAIN: domain }, 'is not a domain']),
]

test.each(REFUSED)('%j is refused', (env, said) => {
  expect(() => tlsFrom({}, env)).toThrow(said)
})

test('clients are told the port that they need', () => {
  expect(toldDomain(null, 7443)).toBeNull()
  expect(toldDomain('sbx.test', null)).toBe('sbx.test')
  expect(toldDomain('sbx.test', 443)).toBe('sbx.test')
  expect(toldDomain('sbx.test', 7443)).toBe('sbx.test:7443')
  expect(toldDomain('sbx.test:443', 7443)).toBe('sbx.test')
  expect(toldDomain('sbx.test:8443', 7443)).toBe('sbx.test:8443')
})
