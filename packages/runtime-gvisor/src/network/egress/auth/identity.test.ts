import { createHash, generateKeyPairSync, verify } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { OutgoingAuth, OutgoingRule } from '@spawnpoint/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { InterceptedWorld } from '../../../testing/intercepted-world.ts'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const world = new InterceptedWorld()
const { ask, raw, valuesOf } = world
/** What the clouds' services were asked, by host and path */
const asked: { at: string; form: URLSearchParams; body: string; authorization: string }[] = []
let answers: Record<string, string>
beforeAll(() => world.open())
beforeEach(() => {
  world.reset()
  asked.length = 0
  world.handle = (req: IncomingMessage, res: ServerResponse) => {
    const at = `${req.headers.host}${req.url}`
    const answer = answers[at]
    const chunks: Buffer[] = []
    req.on('data', (chunk) => chunks.push(chunk))
    req.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      if (answer === undefined) world.heard.push({ url: req.url ?? '', headers: req.rawHeaders, body })
      else asked.push({ at, form: new URLSearchParams(body), body, authorization: req.headers.authorization ?? '' })
      res.statusCode = answer === '' ? 403 : 200
      res.end(answer ?? 'ok')
    })
  }
})
afterAll(() => world[Symbol.asyncDispose]())

const signer = {
  issuer: 'https://issuer.test',
  keyId: 'kid',
  privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
}
type Scheme = Extract<OutgoingAuth, { type: 'aws_role' | 'google_identity' | 'azure_identity' }>
const DETAILS = { signer, identity: { team: 't1', sandbox: 's1' }, values: [] }
const ruleOf = (auth: OutgoingAuth): OutgoingRule => ({
  hosts: [world.host],
  paths: [],
  matchHeaders: [],
  headers: [],
  // Answers are kept for it.
  auth: { ...auth },
})
const claimsOf = (token: string | null) => {
  const [head = '', claims = '', signature = ''] = token?.split('.') ?? []
  expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'kid' })
  const signed = verify('sha256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, 'base64url'))
  expect(signed).toBe(true)
  return JSON.parse(Buffer.from(claims, 'base64url').toString())
}

describe('a role of AWS', () => {
  const auth: Scheme = {
    ...DETAILS,
    type: 'aws_role',
    role: 'arn:aws:iam::123456789012:role/app/reader',
    sessionTags: { customer: 'c1' },
    subject: 'tag:x',
  }
  const keys = (expires: string) =>
    `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><SessionToken>session/token==</SessionToken><SecretAccessKey>secret+key</SecretAccessKey><Expiration>${expires}</Expiration><AccessKeyId>ASIAEXAMPLE</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`
  const inMinutes = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString()
  beforeEach(() => {
    world.host = 'bucket.s3.eu-west-1.amazonaws.com'
    world.guest.rules = [ruleOf(auth)]
    answers = { 'sts.amazonaws.com/': keys(inMinutes(60)) }
  })

  it('is assumed with a token of the sandbox, once, and its keys sign the requests', async () => {
    for (const path of ['/a', '/b']) expect((await ask({ path })).status).toBe(200)
    expect(asked).toHaveLength(1)
    const form = asked[0]?.form
    expect(Object.fromEntries(form ?? [])).toMatchObject({
      Action: 'AssumeRoleWithWebIdentity',
      RoleArn: auth.role,
      RoleSessionName: 'spawnpoint-s1',
    })
    expect(claimsOf(form?.get('WebIdentityToken') ?? null)).toMatchObject({
      iss: 'https://issuer.test',
      sub: 'team:t1:tag:x',
      aud: 'sts.amazonaws.com',
      team: 't1',
      sandbox: 's1',
      'https://aws.amazon.com/tags': { principal_tags: { customer: ['c1'] } },
    })
    const [first] = world.heard
    expect(valuesOf('authorization', first)[0]).toMatch(
      /^AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE\/\d{8}\/eu-west-1\/s3\/aws4_request, SignedHeaders=[a-z0-9;-]*x-amz-security-token/,
    )
    expect(valuesOf('x-amz-security-token', first)).toEqual(['session/token=='])
    expect(valuesOf('x-amz-content-sha256', first)).toEqual([createHash('sha256').update('').digest('hex')])
  })

  it('is assumed again once its keys are about to end', async () => {
    answers = { 'sts.amazonaws.com/': keys(inMinutes(0.5)) }
    await ask({})
    await ask({})
    expect(asked).toHaveLength(2)
  })

  it.each(['', 'no keys', '<AccessKeyId>a</AccessKeyId>'])(
    'that gives no keys (%s) lets nothing out',
    async (answer) => {
      answers = { 'sts.amazonaws.com/': answer }
      expect(await ask({})).toEqual({ status: 502, body: 'spawnpoint: no keys were given out\n' })
      expect(world.heard).toEqual([])
    },
  )

  it('of China is asked for there', async () => {
    world.guest.rules = [ruleOf({ ...auth, role: 'arn:aws-cn:iam::123456789012:role/a', sessionTags: {} })]
    answers = { 'sts.cn-north-1.amazonaws.com.cn/': keys(inMinutes(60)) }
    await ask({})
    const claims = claimsOf(asked[0]?.form.get('WebIdentityToken') ?? null)
    expect(claims.aud).toBe('sts.amazonaws.com.cn')
    expect(claims).not.toHaveProperty('https://aws.amazon.com/tags')
  })

  it('is not assumed where the server gives out no identities any more', async () => {
    world.guest.rules = [ruleOf({ ...auth, signer: null })]
    expect((await ask({})).status).toBe(502)
    expect([asked, world.heard]).toEqual([[], []])
  })
})

describe('a workload identity of Google', () => {
  const provider = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q'
  const auth: Scheme = { ...DETAILS, type: 'google_identity', provider, serviceAccount: null, scopes: ['a', 'b'] }
  const email = 'robot@p.iam.gserviceaccount.com'
  const impersonate = `iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${email}:generateAccessToken`
  beforeEach(() => {
    world.host = 'storage.googleapis.com'
    answers = {
      'sts.googleapis.com/v1/token': '{"access_token":"ya29.federated","expires_in":3600}',
      [impersonate]: '{"accessToken":"ya29.robot","expireTime":"2999-01-01T00:00:00Z"}',
    }
  })

  it('is exchanged for a token', async () => {
    world.guest.rules = [ruleOf(auth)]
    for (const path of ['/a', '/b']) await ask({ path })
    expect(world.heard.map((one) => valuesOf('authorization', one))).toEqual([
      ['Bearer ya29.federated'],
      ['Bearer ya29.federated'],
    ])
    expect(asked).toHaveLength(1)
    const form = Object.fromEntries(asked[0]?.form ?? [])
    expect(form).toMatchObject({ audience: provider, scope: 'a b' })
    expect(claimsOf(form.subject_token ?? null)).toMatchObject({ sub: 'team:t1', aud: `https:${provider}` })
    // Not for all the world to read.
    await raw(`GET / HTTP/1.1\r\nHost: ${world.host}\r\nConnection: close\r\n\r\n`, 'plain')
    expect(valuesOf('authorization', world.heard.at(-1))).toEqual([])
  })

  it('gets with it a token of a service account', async () => {
    world.guest.rules = [ruleOf({ ...auth, serviceAccount: email })]
    await ask({})
    expect(valuesOf('authorization', world.heard[0])).toEqual(['Bearer ya29.robot'])
    expect(asked.map(({ at, authorization }) => [at, authorization])).toEqual([
      ['sts.googleapis.com/v1/token', ''],
      [impersonate, 'Bearer ya29.federated'],
    ])
    expect(asked[0]?.form.get('scope')).toBe('https://www.googleapis.com/auth/cloud-platform')
    expect(JSON.parse(asked[1]?.body ?? '')).toEqual({ scope: ['a', 'b'], lifetime: '3600s' })
  })
})

describe('a workload identity of Azure', () => {
  const tenant = '11111111-2222-3333-4444-555555555555'
  const auth: Scheme = { ...DETAILS, type: 'azure_identity', tenant, client: 'c', resources: ['storage', 'vault'] }
  beforeEach(() => {
    answers = {
      [`login.microsoftonline.com/${tenant}/oauth2/v2.0/token`]: '{"access_token":"e.t","expires_in":"3599"}',
    }
  })

  it('is exchanged for a token for the resource of the host, each once', async () => {
    const rule = ruleOf(auth)
    world.guest.rules = [{ ...rule, hosts: ['*.azure.net', '*.azure.com', '*.windows.net'] }]
    for (const host of ['a.blob.core.windows.net', 'a.vault.azure.net', 'b.vault.azure.net', 'management.azure.com']) {
      world.host = host
      await ask({ headers: { authorization: 'mine' } })
    }
    expect(world.heard.map((one) => valuesOf('authorization', one))).toEqual([
      ['Bearer e.t'],
      ['Bearer e.t'],
      ['Bearer e.t'],
      ['mine'],
    ])
    expect(valuesOf('x-ms-version')[0]).toMatch(/^20/)
    expect(asked.map(({ form }) => form.get('scope'))).toEqual([
      'https://storage.azure.com/.default',
      'https://vault.azure.net/.default',
    ])
    const form = Object.fromEntries(asked[0]?.form ?? [])
    expect(form).toMatchObject({ grant_type: 'client_credentials', client_id: 'c' })
    expect(claimsOf(form.client_assertion ?? null)).toMatchObject({ aud: 'api://AzureADTokenExchange', sub: 'team:t1' })
  })

  it('leaves a link alone that somebody has signed', async () => {
    world.host = 'a.blob.core.windows.net'
    world.guest.rules = [ruleOf(auth)]
    await ask({ path: '/c/b?sv=1&sig=theirs' })
    expect([asked, valuesOf('authorization')]).toEqual([[], []])
  })
})

describe('a storage account of Azure', () => {
  const account = 'acct'
  const key = Buffer.alloc(64, 7).toString('base64')
  beforeEach(() => {
    world.host = 'acct.blob.core.windows.net'
    answers = {}
  })

  it('has its requests signed with its key', async () => {
    world.guest.rules = [ruleOf({ type: 'azure_key', account, values: [{ name: 'account_key', value: key }] })]
    const headers = { authorization: 'SharedKey acct:standin', 'x-ms-date': 'old', date: 'old', 'content-length': '3' }
    await ask({ method: 'PUT', path: '/c/b', headers, body: (one) => one.end('abc') })
    expect(valuesOf('authorization')[0]).toMatch(/^SharedKey acct:[A-Za-z0-9+/]{43}=$/)
    expect(valuesOf('authorization')).toHaveLength(1)
    expect([valuesOf('date'), valuesOf('x-ms-date').length, world.heard[0]?.body]).toEqual([[], 1, 'abc'])
  })

  it('has its shared access signature in their query', async () => {
    const values = [{ name: 'sas_token', value: '?sv=2024&sig=real%2B' }]
    world.guest.rules = [ruleOf({ type: 'azure_sas', account, values })]
    await ask({ path: '/c?restype=container', headers: { authorization: 'SharedKey acct:standin' } })
    expect([world.heard[0]?.url, valuesOf('authorization')]).toEqual(['/c?restype=container&sv=2024&sig=real%2B', []])
    world.guest.rules = [ruleOf({ type: 'azure_sas', account, values: [{ name: 'sas_token', value: null }] })]
    expect((await ask({})).status).toBe(502)
  })
})

it('the server’s own tokens are put into headers, over TLS alone, and kept for a while', async () => {
  const auth: OutgoingAuth = {
    ...DETAILS,
    type: 'identity',
    audiences: { own: 'https://own.test', other: 'other' },
    tokenHeaders: [
      { name: 'Authorization', template: 'Bearer {own}' },
      { name: 'X-Other', template: '{other}' },
    ],
  }
  answers = {}
  world.host = 'api.test'
  world.guest.rules = [ruleOf(auth)]
  for (let time = 0; time < 2; time += 1) await ask({ headers: { authorization: 'mine' } })
  await raw('GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n', 'plain')
  const [first = '', second = '', third] = world.heard.map((one) => valuesOf('authorization', one)[0])
  expect(claimsOf(first.replace('Bearer ', ''))).toMatchObject({
    iss: 'https://issuer.test',
    sub: 'spiffe://issuer.test/team/t1',
    aud: 'https://own.test',
    team: 't1',
    sandbox: 's1',
  })
  expect([second, third]).toEqual([first, undefined])
  expect(claimsOf(valuesOf('x-other', world.heard[0])[0] ?? '').aud).toBe('other')
})
