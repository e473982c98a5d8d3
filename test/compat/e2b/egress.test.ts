import { execFileSync } from 'node:child_process'
import { createPublicKey, type JsonWebKey, verify } from 'node:crypto'
import { Sandbox, Secret, SecretError, SecretNotFoundError } from 'e2b'
import { Sandbox as NovitaSandbox, Secret as NovitaSecret, SecretError as NovitaSecretError } from 'novita-sandbox'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OutsideHosts } from '../../e2e/outside-hosts.ts'
import { until, VendorWorld } from '../vendor-world.ts'

const ISSUER = 'https://issuer.test'

let outside: OutsideHosts
let vendor: VendorWorld
let sandbox: Sandbox
beforeAll(async () => {
  outside = await OutsideHosts.open(['api.test', 'v1.api.test', 'other.test'])
  vendor = await VendorWorld.start({ ...outside.server, SPAWNPOINT_ISSUER: ISSUER })
})
afterAll(async () => {
  await vendor?.[Symbol.asyncDispose]()
  await outside?.[Symbol.asyncDispose]()
})

/** The header X-Key of a request that curl makes inside, as the host heard it. */
async function heard(url: string): Promise<string | undefined> {
  const { stdout } = await sandbox.commands.run(`curl -sSk --max-time 20 -H "X-Key: mine" ${url}`)
  return JSON.parse(stdout)['x-key']
}

it('secrets are made, listed, changed and destroyed, and never told', async () => {
  const made = await Secret.create('api-key', 'sk-first', { metadata: { owner: 'ana' } })
  expect(made).toMatchObject({ name: 'api-key', version: 1, metadata: { owner: 'ana' } })
  await expect(Secret.create('api-key', 'x')).rejects.toThrow(SecretError)
  expect(await Secret.update(made.secretId, 'sk-second')).toMatchObject({ version: 2, metadata: { owner: 'ana' } })
  expect(await Secret.getInfo('api-key')).toMatchObject({ secretId: made.secretId, version: 2 })
  await Secret.create('gone', 'x')
  const paginator = Secret.list({ limit: 1 })
  const names: string[] = []
  while (paginator.hasNext) names.push(...(await paginator.nextItems()).map(({ name }) => name))
  expect(names).toEqual(['gone', 'api-key'])
  expect([await Secret.destroy('gone'), await Secret.destroy('gone'), await Secret.exists('gone')]).toEqual([
    ...[true, false, false],
  ])
  await expect(Secret.getInfo('gone')).rejects.toThrow(SecretNotFoundError)
})

it('rules put headers into requests to their hosts, changed while it runs', async () => {
  const rules = {
    'api.test': [{ transform: { headers: { 'X-Key': 'plain' } } }],
    '*.api.test': [{ transform: { headers: { 'X-Key': `Bearer ${Secret.fill('api-key')}` } } }],
  }
  sandbox = await Sandbox.create({ network: { rules, allowOut: (all) => [...all.rules.keys(), all.allTraffic] } })
  expect(await heard('https://api.test/')).toBe('plain')
  expect(await heard('https://v1.api.test/')).toBe('Bearer sk-second')
  expect(await heard('https://other.test/')).toBe('mine')
  expect((await sandbox.getInfo()).network?.rules).toEqual(rules)
  await Secret.update('api-key', 'sk-third')
  expect(await heard('https://v1.api.test/')).toBe('Bearer sk-third')
  await sandbox.updateNetwork({ rules: { 'other.test': [{ transform: { headers: { 'X-Key': 'new' } } }] } })
  expect([await heard('https://api.test/'), await heard('https://other.test/')]).toEqual(['mine', 'new'])
  await sandbox.updateNetwork({})
  expect(await heard('https://other.test/')).toBe('mine')
  expect((await sandbox.getInfo()).network).toBeUndefined()
  await expect(Sandbox.create({ network: { rules: { '10.0.0.0/8': [] } } })).rejects.toThrow('400')
  await sandbox.kill()
})

it('identity tokens go into requests, of those that the sandbox was made with', async () => {
  const tokens = { own: Secret.iamToken({ audience: 'https://api.test', tokenType: 'JWT-SVID' }) }
  const header =
    (name: string) =>
    ({ iam }: { iam: { tokens: Record<string, string> } }) => ({
      headers: { 'X-Key': `Bearer ${iam.tokens[name]}` },
    })
  sandbox = await Sandbox.create({
    iam: { tokens },
    network: { rules: { 'api.test': [{ transform: header('own') }] } },
  })
  const token = (await heard('https://api.test/'))?.replace('Bearer ', '') ?? ''
  const { keys } = (await (await fetch(`${vendor.world.url}/.well-known/identity-keys.json`)).json()) as {
    keys: JsonWebKey[]
  }
  const [head = '', claims = '', signature = ''] = token.split('.')
  const key = createPublicKey({ key: keys[0] ?? {}, format: 'jwk' })
  expect(verify('sha256', Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, 'base64url'))).toBe(true)
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
    iss: ISSUER,
    sub: expect.stringMatching(/^spiffe:\/\/issuer\.test\/team\/[0-9a-f]{24}$/),
    aud: 'https://api.test',
    sandbox: sandbox.sandboxId,
  })
  const shown = [{ transform: { headers: { 'X-Key': `Bearer \${e2b.identity.tokens.own}` } } }]
  expect((await sandbox.getInfo()).network?.rules).toEqual({ 'api.test': shown })
  await sandbox.updateNetwork({ rules: { 'other.test': [{ transform: header('own') }] } })
  expect([await heard('https://api.test/'), await heard('https://other.test/')]).toEqual([
    'mine',
    expect.stringMatching(/^Bearer ey/),
  ])
  await expect(sandbox.updateNetwork({ rules: { 'api.test': [{ transform: header('typo') }] } })).rejects.toThrow(
    'typo',
  )
  await sandbox.kill()
})

it('reaches programs that speak TLS themselves', async () => {
  const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  const pem = execFileSync('openssl', [...make, '-subj', '/CN=self', '-keyout', '-', '-out', '-'], { stdio: 'pipe' })
  sandbox = await Sandbox.create({ network: { httpsPorts: [4430] } })
  await sandbox.files.write('/home/user/pem', pem.toString())
  const program = `require('https').createServer({ key: pem, cert: pem }, (req, res) => res.end('secure ' + req.url)).listen(4430)`
  await sandbox.commands.run(`node -e "const pem = require('fs').readFileSync('pem'); ${program}"`, {
    background: true,
  })
  const headers = { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '4430' }
  const ask = () => fetch(`${vendor.world.url}/path`, { headers })
  await until(async () => (await ask()).status === 200) // it has to start first
  const answer = await ask()
  expect([answer.status, await answer.text()]).toEqual([200, 'secure /path'])
  expect((await sandbox.getInfo()).network).toEqual({ httpsPorts: [4430] })
  await sandbox.kill()
})

it('Novita’s secrets are placeholders inside, and what they are in requests to their hosts', async () => {
  const value = 'sk-very-secret'
  const made = await NovitaSecret.create({ name: 'MODEL_KEY', value, hosts: ['api.test', '*.api.test'] })
  expect(made).toMatchObject({ name: 'MODEL_KEY', hosts: ['api.test', '*.api.test'], hasSecret: true })
  await expect(NovitaSecret.create({ name: 'MODEL_KEY', value, hosts: ['api.test'] })).rejects.toThrow(
    NovitaSecretError,
  )
  expect((await NovitaSecret.list()).map(({ name }) => name)).toContain('MODEL_KEY')
  const box = await NovitaSandbox.create({ secretEnvs: { OPENAI_API_KEY: 'MODEL_KEY' } })
  const sent = async (host: string, options = '-H "X-Key: Bearer $OPENAI_API_KEY"') =>
    JSON.parse((await box.commands.run(`curl -sSk --max-time 20 ${options} https://${host}/`)).stdout)
  expect((await box.commands.run('echo $OPENAI_API_KEY')).stdout).toBe(`${made.placeholder}\n`)
  expect((await sent('v1.api.test'))['x-key']).toBe(`Bearer ${value}`)
  const { authorization } = await sent('api.test', '-u "user:$OPENAI_API_KEY"')
  expect(authorization).toBe(`Basic ${Buffer.from(`user:${value}`).toString('base64')}`)
  expect((await sent('other.test'))['x-key']).toBe(`Bearer ${made.placeholder}`)
  await NovitaSecret.update({ name: 'MODEL_KEY', value: 'sk-next', hosts: ['*.api.test', 'api.test'] })
  expect((await sent('api.test'))['x-key']).toBe('Bearer sk-next')
  const [clone] = (await NovitaSandbox.clone(box.sandboxId)).sandboxes
  const cloned = await clone?.commands.run('curl -sSk --max-time 20 -H "X-Key: $OPENAI_API_KEY" https://api.test/')
  expect(JSON.parse(cloned?.stdout ?? '{}')['x-key']).toBe('sk-next')
  expect(await NovitaSecret.delete('MODEL_KEY')).toBe('MODEL_KEY')
  await expect(NovitaSecret.get('MODEL_KEY')).rejects.toThrow('404')
  const { stdout } = await box.commands.run(
    'curl -sSk -H "X-Key: $OPENAI_API_KEY" -w "%{http_code}" -o /dev/null https://api.test/',
  )
  expect(stdout).toBe('502')
  await Promise.all([box.kill(), clone?.kill()])
})
