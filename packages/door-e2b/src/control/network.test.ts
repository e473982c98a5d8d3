import { OPEN_NETWORK } from '@spawnpoint/core'
import { expect, it } from 'vitest'
import { type EgressRequest, egressOf, networkJson } from './network.ts'

const open = { default: 'open', ports: {}, hostHeader: null } as const
const shown = (request: EgressRequest) => networkJson({ network: egressOf(request), ingress: open, credentials: [] })

it('says what may be reached, and says it back', () => {
  const all = '0.0.0.0/0'
  expect(egressOf({})).toMatchObject({ internet: true, allow: [], deny: [], allowDomains: [], precedence: 'allow' })
  expect(shown({})).toBeUndefined()
  expect(shown({ denyOut: ['10.0.0.0/8', '8.8.8.8'] })).toEqual({ denyOut: ['10.0.0.0/8', '8.8.8.8'] })
  expect(shown({ allowOut: ['1.1.1.1'], denyOut: [all] })).toEqual({ allowOut: ['1.1.1.1'], denyOut: [all] })
  expect(egressOf({ allowOut: ['1.1.1.1', '*.example.com'], denyOut: [all] })).toEqual({
    internet: true,
    allow: ['1.1.1.1'],
    allowDomains: ['*.example.com'],
    deny: [all],
    precedence: 'allow',
  })
  expect(egressOf({ allowInternetAccess: false }).internet).toBe(false)
  expect(shown({ allowInternetAccess: false })).toEqual({ denyOut: [all] })
  expect(shown({ allowInternetAccess: false, allowOut: ['1.1.1.1'] })).toEqual({
    allowOut: ['1.1.1.1'],
    denyOut: [all],
  })
})

it('refuses what it cannot mean', () => {
  expect(() => egressOf({ allowOut: ['example.com'] })).toThrow('0.0.0.0/0')
  expect(() => egressOf({ denyOut: ['example.com'] })).toThrow('not an address')
})

it('says policies that other doors made', () => {
  const json = (network: Partial<typeof OPEN_NETWORK>, ingress: object = {}) =>
    networkJson({ network: { ...OPEN_NETWORK, ...network }, ingress: { ...open, ...ingress }, credentials: [] })
  expect(json({})).toBeUndefined()
  expect(json({ allow: ['10.1.0.0/16'], precedence: 'deny' })).toEqual({
    allowOut: ['10.1.0.0/16'],
    denyOut: ['0.0.0.0/0'],
  })
  expect(json({}, { default: 'token', hostHeader: 'localhost' })).toEqual({
    allowPublicTraffic: false,
    maskRequestHost: 'localhost',
  })
})

it('lets name servers be reached where host names are allowed, and only there', () => {
  const asked = { denyOut: ['0.0.0.0/0'], dnsServers: ['1.1.1.1', '9.9.9.9'] }
  expect(egressOf({ ...asked, allowOut: ['example.com', '1.1.1.1'] })).toMatchObject({
    allow: ['1.1.1.1', '9.9.9.9'],
    allowDomains: ['example.com'],
  })
  expect(egressOf({ ...asked, allowOut: ['192.0.2.1'] }).allow).toEqual(['192.0.2.1'])
  expect(egressOf({ ...asked, allowOut: [] }).allow).toEqual([])
})
