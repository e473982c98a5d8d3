import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EnvdWorld, openEnvdWorld } from './testing/envd-world.ts'

let world: EnvdWorld
let id: string
beforeAll(async () => {
  world = await openEnvdWorld()
  id = (await world.sandbox({ env: { OF_SANDBOX: 'yes' } })).id
})
afterAll(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const files = (path: string) => `/files?${new URLSearchParams({ path })}`

describe('health', () => {
  it('is told to anybody, of what runs and of nothing else', async () => {
    const box = await world.sandbox()
    const health = () => world.ask('/health', { headers: world.route(box.id) })
    expect((await health()).status).toBe(204)
    await (await world.core.sandboxes.pause(world.by, box.id)).done
    expect((await health()).json()).toEqual({ sandboxId: box.id, message: 'The sandbox was not found', code: 502 })
    await (await world.core.sandboxes.resume(world.by, box.id)).done
    expect((await health()).status).toBe(204)
    await world.core.sandboxes.kill(world.by, box.id)
    expect((await health()).status).toBe(502)
  })

  it('is a question and wakes nobody; a use does', async () => {
    const box = await world.sandbox({ timeout: { autoResume: true } })
    const guest = await world.guest(box.id)
    await guest.files.write('/home/user/kept', [Buffer.from('kept')] as unknown as AsyncIterable<Uint8Array>)
    await (await world.core.sandboxes.pause(world.by, box.id)).done
    const state = async () => (await world.core.sandboxes.get(world.by, box.id)).state
    expect((await world.ask('/health', { headers: world.withToken(box.id) })).status).toBe(502)
    const path = files('kept')
    expect((await world.ask(path, { headers: world.route(box.id) })).status).toBe(401)
    expect(await state()).toBe('paused')
    expect((await world.ask(path, { headers: world.withToken(box.id) })).body.toString()).toBe('kept')
    expect(await state()).toBe('running')
  })
})

describe('access', () => {
  const surfaces: [string, string, string][] = [
    ['GET', '/envs', ''],
    ['GET', '/metrics', ''],
    ['POST', '/process.Process/List', '{}'],
    ['POST', '/filesystem.Filesystem/Stat', '{"path":"/"}'],
    ['POST', '/process.Process/Start', ''],
    ['POST', '/files/compose', '{}'],
    ['GET', '/nothing', ''],
  ]
  it.each(surfaces)('to %s %s needs the token of this sandbox', async (method, path, body) => {
    const other = await world.sandbox()
    const headers = { ...world.route(id), 'content-type': 'application/json' }
    const tokens: Record<string, string>[] = [
      {},
      { 'x-access-token': '' },
      { 'x-access-token': 'x' },
      { 'x-access-token': world.token(other.id) },
      { 'x-access-token': world.core.tokens.issue('ingress', id) },
      { 'x-api-key': world.key, authorization: `Bearer ${world.key}` },
    ]
    for (const token of tokens) {
      const { status, json } = await world.ask(path, { method, headers: { ...headers, ...token }, body })
      expect([status, json().code]).toEqual([401, 401])
    }
    const mine = await world.ask(path, { method, headers: { ...headers, 'x-access-token': world.token(id) }, body })
    expect(mine.status).not.toBe(401)
  })

  it('is for everybody where the sandbox says so', async () => {
    const box = await world.sandbox({ ingress: { ports: { '49983': 'open' } } })
    expect((await world.ask('/envs', { headers: world.route(box.id) })).status).toBe(200)
    expect((await world.ask(files('/etc/passwd'), { headers: world.route(box.id) })).status).toBe(200)
  })

  it.each(['/init', '/freeze', '/upgrade'])('to %s has nobody', async (path) => {
    for (const headers of [world.withToken(id), world.route(id)])
      expect((await world.ask(path, { method: 'POST', headers })).status).toBe(404)
  })

  it('is open to pages of any origin', async () => {
    const asked = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-access-token' }
    const preflight = await world.ask('/process.Process/Start', {
      method: 'OPTIONS',
      headers: { ...world.route(id), ...asked },
    })
    expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([204, '*'])
    expect(preflight.headers['access-control-allow-headers']).toBe('x-access-token')
    expect(
      (await world.ask(files('/etc/passwd'), { headers: world.withToken(id) })).headers['access-control-allow-origin'],
    ).toBe('*')
  })
})

describe('the sandbox', () => {
  it('tells its environment', async () => {
    const { json } = await world.ask('/envs', { headers: world.withToken(id) })
    expect(json()).toMatchObject({ OF_SANDBOX: 'yes', E2B_SANDBOX: 'true', E2B_SANDBOX_ID: id })
  })

  it('tells what it uses', async () => {
    const { json } = await world.ask('/metrics', { headers: world.withToken(id) })
    const numbers = [
      'ts',
      'cpu_count',
      'cpu_used_pct',
      'mem_total',
      'mem_used',
      'mem_cache',
      'mem_total_mib',
      'mem_used_mib',
      'disk_used',
      'disk_total',
    ]
    expect(Object.keys(json()).sort()).toEqual(numbers.sort())
    expect(Object.values(json()).every((value) => typeof value === 'number')).toBe(true)
  })
})
