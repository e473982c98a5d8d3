import { readFileSync } from 'node:fs'
import {
  AuthenticationError,
  BuildError,
  InvalidArgumentError,
  RateLimitError,
  Sandbox,
  SandboxError,
  SandboxNotFoundError,
  Template,
  TemplateError,
} from 'e2b'
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
    await expect(Sandbox.getInfo(sandbox.sandboxId, { requestTimeoutMs: 1 })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    await expect(Sandbox.create({ timeoutMs: 0 })).rejects.toThrow('400: timeout: Timeout must be greater than 0')
    await expect(sandbox.files.write('/tmp', 'x')).rejects.toThrow(InvalidArgumentError)
  })

  it('of a team that has reached a limit is a rate limit, and goes with it', async () => {
    const paused = await Sandbox.create({ lifecycle: { onTimeout: 'pause', autoResume: true } })
    await paused.pause()
    await server.limit({ sandboxes: 1, snapshots: 0 })
    await expect(Sandbox.create()).rejects.toThrow(RateLimitError)
    await expect(Sandbox.connect(paused.sandboxId)).rejects.toThrow(RateLimitError)
    await expect(paused.files.read('/etc/hostname')).rejects.toThrow(RateLimitError)
    await expect(paused.commands.run('true')).rejects.toThrow(RateLimitError)
    await expect(sandbox.fork()).rejects.toThrow(RateLimitError)
    await expect(sandbox.createSnapshot()).rejects.toThrow(RateLimitError)
    expect((await paused.getInfo()).state).toBe('paused')
    expect((await sandbox.commands.run('echo on')).stdout).toBe('on\n')
    await server.limit({ sandboxes: null, snapshots: null })
    expect((await paused.commands.run('echo back')).stdout).toBe('back\n')
    await paused.kill()
  })

  it('of templates says which step of the program it was', async () => {
    const failing = Template().fromTemplate('base').runCmd('true')
    failing.runCmd('exit 9') // this line
    const error = await Template.build(failing, 'failing').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(BuildError)
    const [, line = ''] = /errors\.test\.ts:(\d+)/.exec((error as Error).stack ?? '') ?? []
    const source = readFileSync(import.meta.filename, 'utf8').split('\n')
    expect(source[Number(line) - 1]).toContain('this line')
    await expect(Template.build(Template().fromTemplate('base'), 'no good name')).rejects.toThrow(BuildError)
    await expect(Template.exists('base', { apiKey: 'e2b_0' })).rejects.toThrow(AuthenticationError)
    await expect(Template.getTags('nothing')).rejects.toThrow(TemplateError)
  })

  it('of what this server does not have says so', async () => {
    const missing = /not supported by this server/
    const egressProxy = { address: 'proxy.example.com:1080' }
    await expect(Sandbox.create({ network: { egressProxy } })).rejects.toThrow(missing)
    const iam = { tokens: { t: { audience: 'a', tokenType: 'JWT-SVID' } } }
    await expect(Sandbox.create({ iam })).rejects.toThrow(/its operator sets SPAWNPOINT_ISSUER/)
    expect(await Sandbox.list().nextItems()).toHaveLength(1)
  })
})

describe('a server without a domain', () => {
  it('gives each port of a sandbox a name below localhost', async () => {
    const { port } = new URL(server.url)
    expect(sandbox.getHost(3000)).toBe(`3000-${sandbox.sandboxId}.localhost:${port}`)
    expect(sandbox.sandboxDomain).toBe(`localhost:${port}`)
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
