import { createPublicKey, type JsonWebKey, verify } from 'node:crypto'
import { Langsmith } from 'langsmith'
import { awsAuth, opaqueSecret } from 'langsmith/sandbox'
import { expect, it } from 'vitest'
import { ISSUER, rules, world } from './world.ts'

const ROLE = 'arn:aws:iam::123456789012:role/reader'
const PROVIDER = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/here'
const ENTRA = { tenant_id: '11111111-2222-3333-4444-555555555555', client_id: '11111111-2222-3333-4444-555555555556' }
const ACCOUNT_KEY = Buffer.from(crypto.randomUUID()).toString('base64')
const SIGNATURE = `sv=2024-11-04&sig=${crypto.randomUUID()}`

/** What a token says, as a cloud finds out whether this server has said it. */
async function said(token = ''): Promise<Record<string, unknown>> {
  const { url } = world.vendor.world
  const json = async (path: string) => (await fetch(`${url}${path}`)).json()
  const found = await json('/.well-known/openid-configuration')
  const { issuer, jwks_uri } = found as { issuer: string; jwks_uri: string }
  expect(jwks_uri.startsWith(ISSUER)).toBe(true)
  const { keys } = (await json(new URL(jwks_uri).pathname)) as { keys: (JsonWebKey & { kid: string })[] }
  const [head = '', claims = '', signature = ''] = token.split('.')
  const { kid } = JSON.parse(Buffer.from(head, 'base64url').toString())
  const key = createPublicKey({ key: keys.find((one) => one.kid === kid) ?? {}, format: 'jwk' })
  const signed = verify('sha256', Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, 'base64url'))
  expect([signed, issuer]).toEqual([true, ISSUER])
  return JSON.parse(Buffer.from(claims, 'base64url').toString())
}

it('is told to clouds as who it is, which give out keys and tokens for that', async () => {
  const aws = awsAuth({ roleArn: ROLE, sessionTags: { customer: 'c1' } })
  const gcp = { name: 'gcp', type: 'gcp', gcp: { workload_identity_provider: PROVIDER, scopes: ['s'] } }
  const azure = { name: 'azure', type: 'azure', azure: ENTRA }
  const { boxes } = new Langsmith({ baseURL: `${world.vendor.world.url}/langsmith` }).sandboxes
  await boxes.update('caller', { proxy_config: rules(aws, gcp, azure) as object })
  const signing = '--aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"'
  const s3 = await world.heard('https://s3.us-east-1.amazonaws.com/bucket/key', world.caller, signing)
  expect(s3.authorization).toContain('Credential=ASIAROLE/')
  const sandbox = { iss: ISSUER, sandbox: world.caller.id }
  expect(await said(s3['x-amz-security-token'])).toMatchObject({
    ...sandbox,
    aud: 'sts.amazonaws.com',
    'https://aws.amazon.com/tags': { principal_tags: { customer: ['c1'] } },
  })
  const storage = await world.heard('https://storage.googleapis.com/')
  expect(await said(storage.authorization?.replace('Bearer ', ''))).toMatchObject({
    ...sandbox,
    aud: `https:${PROVIDER}`,
  })
  const vault = await world.heard('https://keys.vault.azure.net/secrets')
  expect(await said(vault.authorization?.replace('Bearer ', ''))).toMatchObject({
    ...sandbox,
    aud: 'api://AzureADTokenExchange',
  })
  const { proxy_config: shown } = await boxes.retrieve('caller')
  expect(shown?.rules).toMatchObject([
    { aws: { role_arn: ROLE, session_tags: { customer: 'c1' } } },
    { gcp: { workload_identity_provider: PROVIDER } },
    { type: 'azure', azure: ENTRA },
  ])
})

it('has storage accounts of Azure by their key or a shared access signature, which nothing inside has', async () => {
  const azure = (name: string, account: object) => ({ name, type: 'azure', azure: account })
  const byKey = azure('key', { storage_account: 'acct', account_key: opaqueSecret(ACCOUNT_KEY) })
  const bySas = azure('sas', { storage_account: 'acct2', sas_token: opaqueSecret(SIGNATURE) })
  await world.client.updateSandbox('caller', { proxyConfig: rules(byKey, bySas) })
  const blob = await world.heard('https://acct.blob.core.windows.net/c/b', world.caller, '-H "Authorization: mine"')
  expect(blob.authorization).toMatch(/^SharedKey acct:[A-Za-z0-9+/]{43}=$/)
  const queue = await world.heard('https://acct2.queue.core.windows.net/q?comp=list')
  expect(queue).toMatchObject({ host: 'acct2.queue.core.windows.net', 'x-request-target': `/q?comp=list&${SIGNATURE}` })
  expect((await world.caller.run('env')).stdout).not.toMatch(new RegExp(`${ACCOUNT_KEY}|${SIGNATURE}`))
  const { boxes } = new Langsmith({ baseURL: `${world.vendor.world.url}/langsmith` }).sandboxes
  const { proxy_config: shown } = await boxes.retrieve('caller')
  expect(JSON.stringify(shown)).not.toMatch(new RegExp(`${ACCOUNT_KEY}|${SIGNATURE}`))
  await boxes.update('caller', { proxy_config: shown as object })
  expect((await world.heard('https://acct.blob.core.windows.net/c/b')).authorization).toMatch(/^SharedKey acct:/)
})
