import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { InterceptedWorld, RULE } from '../../testing/intercepted-world.ts'
import { Agents } from './interceptor.ts'

const world = new InterceptedWorld()
const { ask, raw, valuesOf, heard, secured } = world
beforeAll(() => world.open())
beforeEach(() => world.reset())
afterAll(() => world[Symbol.asyncDispose]())

describe('a request that is sent to another host', () => {
  const rewrite = { host: 'gateway.test', port: 443, guestCredentials: 'strip' as const }
  const mine = { authorization: 'Bearer mine', cookie: 'a=b', X_Api_Key: 'mine', 'x-other': 'kept', 'x-key': 'mine' }

  it('goes there over TLS, under its name, with the headers of the rule and no credential of the guest', async () => {
    world.guest.rules = [{ ...RULE, rewrite, paths: ['/v1/*'] }]
    expect(
      (await ask({ path: '/v1/x?y=z', headers: mine, method: 'POST', body: (one) => one.end('body') })).status,
    ).toBe(200)
    await raw('GET /v1/plain HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n', 'plain')
    await ask({ path: '/other', headers: mine })
    expect(
      heard.map((one) => [one.url, one.body, ...valuesOf('host', one), ...valuesOf('authorization', one)]),
    ).toEqual([
      ['/v1/x?y=z', 'body', 'gateway.test'],
      ['/v1/plain', '', 'gateway.test'],
      ['/other', '', 'api.test', 'Bearer mine'],
    ])
    expect(['cookie', 'x_api_key', 'x-other', 'x-key'].map((name) => valuesOf(name, heard[0]))).toEqual([
      [],
      [],
      ['kept'],
      ['secret'],
    ])
    // The second went along the first one's way.
    expect(secured).toEqual(['gateway.test', 'api.test'])
  })

  it('keeps what the guest gave as it is, or unreadable', async () => {
    const seen = async (guestCredentials: 'redact' | 'keep') => {
      heard.length = 0
      world.guest.rules = [{ ...RULE, headers: [], rewrite: { ...rewrite, guestCredentials } }]
      await ask({ headers: mine })
      return ['authorization', 'cookie', 'x_api_key', 'x-other'].flatMap((name) => valuesOf(name, heard[0]))
    }
    expect(await seen('redact')).toEqual(['Bearer redacted', 'redacted', 'redacted', 'kept'])
    expect(await seen('keep')).toEqual(['Bearer mine', 'a=b', 'mine', 'kept'])
  })

  it('becomes another protocol there', async () => {
    world.guest.rules = [{ ...RULE, rewrite }]
    const answer = await raw(
      'GET / HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n',
      'plain',
      (text) => text.endsWith('\r\n\r\n'),
    )
    expect(answer).toMatch(/^HTTP\/1.1 101 /)
    expect(valuesOf('host')).toEqual(['gateway.test'])
  })

  it('is answered here where that host is not who it should be, not allowed or not there', async () => {
    world.guest.rules = [{ ...RULE, rewrite }]
    world.guest.agents = new Agents([world.own.certificate])
    const refused = { status: 502, body: 'spawnpoint: the host that requests are sent to instead cannot be reached\n' }
    expect(await ask({})).toEqual(refused)
    world.guest.agents = new Agents([world.others.certificate])
    world.guest.lookupInstead = () => (_host, _options, done) => done(new Error('10.1.2.3 is not asked'), '')
    expect(await ask({})).toEqual(refused)
    world.guest.mayAskFor = () => false
    expect(await ask({})).toEqual({ status: 502, body: 'spawnpoint: api.test is not allowed\n' })
    expect(heard).toEqual([])
  })
})
