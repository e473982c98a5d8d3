import { AuthenticationError, Sandbox, SandboxError, SandboxNotFoundError } from 'e2b'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { twoTeams } from '../two-teams.ts'
import { vendorEnvironment } from '../vendor-world.ts'

let server: Awaited<ReturnType<typeof twoTeams>>
let environment: Disposable
let sandbox: Sandbox
beforeAll(async () => {
  server = await twoTeams()
  environment = vendorEnvironment(server.url, server.key)
  sandbox = await Sandbox.create()
})
afterAll(async () => {
  environment[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
})

const send = (method: string, path: string, body?: string | null, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/e2b${path}`, {
    method,
    headers: { 'x-api-key': server.key, 'content-type': 'application/json', ...headers },
    ...(body == null ? {} : { body }),
  })

async function error(answer: Promise<Response>): Promise<[number, number, string]> {
  const response = await answer
  const body = (await response.json()) as { code: number; message: string }
  expect(typeof body.message).toBe('string')
  return [response.status, body.code, body.message]
}

describe('what the client throws', () => {
  it('is what its documentation says', async () => {
    await expect(Sandbox.create('missing')).rejects.toMatchObject({
      name: 'SandboxError',
      message: "404: template 'missing' not found",
      statusCode: 404,
    })
    await expect(Sandbox.create('base:missing')).rejects.toThrow(SandboxError)
    await expect(Sandbox.connect('0198c0ffee00112233445566')).rejects.toThrow(SandboxNotFoundError)
    await expect(Sandbox.getInfo('nothing')).rejects.toThrow(SandboxNotFoundError)
    await expect(Sandbox.setTimeout('nothing', 1000)).rejects.toThrow(SandboxNotFoundError)
    await expect(Sandbox.pause('nothing')).rejects.toThrow(SandboxNotFoundError)
    await expect(Sandbox.updateNetwork('nothing', {})).rejects.toThrow(SandboxNotFoundError)
    expect(await Sandbox.kill('nothing')).toBe(false)
    expect(await Sandbox.deleteSnapshot('nothing')).toBe(false)
    await expect(Sandbox.create({ apiKey: 'nonsense' })).rejects.toThrow(AuthenticationError)
  })
})

describe('bad input', () => {
  it('is told in the protocol’s shape, and changes nothing', async () => {
    const before = await sandbox.getInfo()
    const id = sandbox.sandboxId
    for (const [path, body] of [
      ['/v2/sandboxes', '{'],
      ['/v2/sandboxes', 'garbage \0 \ud800'],
      ['/v2/sandboxes', '[]'],
      ['/v2/sandboxes', '{"templateID":{}}'],
      ['/v2/sandboxes', '{"templateID":"base","timeout":"long"}'],
      ['/v2/sandboxes', '{"templateID":"base","timeout":99999999999}'],
      ['/v2/sandboxes', '{"templateID":"base","metadata":[1]}'],
      ['/v2/sandboxes', '{"templateID":"base","envVars":{"a=b":"c"}}'],
      ['/v2/sandboxes', '{"templateID":"base","network":{"denyOut":["everything"]}}'],
      [`/sandboxes/${id}/timeout`, '{}'],
      [`/sandboxes/${id}/timeout`, '{"timeout":1e300}'],
      [`/sandboxes/${id}/fork`, '{"count":0}'],
      [`/sandboxes/${id}/fork`, '{"count":101}'],
      [`/sandboxes/${id}/snapshots`, '{"name":"../../etc"}'],
      [`/sandboxes/${id}/pause`, '{"memory":"no"}'],
      ['/templates/tags', '{"target":7}'],
      ['/v3/templates', '{"name":"a b"}'],
      ['/v3/templates', '{"name":"x","cpuCount":-1}'],
    ] as const)
      expect([path, body, ...(await error(send('POST', path, body))).slice(0, 2)]).toEqual([path, body, 400, 400])
    expect(await sandbox.getInfo()).toEqual(before)
    expect(await Sandbox.list().nextItems()).toHaveLength(1)
    expect(await Sandbox.listSnapshots().nextItems()).toEqual([])
  })

  it('of any size is refused', async () => {
    const large = JSON.stringify({ templateID: 'base', metadata: { x: 'y'.repeat(8 * 2 ** 20) } })
    expect((await error(send('POST', '/v2/sandboxes', large))).slice(0, 2)).toEqual([413, 413])
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`k${n}`, 'v']))
    expect(
      (await error(send('POST', '/v2/sandboxes', JSON.stringify({ templateID: 'base', metadata: many }))))[0],
    ).toBe(400)
    for (const path of [`/sandboxes/${'a'.repeat(5000)}`, '/sandboxes/%ff', `/templates/aliases/${'a'.repeat(2000)}`]) {
      const [status, code] = await error(send('GET', path))
      expect([path, status]).toEqual([path, code])
      expect([400, 404, 414]).toContain(status)
    }
  })

  it('as a query is refused', async () => {
    for (const query of [
      'limit=0',
      'limit=x',
      'nextToken=x',
      'order=sideways',
      'state=dead',
      'metadata=x',
      'startedAfter=x',
    ])
      expect([query, (await error(send('GET', `/v2/sandboxes?${query}`)))[0]]).toEqual([query, 400])
  })
})

describe('another team', () => {
  it('finds nothing of ours, by id or by name', async () => {
    const snapshot = await sandbox.createSnapshot({ name: 'ours' })
    const stranger = { apiKey: server.strangersKey }
    const id = sandbox.sandboxId
    await expect(Sandbox.connect(id, stranger)).rejects.toThrow(SandboxNotFoundError)
    await expect(Sandbox.getInfo(id, stranger)).rejects.toThrow(SandboxNotFoundError)
    await expect(Sandbox.pause(id, stranger)).rejects.toThrow(SandboxNotFoundError)
    await expect(Sandbox.createSnapshot(id, stranger)).rejects.toThrow(SandboxNotFoundError)
    await expect(Sandbox.fork(id, stranger)).rejects.toThrow(SandboxNotFoundError)
    await expect(Sandbox.getMetrics(id, stranger)).rejects.toThrow(SandboxNotFoundError)
    expect(await Sandbox.kill(id, stranger)).toBe(false)
    expect(await Sandbox.list(stranger).nextItems()).toEqual([])
    expect(await Sandbox.listSnapshots(stranger).nextItems()).toEqual([])
    expect(await Sandbox.deleteSnapshot(snapshot.snapshotId, stranger)).toBe(false)
    for (const template of [snapshot.snapshotId, 'ours', 'base', (await sandbox.getInfo()).templateId])
      await expect(Sandbox.create(template, stranger)).rejects.toThrow(/404/)
    expect((await sandbox.getInfo()).state).toBe('running')
    expect(await Sandbox.deleteSnapshot(snapshot.snapshotId)).toBe(true)
  })
})
