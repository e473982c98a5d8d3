import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ControlWorld, openControlWorld } from './testing/control-world.ts'

let world: ControlWorld
beforeAll(async () => {
  world = await openControlWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

describe('a key', () => {
  it('is asked for before anything else is looked at', async () => {
    for (const headers of [
      { 'x-api-key': '' },
      { 'x-api-key': 'nonsense' },
      { 'x-api-key': `e2b_${'0'.repeat(64)}` },
      { 'x-api-key': 'x'.repeat(2000) },
      { 'x-api-key': '', authorization: 'Bearer nonsense' },
    ]) {
      const answer = await world.send('POST', '/e2b/v2/sandboxes', { headers, body: 'garbage' })
      expect(answer).toMatchObject({ status: 401, body: { code: 401, message: expect.any(String) } })
    }
  })

  it('comes in either header, with any prefix', async () => {
    const bare = world.key.slice(-64)
    for (const headers of [
      { 'x-api-key': `e2b_${bare}` },
      { 'x-api-key': '', authorization: `Bearer sk_${bare}` },
      // Novita's client may send a token for something else beside it.
      { 'x-api-key': bare, authorization: 'Bearer something-else' },
    ])
      expect((await world.get('/e2b/v2/sandboxes', headers)).status).toBe(200)
  })
})

describe('a body', () => {
  const create = (init: RequestInit) => world.send('POST', '/e2b/v2/sandboxes', init)
  const type = { 'content-type': 'application/json' }

  it('that is none is refused in the protocol’s shape', async () => {
    for (const body of ['{', '[]', '"x"', '5', 'null', '{"templateID":"base","__proto__":{"x":1}}', '\0\0', '{}{}'])
      expect([body, await create({ headers: type, body })]).toMatchObject([
        body,
        { status: 400, body: { code: 400, message: expect.any(String) } },
      ])
  })

  it('of another type, or too large, is refused', async () => {
    const text = JSON.stringify({ templateID: 'base' })
    const other = await create({ headers: { 'content-type': 'text/plain' }, body: text })
    expect(other).toMatchObject({ status: 415, body: { code: 415 } })
    const large = JSON.stringify({ templateID: 'base', metadata: { x: 'y'.repeat(5 * 2 ** 20) } })
    expect(await create({ headers: type, body: large })).toMatchObject({ status: 413, body: { code: 413 } })
    expect((await world.get('/e2b/v2/sandboxes')).body).toEqual([])
  })

  it('may come in chunks', async () => {
    const body = new Blob([JSON.stringify({ templateID: 'base' })]).stream()
    const init = { headers: type, body, duplex: 'half' } as const
    expect((await create(init)).status).toBe(201)
  })
})

it('says that a call is not there', async () => {
  for (const path of ['/e2b', '/e2b/nothing', '/e2b/v9/sandboxes', '/novita/nothing'])
    expect(await world.get(path)).toMatchObject({ status: 404, body: { code: 404, message: expect.any(String) } })
  expect(await world.post('/e2b/sandboxes/x/clone')).toMatchObject({ status: 404 })
})

it('says what it does not have, and first that a sandbox is not there', async () => {
  const { sandboxID: id } = (await world.post('/novita/sandboxes', { templateID: 'base' })).body
  for (const [method, path] of [
    ['POST', `/novita/sandboxes/${id}/hotplug-memory`],
    ['POST', `/novita/sandboxes/${id}/volume-mounts`],
    ['DELETE', `/novita/sandboxes/${id}/volume-mounts?path=/v`],
    ['GET', '/e2b/teams/x/metrics'],
  ] as const)
    expect([path, await world.send(method, path)]).toMatchObject([path, { status: 501, body: { code: 501 } }])
  for (const path of ['hotplug-memory', 'volume-mounts'])
    expect(await world.post(`/novita/sandboxes/x/${path}`)).toMatchObject({ status: 404, body: { code: 404 } })
})

it('makes volumes, mounts them, and deletes those that nobody mounts', async () => {
  const made = await world.post('/e2b/volumes', { name: 'data' })
  expect(made).toMatchObject({
    status: 201,
    body: { name: 'data', token: expect.stringMatching(/^[0-9a-f]{24}\.[0-9a-f]{64}$/) },
  })
  const { volumeID } = made.body
  expect((await world.get('/novita/volumes')).body).toEqual([
    { volumeID, name: 'data', quotaSizeGiB: 10, usedSizeBytes: 0 },
  ])
  expect((await world.get(`/e2b/volumes/${volumeID}`)).body).toEqual(made.body)
  expect(await world.post('/e2b/volumes', { name: 'data' })).toMatchObject({ status: 409 })

  const { sandboxID } = await world.sandbox({ volumeMounts: [{ name: 'data', path: '/data' }] })
  expect((await world.get(`/e2b/sandboxes/${sandboxID}`)).body.volumeMounts).toEqual([{ name: 'data', path: '/data' }])
  const [listed] = (await world.get('/e2b/v2/sandboxes')).body
  expect(listed).toMatchObject({ sandboxID, volumeMounts: [{ name: 'data', path: '/data' }] })
  expect(await world.send('DELETE', `/e2b/volumes/${volumeID}`)).toMatchObject({ status: 400 })
  await world.send('DELETE', `/e2b/sandboxes/${sandboxID}`)
  const novita = await world.post('/novita/sandboxes', {
    templateID: 'base',
    volumeMounts: [{ name: 'data', path: '/data' }],
  })
  expect((await world.core.sandboxes.get(world.by, novita.body.sandboxID)).volumes).toMatchObject([{ path: '/data' }])
  await world.send('DELETE', `/novita/sandboxes/${novita.body.sandboxID}`)
  expect(await world.send('DELETE', `/e2b/volumes/${volumeID}`)).toMatchObject({ status: 204 })
  expect(await world.get(`/e2b/volumes/${volumeID}`)).toMatchObject({ status: 404 })
  expect(
    await world.post('/e2b/sandboxes', { templateID: 'base', volumeMounts: [{ name: 'data', path: '/d' }] }),
  ).toMatchObject({ status: 404 })
})

it('gives a volume more and less room', async () => {
  const { volumeID } = (await world.post('/novita/volumes', { name: 'data', quotaSizeGiB: 2 })).body
  const resize = (body: object, id = volumeID) => world.patch(`/novita/volumes/${id}`, body)
  expect(await resize({ quotaSizeGiB: 5 })).toMatchObject({
    status: 200,
    body: { volumeID, name: 'data', quotaSizeGiB: 5, usedSizeBytes: 0, token: expect.any(String) },
  })
  expect((await world.get(`/novita/volumes/${volumeID}`)).body.quotaSizeGiB).toBe(5)
  expect(await resize({})).toMatchObject({ status: 200, body: { quotaSizeGiB: 5 } })
  for (const quotaSizeGiB of [0, -1, 1.5, 1025, 'x'])
    expect(await resize({ quotaSizeGiB })).toMatchObject({ status: 400 })
  expect(await resize({ quotaSizeGiB: 5 }, 'none')).toMatchObject({ status: 404 })
})

it('tells of the team', async () => {
  const team = await world.core.keys.team(world.by)
  expect((await world.get('/e2b/teams')).body).toEqual([
    { teamID: team.id, name: team.name, apiKey: '', isDefault: true },
  ])
})

it('tells what became of a sandbox and what its programs have written, without waking it', async () => {
  const { sandboxID: id } = await world.sandbox({ autoPause: true, autoResume: { enabled: true } })
  const { guest } = await world.core.sandboxes.guest(world.by, id)
  const { id: ended } = await guest.processes.start({
    args: ['sh', '-c', 'echo out; echo err >&2; exit 3'],
    env: {},
    stdin: false,
  })
  await guest.processes.wait(ended)
  await guest.processes.start({ args: ['sh', '-c', 'echo begun; sleep 100'], env: {}, stdin: false })
  const messages = async (query = ''): Promise<string[]> =>
    (await world.get(`/e2b/v2/sandboxes/${id}/logs${query}`)).body.logs.map((one: { message: string }) => one.message)
  await expect.poll(() => messages()).toContain('begun')
  const all = await messages()
  expect(all).toEqual(expect.arrayContaining(['sandbox.running', 'out', 'err', 'exit status 3']))
  expect(await messages('?direction=backward&limit=2')).toHaveLength(2)
  expect(await messages('?level=error')).toEqual(['err', 'exit status 3'])
  expect(await messages('?search=started%20sh')).toHaveLength(2)
  expect(await messages(`?cursor=${Date.now() + 60_000}`)).toEqual([])
  const { logs, logEntries } = (await world.get(`/e2b/sandboxes/${id}/logs?limit=1`)).body
  expect(logs).toEqual([{ timestamp: logEntries[0].timestamp, line: JSON.stringify(logEntries[0]) }])
  await (await world.core.sandboxes.pause(world.by, id)).done
  expect(await messages()).toContain('sandbox.paused')
  expect((await world.core.sandboxes.get(world.by, id)).state).toBe('paused')
})

it('takes ids that a client has joined to that of the client', async () => {
  const { sandboxID: id, clientID } = await world.sandbox()
  expect((await world.get(`/e2b/sandboxes/${id}-${clientID}`)).body.sandboxID).toBe(id)
  expect((await world.delete(`/novita/sandboxes/${id}-${clientID}`)).status).toBe(204)
})

it('answers at the host of the API, in the dialect of the client', async () => {
  // `fetch` sets the host itself.
  const { request } = await import('node:http')
  const status = (path: string, headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      const sent = request(`${world.url}${path}`, {
        headers: { 'x-api-key': world.key, host: 'api.sbx.test', ...headers },
      })
      sent
        .on('response', (response) => resolve(response.resume().statusCode))
        .on('error', reject)
        .end()
    })
  expect(await status('/v2/sandboxes', {})).toBe(200)
  expect(await status('/sandboxes/quota', {})).toBe(404)
  expect(await status('/sandboxes/quota', { 'x-novita-sdk-name': 'sdk_js' })).toBe(200)
  expect(await status('/v2/sandboxes', { host: 'sbx.test' })).toBe(404)
})

it('logs what is a failure of its own, and says no more of it than that', async () => {
  const { sandboxID: id } = await world.sandbox()
  const before = world.failures.length
  world.host.faults.failNext('runtime.checkpoint')
  const answer = await world.post(`/e2b/sandboxes/${id}/snapshots`, {})
  expect(answer.status).toBe(500)
  expect(answer.body.code).toBe(500)
  expect(world.failures.slice(before)).toContainEqual(expect.objectContaining({ requestId: expect.any(String) }))
})
