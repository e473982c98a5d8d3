import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Langsmith } from 'langsmith'
import {
  awsAuth,
  CALLBACK_SIGNATURE_HEADER,
  gcpAuth,
  opaqueSecret,
  proxyConfig,
  type Sandbox,
  SandboxClient,
  SandboxTokenVerifier,
  workspaceSecret,
} from 'langsmith/sandbox'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OutsideHosts } from '../../e2e/outside-hosts.ts'
import { VendorWorld } from '../vendor-world.ts'

const KEY_ID = 'AKIAIOSFODNN7EXAMPLE'
const SECRET = `aws${crypto.randomUUID()}`

/** What your application runs beside the sandboxes: it gives out tokens, and answers the proxy's questions */
const service = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  asked.push({ headers: request.headers, body })
  response.end(request.url === '/token' ? '{"access_token":"ya29.real","expires_in":3600}' : answer)
})
const asked: { headers: Record<string, string | string[] | undefined>; body: string }[] = []
let answer = '{"headers":{"Authorization":"Bearer minted"}}'
let serviceUrl: string
let outside: OutsideHosts
let vendor: VendorWorld
let client: SandboxClient
let box: Sandbox

beforeAll(async () => {
  outside = await OutsideHosts.open(['s3.us-east-1.amazonaws.com', 'storage.googleapis.com', 'api.test'])
  await once(service.listen(0, '127.0.0.1'), 'listening')
  const address = service.address()
  serviceUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  vendor = await VendorWorld.start({ ...outside.server, SPAWNPOINT_CALLBACK_NETWORKS: '127.0.0.1' })
  client = new SandboxClient()
  await vendor.world.client.secrets.set('AWS_SECRET', { value: SECRET })
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const account = {
    type: 'service_account',
    client_email: 'robot@project.test',
    private_key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
    token_uri: `${serviceUrl}/token`,
  }
  const aws = awsAuth({ accessKeyId: opaqueSecret(KEY_ID), secretAccessKey: workspaceSecret('AWS_SECRET') })
  const scopes = ['https://www.googleapis.com/auth/devstorage.read_only']
  const gcp = gcpAuth({ serviceAccountJson: opaqueSecret(JSON.stringify(account, null, 2)), scopes })
  box = await client.createSandbox({
    name: 'provided',
    proxyConfig: {
      ...proxyConfig({ rules: [aws, gcp] }),
      callbacks: [
        {
          match_hosts: ['api.test'],
          url: `${serviceUrl}/ask`,
          ttl_seconds: 60,
          request_headers: [{ name: 'X-Shared', ...opaqueSecret('between-us') }],
        },
      ],
    } as object,
  })
})
afterAll(async () => {
  await vendor?.[Symbol.asyncDispose]()
  await outside?.[Symbol.asyncDispose]()
  service.close()
})

async function heard(url: string, options = ''): Promise<Record<string, string>> {
  const { stdout, stderr, exit_code } = await box.run(`curl -sS --max-time 20 ${options} ${url}`)
  if (exit_code !== 0) throw new Error(`curl ended with ${exit_code}: ${stderr}`)
  return JSON.parse(stdout)
}

it('signs what goes to AWS with a key that nothing inside has', async () => {
  // As a program does that takes its key from the environment.
  const signing = '--aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"'
  const got = await heard('https://s3.us-east-1.amazonaws.com/bucket/key', `${signing} -d body -X PUT`)
  expect(got.authorization).toMatch(
    new RegExp(`^AWS4-HMAC-SHA256 Credential=${KEY_ID}/\\d{8}/us-east-1/s3/aws4_request, .*Signature=[0-9a-f]{64}$`),
  )
  expect(got['x-amz-content-sha256']).toMatch(/^[0-9a-f]{64}$/)
  expect((await box.run('env')).stdout).not.toMatch(new RegExp(`${KEY_ID}|${SECRET}`))
})

it('has a token of a service account for Google', async () => {
  expect(await heard('https://storage.googleapis.com/')).toMatchObject({ authorization: 'Bearer ya29.real' })
})

it('asks a web service, which can tell by the client\u2019s own verifier who asks', async () => {
  asked.length = 0
  expect(await heard('https://api.test/')).toMatchObject({ authorization: 'Bearer minted' })
  expect(await heard('https://api.test/again')).toMatchObject({ authorization: 'Bearer minted' })
  expect(asked).toHaveLength(1)
  const [{ headers, body } = { headers: {}, body: '' }] = asked
  expect(headers['x-shared']).toBe('between-us')
  const verifier = new SandboxTokenVerifier({ apiUrl: `${vendor.world.url}/langsmith` })
  const signature = String(headers[CALLBACK_SIGNATURE_HEADER.toLowerCase()])
  const told = await verifier.verifyCallback({ body, signature, aud: `${serviceUrl}/ask` })
  expect(told).toMatchObject({ host: 'api.test', port: 443, identity: { sandbox_id: box.id } })
  await expect(verifier.verifyCallback({ body: `${body} `, signature })).rejects.toThrow('body does not match')
})

it('keeps what is opaque over changes and a new server, and never tells it', async () => {
  const { boxes } = new Langsmith({ baseURL: `${vendor.world.url}/langsmith` }).sandboxes
  const { proxy_config: shown } = await boxes.retrieve('provided')
  expect(shown?.rules).toMatchObject([
    {
      type: 'aws',
      aws: { access_key_id: { type: 'opaque', is_set: true }, secret_access_key: { value: '{AWS_SECRET}' } },
    },
    { type: 'gcp', gcp: { service_account_json: { type: 'opaque', is_set: true } } },
  ])
  expect(shown?.callbacks).toMatchObject([
    { url: `${serviceUrl}/ask`, request_headers: [{ name: 'X-Shared', is_set: true }] },
  ])
  for (const secret of [KEY_ID, SECRET, 'PRIVATE KEY', 'between-us'])
    expect(JSON.stringify(shown)).not.toContain(secret)
  await client.updateSandbox('provided', { proxyConfig: shown as object })
  await vendor.world.killServer()
  await vendor.world.startServer({ env: { ...outside.server, SPAWNPOINT_CALLBACK_NETWORKS: '127.0.0.1' } })
  answer = 'no'
  const refused = await box.run('curl -sS -w "%{http_code}" --max-time 20 https://api.test/')
  expect(refused.stdout).toBe('spawnpoint: callback resolution failed\n502')
  expect((await heard('https://s3.us-east-1.amazonaws.com/')).authorization).toContain(KEY_ID)
  expect(asked.at(-1)?.headers['x-shared']).toBe('between-us')
  // Pointed elsewhere, it is not the one that was given for there.
  const elsewhere = { ...shown, callbacks: [{ ...shown?.callbacks?.[0], url: 'https://elsewhere.test/' }] }
  await expect(client.updateSandbox('provided', { proxyConfig: elsewhere as object })).rejects.toThrow('has a secret')
})
