import { generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DoorWorld, openDoorWorld } from './testing/door-world.ts'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const identity = {
  issuer: 'https://issuer.test',
  privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
}

let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld(null, { identity })
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const shown = async (rule: object, more: object = {}) => {
  const { id, proxy_config } = await world.box({ proxy_config: { rules: [rule] }, ...more })
  const { incarnationId } = await world.core.sandboxes.get(world.by, id)
  const [outgoing] = world.host.incarnations.get(incarnationId ?? ('' as never))?.credentials ?? []
  // What is shown may be sent back as it is.
  expect((await world.patch(`/boxes/${id}`, { proxy_config })).body.proxy_config).toEqual(proxy_config)
  return { rule: proxy_config.rules[0], outgoing }
}
const refused = async (rule: object) => {
  const { status, body } = await world.post('/boxes', { proxy_config: { rules: [rule] } })
  return [status, body.detail.message ?? body.detail[0].loc.join('.')]
}

describe('a rule that sends requests to another host', () => {
  const rewrite = { name: 'a', match_hosts: ['a.test'], rewrite: { host: 'b.test', port: 8443 } }

  it('is shown as it was given, with what is the default', async () => {
    const headers = [{ name: 'X', type: 'opaque', value: 'hunter2' }]
    const { rule, outgoing } = await shown({ ...rewrite, description: 'by way of b', headers })
    expect(rule).toMatchObject({
      type: 'rewrite',
      description: 'by way of b',
      match_hosts: ['a.test'],
      headers: [{ name: 'X', type: 'opaque', is_set: true }],
      rewrite: { host: 'b.test', port: 8443, credentials: 'strip' },
    })
    const to = { host: 'b.test', port: 8443, guestCredentials: 'strip' }
    expect(outgoing).toMatchObject({ rewrite: to, headers: [{ name: 'X', value: 'hunter2' }] })
  })

  it('says where it leads', async () => {
    const to = (change: object) => refused({ ...rewrite, rewrite: { ...rewrite.rewrite, ...change } })
    expect(await to({ host: undefined })).toEqual([422, 'body.proxy_config.rules[0].rewrite.host'])
    expect(await to({ port: 0 })).toEqual([422, 'body.proxy_config.rules.0.rewrite.port'])
    expect(await to({ credentials: 'forge' })).toEqual([422, 'body.proxy_config.rules.0.rewrite.credentials'])
    expect(await refused({ ...rewrite, rewrite: undefined, type: 'rewrite' })).toEqual([
      422,
      'body.proxy_config.rules[0].rewrite',
    ])
  })
})

describe('a rule of Azure', () => {
  const rule = (azure: object, more: object = {}) => ({ name: 'azure', type: 'azure', azure, ...more })
  const secret = (value: string) => ({ type: 'opaque', value })
  const key = Buffer.alloc(64, 7).toString('base64')

  it('has the key of a storage account, or a shared access signature', async () => {
    const byKey = await shown(rule({ storage_account: 'acct', account_key: secret(key) }))
    const set = { type: 'opaque', is_set: true }
    expect(byKey.rule).toMatchObject({ type: 'azure', azure: { storage_account: 'acct', account_key: set } })
    expect(byKey.rule).not.toHaveProperty('match_hosts')
    expect(byKey.outgoing?.auth).toMatchObject({ type: 'azure_key', account: 'acct', values: [{ value: key }] })
    const bySas = await shown(rule({ storage_account: 'acct', sas_token: secret('?sv=1&sig=x') }))
    expect(bySas.rule).toMatchObject({ azure: { storage_account: 'acct', sas_token: set } })
    expect(bySas.outgoing?.auth).toMatchObject({ type: 'azure_sas', values: [{ value: '?sv=1&sig=x' }] })
  })

  it('has an identity for resources, all if it names none', async () => {
    const ids = { tenant_id: '11111111-2222-3333-4444-555555555555', client_id: '11111111-2222-3333-4444-555555555556' }
    const { rule: all, outgoing } = await shown(rule(ids))
    expect(all.azure.resources).toHaveLength(4)
    expect(outgoing?.auth).toMatchObject({ type: 'azure_identity', client: ids.client_id })
    const narrowed = await shown(rule({ ...ids, resources: ['https://vault.azure.net'] }))
    expect(narrowed.rule.azure).toEqual({ ...ids, resources: ['https://vault.azure.net'] })
    expect(narrowed.outgoing?.hosts).toEqual(['*.vault.azure.net'])
  })

  it('has one of them, whole', async () => {
    const at = 'body.proxy_config.rules[0]'
    expect(await refused(rule({}))).toEqual([422, `${at}.azure.storage_account`])
    expect(await refused(rule({ storage_account: 'acct' }))).toEqual([422, `${at}.azure`])
    const both = { storage_account: 'acct', account_key: secret(key), sas_token: secret('sig=x') }
    expect(await refused(rule(both))).toEqual([422, `${at}.azure`])
    expect(await refused(rule({ tenant_id: 't' }))).toEqual([422, `${at}.azure.client_id`])
    expect(await refused(rule({ tenant_id: 't', ...both }))).toEqual([422, `${at}.azure.storage_account`])
    const narrowed = rule({ storage_account: 'acct', account_key: secret(key) }, { match_hosts: ['a.test'] })
    expect(await refused(narrowed)).toEqual([422, `${at}.match_hosts`])
  })
})

describe('a rule with an identity', () => {
  const role = { role_arn: 'arn:aws:iam::123456789012:role/reader', session_tags: { customer: 'c' } }
  const provider = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q'

  it('is of a role of AWS', async () => {
    const { rule, outgoing } = await shown({ name: 'a', type: 'aws', aws: role })
    expect(rule.aws).toEqual(role)
    expect(outgoing?.auth).toMatchObject({ type: 'aws_role', role: role.role_arn, sessionTags: { customer: 'c' } })
    const keys = { ...role, access_key_id: { type: 'opaque', value: 'a' } }
    expect((await refused({ name: 'a', type: 'aws', aws: keys }))[0]).toBe(422)
    const tagged = { ...role, session_tags: { 'langsmith:x': 'y' } }
    expect((await refused({ name: 'a', type: 'aws', aws: tagged }))[0]).toBe(422)
  })

  it('is of a provider of Google, or of a service account by it', async () => {
    const gcp = { workload_identity_provider: provider, service_account_email: 'a@p.iam.gserviceaccount.com' }
    const { rule, outgoing } = await shown({ name: 'g', type: 'gcp', gcp })
    expect(rule.gcp).toEqual({ ...gcp, scopes: ['https://www.googleapis.com/auth/cloud-platform'] })
    expect(outgoing?.auth).toMatchObject({ type: 'google_identity', provider })
  })

  it('may be for one of the tags of its box, and of no other', async () => {
    const rule = { name: 'a', type: 'aws', aws: { ...role, subject_scope: 'tag:t1' } }
    const { rule: got, outgoing } = await shown(rule, { tag_value_ids: ['t1', 't2'] })
    expect([got.aws.subject_scope, outgoing?.auth]).toMatchObject(['tag:t1', { subject: 'tag:t1' }])
    expect(await refused(rule)).toEqual([422, 'body.proxy_config.rules[0].aws.subject_scope'])
  })
})

it('a deny list is shown as it was given, also with ports', async () => {
  const access_control = { deny_list: ['10.0.0.0/8', 'evil.test', 'db.test:5432'] }
  const { proxy_config } = await world.box({ proxy_config: { access_control } })
  expect(proxy_config.access_control).toEqual(access_control)
})

it('a description of the whole is kept, goes along with it, and with it alone', async () => {
  const described = { description: `only\nour "own" gateway \\0a ${'x'.repeat(980)}`, rules: [] }
  const { id, proxy_config } = await world.box({ proxy_config: described })
  expect(proxy_config).toEqual(described)
  const include = async (name: string, ...include: string[]) => {
    const { body } = await world.post(`/boxes/${id}/snapshot`, { name, include })
    await expect.poll(async () => (await world.get(`/snapshots/${body.id}`)).body.status).toBe('ready')
    return (await world.get(`/snapshots/${body.id}`)).body
  }
  const carrying = await include('with', 'proxy_config')
  expect(carrying.proxy_config).toMatchObject(described)
  expect((await world.box({ snapshot_id: carrying.id })).proxy_config).toMatchObject(described)
  expect((await world.box({ snapshot_id: carrying.id, proxy_config: { rules: [] } })).proxy_config).toEqual({
    rules: [],
  })
  const plain = await include('without')
  expect((await world.box({ snapshot_id: plain.id })).proxy_config).toEqual({ rules: [] })
  expect((await world.patch(`/boxes/${id}`, { idle_ttl_seconds: 60 })).body.proxy_config).toEqual(described)
  expect((await world.patch(`/boxes/${id}`, { proxy_config: { rules: [] } })).body.proxy_config).toEqual({ rules: [] })
})

describe('a rule of attribution', () => {
  const headers = [{ name: 'X-Agent', type: 'plaintext', value: 'support' }]

  it('is told to all hosts that others name', async () => {
    const { rule, outgoing } = await shown({ name: 'attribution', type: 'attribution', headers })
    expect(rule).toEqual({
      name: 'attribution',
      type: 'attribution',
      enabled: true,
      headers: [{ ...headers[0], is_set: true }],
    })
    expect(outgoing).toMatchObject({ hosts: [], everywhere: true, headers: [{ name: 'X-Agent', value: 'support' }] })
  })

  it('has nothing secret, and one name for what it is', async () => {
    const rule = { name: 'a', type: 'attribution', headers }
    const at = 'body.proxy_config.rules[0]'
    for (const [change, place] of [
      [{ headers: [{ name: 'X-A', type: 'opaque', value: 'b' }] }, 'headers[0]'],
      [{ headers: [{ name: 'Authorization', type: 'plaintext', value: 'b' }] }, 'headers[0].name'],
      [{ headers: Array.from({ length: 17 }, (_, n) => ({ name: `X-${n}`, value: 'b' })) }, 'headers'],
      [{ match_hosts: ['a.test'] }, 'match_hosts'],
      [{ match_port: 443 }, 'match_port'],
      [{ env_vars: { A: 'b' } }, 'env_vars'],
    ] as const)
      expect(await refused({ ...rule, ...change })).toEqual([422, `${at}.${place}`])
    const two = [rule, { ...rule, name: 'b' }]
    expect((await world.post('/boxes', { proxy_config: { rules: two } })).status).toBe(422)
  })

  it('is not asked of a service', async () => {
    const callback = { url: 'https://a.test/', ttl_seconds: 60, attribution_headers: ['X-A'] }
    const { status, body } = await world.post('/boxes', { proxy_config: { callbacks: [callback] } })
    expect([status, body.detail.message]).toEqual([400, expect.stringContaining('attribution_headers')])
    const { status: without } = await world.post('/boxes', {
      proxy_config: { callbacks: [{ ...callback, attribution_headers: [] }] },
    })
    expect(without).toBe(422)
  })
})

it('a rule may be for one port or scheme', async () => {
  const rule = { name: 'a', match_hosts: ['a.test'], headers: [{ name: 'X', value: 'y' }] }
  expect(await shown({ ...rule, match_port: 80 })).toMatchObject({ rule: { match_port: 80 }, outgoing: { port: 80 } })
  expect(await shown({ ...rule, match_scheme: 'https' })).toMatchObject({
    rule: { match_port: 443 },
    outgoing: { port: 443 },
  })
  expect((await refused({ ...rule, match_port: 8443 }))[0]).toBe(400)
  expect((await refused({ ...rule, match_scheme: 'http' }))[0]).toBe(422)
})
