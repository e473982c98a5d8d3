import { Langsmith } from 'langsmith'
import { CALLBACK_SIGNATURE_HEADER, SandboxTokenVerifier } from 'langsmith/sandbox'
import { expect, it } from 'vitest'
import { AWS_SECRET, KEY_ID, world } from './world.ts'

const heard = (url: string, options = '') => world.heard(url, world.provided, options)

it('signs what goes to AWS with a key that nothing inside has', async () => {
  // As a program does that takes its key from the environment.
  const signing = '--aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"'
  const got = await heard('https://s3.us-east-1.amazonaws.com/bucket/key', `${signing} -d body -X PUT`)
  expect(got.authorization).toMatch(
    new RegExp(`^AWS4-HMAC-SHA256 Credential=${KEY_ID}/\\d{8}/us-east-1/s3/aws4_request, .*Signature=[0-9a-f]{64}$`),
  )
  expect(got['x-amz-content-sha256']).toMatch(/^[0-9a-f]{64}$/)
  expect((await world.provided.run('env')).stdout).not.toMatch(new RegExp(`${KEY_ID}|${AWS_SECRET}`))
})

it('has a token of a service account for Google', async () => {
  expect(await heard('https://storage.googleapis.com/')).toMatchObject({ authorization: 'Bearer ya29.real' })
})

it('asks a web service, which can tell by the client\u2019s own verifier who asks', async () => {
  world.service.asked.length = 0
  expect(await heard('https://asked.test/')).toMatchObject({ authorization: 'Bearer minted' })
  expect(await heard('https://asked.test/again')).toMatchObject({ authorization: 'Bearer minted' })
  expect(world.service.asked).toHaveLength(1)
  const [{ headers, body } = { headers: {}, body: '' }] = world.service.asked
  expect(headers['x-shared']).toBe('between-us')
  const verifier = new SandboxTokenVerifier({ apiUrl: `${world.vendor.world.url}/langsmith` })
  const signature = String(headers[CALLBACK_SIGNATURE_HEADER.toLowerCase()])
  const told = await verifier.verifyCallback({ body, signature, aud: `${world.service.url}/ask` })
  expect(told).toMatchObject({ host: 'asked.test', port: 443, identity: { sandbox_id: world.provided.id } })
  await expect(verifier.verifyCallback({ body: `${body} `, signature })).rejects.toThrow('body does not match')
})

// The tests before have had new servers. Over HTTP, for which nobody was asked yet.
it('keeps what is opaque over changes and a new server, and never tells it', async () => {
  const { boxes } = new Langsmith({ baseURL: `${world.vendor.world.url}/langsmith` }).sandboxes
  const { proxy_config: shown } = await boxes.retrieve('provided')
  expect(shown?.rules).toMatchObject([
    {
      type: 'aws',
      aws: { access_key_id: { type: 'opaque', is_set: true }, secret_access_key: { value: '{AWS_SECRET}' } },
    },
    { type: 'gcp', gcp: { service_account_json: { type: 'opaque', is_set: true } } },
  ])
  expect(shown?.callbacks).toMatchObject([
    { url: `${world.service.url}/ask`, request_headers: [{ name: 'X-Shared', is_set: true }] },
  ])
  for (const secret of [KEY_ID, AWS_SECRET, 'PRIVATE KEY', 'between-us'])
    expect(JSON.stringify(shown)).not.toContain(secret)
  await world.client.updateSandbox('provided', { proxyConfig: shown as object })
  world.service.answer = 'no'
  const refused = await world.provided.run('curl -sS -w "%{http_code}" --max-time 20 http://asked.test/')
  expect(refused.stdout).toBe('spawnpoint: callback resolution failed\n502')
  expect((await heard('https://s3.us-east-1.amazonaws.com/')).authorization).toContain(KEY_ID)
  expect(world.service.asked.at(-1)?.headers['x-shared']).toBe('between-us')
  // Pointed elsewhere, it is not the one that was given for there.
  const elsewhere = { ...shown, callbacks: [{ ...shown?.callbacks?.[0], url: 'https://elsewhere.test/' }] }
  await expect(world.client.updateSandbox('provided', { proxyConfig: elsewhere as object })).rejects.toThrow(
    'has a secret',
  )
})
