import { generateKeyPairSync } from 'node:crypto'
import type { AzureSource, GcsSource, OutgoingAuth, OutgoingRule, S3Source } from '@spawnpoint/core'
import { expect, it } from 'vitest'
import { BucketCredentials } from './authorize.ts'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const signer = {
  privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  keyId: 'k',
  issuer: 'https://issuer.test',
}
const identity = { team: 't', sandbox: 's' }
const place = { endpoint: null, bucket: 'b', prefix: '' }
const s3: S3Source = { type: 's3', region: 'eu-west-1', pathStyle: false, ...place }
const gcs: GcsSource = { type: 'gcs', ...place }
const azure: AzureSource = { type: 'azure', account: 'account', ...place }
const request = (host: string) => ({
  url: new URL(`https://${host}/b/key`),
  query: { a: '1 2' },
  headers: { own: 'x' },
})
const rule = (auth: OutgoingAuth): OutgoingRule => ({ hosts: [], paths: [], matchHeaders: [], headers: [], auth })

/** Services that answer by their hosts, and what they were asked. */
function services(answers: Record<string, string>) {
  const asked: string[] = []
  return {
    asked,
    post: async (url: string) => {
      asked.push(url)
      const answer = answers[new URL(url).hostname]
      if (answer === undefined) throw new Error('it answers 404')
      return answer
    },
  }
}

const ROLE: OutgoingAuth = {
  type: 'aws_role',
  role: 'arn:aws:iam::123456789012:role/reader',
  sessionTags: {},
  signer,
  identity,
  values: [],
}
const POOL: OutgoingAuth = {
  type: 'google_identity',
  provider: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
  serviceAccount: null,
  scopes: ['s'],
  signer,
  identity,
  values: [],
}
const ENTRA: OutgoingAuth = {
  type: 'azure_identity',
  tenant: 'tenant',
  client: 'client',
  resources: ['storage'],
  signer,
  identity,
  values: [],
}

it('signs with the keys of a role, and asks for these once', async () => {
  const keys = '<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>tok</SessionToken>'
  const sts = services({ 'sts.amazonaws.com': keys })
  const credentials = new BucketCredentials(sts)
  for (const look of [1, 2]) {
    // Rules are opened anew for each look.
    const { headers } = await credentials.authorize(request('b.s3.test'), rule({ ...ROLE }), s3)
    expect(headers, String(look)).toMatchObject({
      own: 'x',
      'x-amz-security-token': 'tok',
      authorization: expect.stringMatching(/Credential=ASIA1\/\d{8}\/eu-west-1\/s3\/.*x-amz-security-token/),
    })
  }
  expect(sts.asked.length).toBe(1)
  await expect(
    new BucketCredentials(services({})).authorize(request('b.s3.test'), rule(ROLE), s3),
  ).rejects.toMatchObject({
    code: 'forbidden',
  })
})

it('has tokens of Google and of Entra ID for who the sandbox is', async () => {
  const answer = '{"access_token":"token","expires_in":3600}'
  const tokens = services({ 'sts.googleapis.com': answer, 'login.microsoftonline.com': answer })
  const credentials = new BucketCredentials(tokens)
  const google = await credentials.authorize(request('storage.googleapis.com'), rule(POOL), gcs)
  expect(google.headers).toEqual({ own: 'x', authorization: 'Bearer token' })
  const entra = await credentials.authorize(request('account.blob.core.windows.net'), rule(ENTRA), azure)
  expect(entra.headers).toMatchObject({ authorization: 'Bearer token', 'x-ms-date': expect.stringMatching(/GMT$/) })
  // It is for hosts of Azure's alone.
  expect(await credentials.authorize(request('store.test'), rule(ENTRA), azure)).toEqual({ headers: { own: 'x' } })
  await expect(
    credentials.authorize(request('storage.googleapis.com'), rule({ ...POOL, signer: null }), gcs),
  ).rejects.toMatchObject({ code: 'forbidden', message: expect.stringContaining('SPAWNPOINT_ISSUER') })
})

it('signs for a storage account, or says in the query that somebody has', async () => {
  const credentials = new BucketCredentials(services({}))
  const blob = request('account.blob.core.windows.net')
  const key = Buffer.from('a key').toString('base64')
  const signed = await credentials.authorize(
    blob,
    rule({ type: 'azure_key', account: 'account', values: [{ name: 'account_key', value: key }] }),
    azure,
  )
  expect(signed.headers.authorization).toMatch(/^SharedKey account:[A-Za-z0-9+/]{43}=$/)
  const sas = {
    type: 'azure_sas' as const,
    account: 'account',
    values: [{ name: 'sas_token', value: '?sv=1&sig=a%2Bb' }],
  }
  expect(await credentials.authorize(blob, rule(sas), azure)).toEqual({ headers: { own: 'x' }, more: 'sv=1&sig=a%2Bb' })
})
