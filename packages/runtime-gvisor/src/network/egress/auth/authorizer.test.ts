import { createHash, generateKeyPairSync, verify } from 'node:crypto'
import { once } from 'node:events'
import { type ClientRequest, createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import type { OutgoingRule } from '@spawnpoint/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { InterceptedWorld, portOf, RULE } from '../../../testing/intercepted-world.ts'

const world = new InterceptedWorld()
const { ask, raw, valuesOf, heard } = world
beforeAll(() => world.open())
beforeEach(() => world.reset())
afterAll(() => world[Symbol.asyncDispose]())

describe('a request whose rule has more than headers', () => {
  const asked: { headers: IncomingMessage['headers']; body: string }[] = []
  let answer: (response: ServerResponse) => void
  const service = createHttp(async (req, res) => {
    let body = ''
    for await (const chunk of req.setEncoding('utf8')) body += chunk
    asked.push({ headers: req.headers, body })
    answer(res)
  })
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const base = { hosts: ['*.test'], paths: [], matchHeaders: [], headers: [] }
  const callback = (change: object = {}): OutgoingRule => ({
    ...base,
    auth: {
      type: 'callback',
      url: `http://127.0.0.1:${portOf(service)}/ask`,
      ttlMs: 60_000,
      wholeRequest: false,
      signature: { header: 'X-Signature', subject: 'question' },
      values: [{ name: 'X-Shared', value: 'known' }],
      identity: { tenant_id: 't', sandbox_id: 's' },
      signer: {
        privateKey: generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
        keyId: 'k',
        issuer: 'i',
      },
      ...change,
    },
  })
  beforeAll(async () => {
    await once(service.listen(0, '127.0.0.1'), 'listening')
  })
  beforeEach(() => {
    asked.length = 0
    answer = (res) => res.end(JSON.stringify({ headers: { Authorization: 'Bearer minted' } }))
  })
  afterAll(() => service.close())

  it('is given what a web service says, which is asked once for a host', async () => {
    world.guest.rules = [callback()]
    const headers = { authorization: 'mine' }
    expect(await Promise.all([ask({ headers }), ask({ headers })])).toMatchObject([{ status: 200 }, { status: 200 }])
    expect(heard.map((one) => valuesOf('authorization', one))).toEqual([['Bearer minted'], ['Bearer minted']])
    expect(asked).toHaveLength(1)
    expect(asked[0]?.headers).toMatchObject({ 'x-shared': 'known', 'content-type': 'application/json' })
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
      host: 'api.test',
      port: 443,
      identity: { tenant_id: 't', sandbox_id: 's' },
    })
    // Another rule for the host: nobody is asked.
    world.guest.rules = [callback(), { ...RULE, paths: ['/other'] }]
    await ask({})
    expect([asked.length, valuesOf('authorization', heard[2])]).toEqual([1, []])
  })

  it('is shown to the web service, if that is to see it, and goes on whole', async () => {
    world.guest.rules = [callback({ wholeRequest: true })]
    for (const size of [5, 3_000_000]) {
      const body = 'x'.repeat(size)
      const options = {
        method: 'PUT',
        path: '/a?b=c',
        headers: { 'x-mine': '1' },
        body: (one: ClientRequest) => one.end(body),
      }
      expect((await ask(options)).status).toBe(200)
      expect(heard.at(-1)?.body.length).toBe(size)
      const { request: shown } = JSON.parse(asked.at(-1)?.body ?? '')
      expect(shown).toMatchObject({ method: 'PUT', url: 'https://api.test/a?b=c', path: '/a', query: 'b=c' })
      expect(shown.headers['x-mine']).toEqual(['1'])
      expect([shown.body_truncated, Buffer.from(shown.body_base64, 'base64').length]).toEqual([
        size > 5,
        Math.min(size, 256 * 1024),
      ])
    }
    expect(asked).toHaveLength(2)
  })

  it.each<[string, (response: ServerResponse) => void]>([
    ['fails', (res) => res.writeHead(500).end('why')],
    ['sends on to another', (res) => res.writeHead(302, { location: 'http://127.0.0.1/' }).end()],
    ['answers no JSON', (res) => res.end('why')],
    ['answers no headers', (res) => res.end('{"headers":[]}')],
    ['answers a header that frames the message', (res) => res.end('{"headers":{"Transfer-Encoding":"chunked"}}')],
    ['answers a line break', (res) => res.end('{"headers":{"X-A":"a\\r\\nb"}}')],
    ['answers without end', (res) => res.end('x'.repeat(100_000))],
  ])('does not go out where the web service %s', async (_what, how) => {
    answer = how
    world.guest.rules = [callback()]
    expect(await ask({})).toEqual({ status: 502, body: 'spawnpoint: callback resolution failed\n' })
    answer = (res) => res.end('{"headers":{}}')
    expect((await ask({})).status).toBe(200)
    expect(heard).toHaveLength(1)
  })

  it('has a token that is got with a service account, once', async () => {
    const account = JSON.stringify({
      client_email: 'a@project.test',
      private_key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
      private_key_id: 'kid',
      token_uri: `http://127.0.0.1:${portOf(service)}/token`,
    })
    answer = (res) => res.end('{"access_token":"ya29.token","expires_in":3599}')
    world.guest.rules = [
      { ...base, auth: { type: 'google', scopes: ['a', 'b'], values: [{ name: 'service_account', value: account }] } },
    ]
    for (const authorization of ['Bearer mine', '']) await ask({ headers: { authorization } })
    // Not for all the world to read.
    await raw('GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n', 'plain')
    expect(valuesOf('authorization', heard.pop())).toEqual([])
    expect(heard.map((one) => valuesOf('authorization', one))).toEqual([['Bearer ya29.token'], ['Bearer ya29.token']])
    expect(asked).toHaveLength(1)
    const form = new URLSearchParams(asked[0]?.body)
    const [head = '', claims = '', signature = ''] = form.get('assertion')?.split('.') ?? []
    expect(verify('sha256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, 'base64url'))).toBe(
      true,
    )
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      iss: 'a@project.test',
      scope: 'a b',
    })
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
  })

  it('is signed for AWS with its body, whether it comes in chunks or not', async () => {
    const values = ['AKIAIOSFODNN7EXAMPLE', 'secret'].map((value, at) => ({ name: `${at}`, value }))
    world.guest.rules = [{ ...base, auth: { type: 'aws', values } }]
    const scope = 'Credential=AKIASPAWNPOINT000000/20130524/us-east-1/s3/aws4_request'
    const headers = { authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=00`, x_amz_date: 'x' }
    const body = 'x'.repeat(100_000)
    for (const more of [{}, { 'content-length': String(body.length) }])
      await ask({ method: 'PUT', headers: { ...headers, ...more }, body: (one) => one.end(body) })
    for (const one of heard) {
      expect(one.body).toBe(body)
      expect(valuesOf('content-length', one)).toEqual([String(body.length)])
      const [authorization = ''] = valuesOf('authorization', one)
      expect(authorization).toContain('AKIAIOSFODNN7EXAMPLE/')
      expect(valuesOf('x-amz-content-sha256', one)).toEqual([createHash('sha256').update(body).digest('hex')])
      expect(valuesOf('x_amz_date', one)).toEqual([])
    }
    expect(heard).toHaveLength(2)
  })
})
