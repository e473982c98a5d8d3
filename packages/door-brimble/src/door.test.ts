import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DoorWorld, openDoorWorld } from './testing/door-world.ts'

let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld()
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const NOBODY = '0'.repeat(24)

/** A sandbox as it is shown. */
async function create(body: object = {}) {
  const { status, answer } = await world.post('/sandboxes', body)
  expect([status, answer.message]).toEqual([201, 'Sandbox created'])
  return (await world.get(`/sandboxes/${answer.data.id}`)).data
}

describe('names', () => {
  it('of sandboxes are for show: anything, and as often as one likes', async () => {
    const [one, two, odd] = [
      await create({ name: 'box' }),
      await create({ name: 'box' }),
      await create({ name: 'A box!' }),
    ]
    expect([one.name, two.name, odd.name]).toEqual(['box', 'box', 'A box!'])
    expect(new Set([one.id, two.id, odd.id]).size).toBe(3)
    const { data } = await world.get('/sandboxes?search=box')
    expect(data.totalCount).toBe(3)
  })

  it.each(['a', '-', '-x-', 'a'.repeat(24), 'x'.repeat(40)])(
    '%s is one for a snapshot and for a volume',
    async (name) => {
      const { id } = await create()
      const { status, data } = await world.post(`/sandboxes/${id}/snapshots`, { name })
      expect([status, data.name]).toEqual([202, name])
      const volume = { name, sizeGB: 10 }
      expect((await world.post('/volumes', volume)).data.name).toBe(name)
      const again = await world.post('/volumes', volume)
      expect([again.status, again.answer.message]).toEqual([400, `A volume named "${name}" already exists`])
    },
  )
})

describe('what was asked for', () => {
  it('is told of a sandbox with a disk of its own, which is counted apart', async () => {
    const sandbox = await create({ specs: { cpu: 500, memory: 512, disk: 2 }, persistent: true, persistentDiskGB: 20 })
    expect(sandbox).toMatchObject({ specs: { cpu: 500, memory: 512, disk: 2 }, persistent_disk_gb: 20 })
    const { resources } = await world.core.sandboxes.get(world.by, sandbox.id)
    expect(resources.diskBytes).toBe(22 * 2 ** 30)
  })

  it('may be a size, a team and an environment', async () => {
    const environmentId = '1'.repeat(24)
    const sandbox = await create({ size: 'sbx.small', teamId: world.by.teamId, environmentId })
    expect(sandbox).toMatchObject({
      size: 'sbx.small',
      specs: { cpu: 1000, memory: 1024 },
      team: world.by.teamId,
      project_environment: environmentId,
    })
    expect((await world.get(`/sandboxes?teamId=${world.by.teamId}`)).data.totalCount).toBe(1)
  })

  it.each([
    ['POST', '/sandboxes', { teamId: NOBODY }],
    ['GET', `/sandboxes?teamId=${NOBODY}`, undefined],
    ['GET', `/sandboxes/snapshots?teamId=${NOBODY}`, undefined],
    ['GET', `/volumes?teamId=${NOBODY}`, undefined],
    ['POST', '/volumes', { name: 'x', sizeGB: 10, teamId: NOBODY }],
  ])('of another team is not found: %s %s', async (method, path, body) => {
    const { status, answer } = await world.send(method, path, body)
    expect([status, answer]).toEqual([404, { message: 'Team not found' }])
  })

  it('does without an end where autoDestroy is not set, whatever the timeout says', async () => {
    expect(await create({ destroyTimeout: '1h' })).toMatchObject({ auto_destroy: false, destroy_timeout: null })
    expect(await create({ autoDestroy: true, destroyTimeout: '1h' })).toMatchObject({
      auto_destroy: true,
      destroy_timeout: '1h',
    })
  })
})

describe('egress', () => {
  it('is changed of what runs, to a list that is none where the mode has one', async () => {
    const { id, egress } = await create({ egress: { mode: 'restricted' } })
    expect(egress).toEqual({ mode: 'restricted', allow: [] })
    const put = (body: object) => world.send('PUT', `/sandboxes/${id}/egress`, body)
    for (const [body, message] of [
      [{ mode: 'restricted' }, 'allow: required when mode is restricted'],
      [{ mode: 'restricted', allow: [] }, 'allow: required when mode is restricted'],
      [{ mode: 'open', allow: ['1.1.1.1'] }, 'allow: only allowed when mode is restricted'],
    ] as const) {
      expect(await put(body)).toMatchObject({ status: 400, answer: { message } })
    }
    const denied = await put({ mode: 'deny_all' })
    expect(denied.answer.message).toBe('Sandbox egress updated')
    expect(denied.data).toMatchObject({ egress: { mode: 'deny_all' }, block_outbound: true, network_updated: true })
    expect((await put({ mode: 'deny_all' })).data).not.toHaveProperty('network_updated')
    await world.post(`/sandboxes/${id}/pause`)
    expect((await put({ mode: 'open' })).answer.message).toMatch(/^Sandbox is paused; only ready sandboxes can/)
  })
})

describe('a refusal', () => {
  it.each([
    ['GET', '/sandboxes/x', undefined, 'Invalid sandbox id'],
    ['GET', '/volumes/x', undefined, 'Invalid volume id'],
    ['DELETE', '/sandboxes/snapshots/x', undefined, 'Invalid snapshot id'],
    ['POST', '/sandboxes', { fromSnapshot: 'x' }, 'Invalid snapshot id'],
    ['POST', '/sandboxes', { teamId: 'x' }, 'Invalid team id'],
    ['POST', '/sandboxes', { persistent: true }, 'persistentDiskGB: required with persistent'],
    ['POST', '/sandboxes', { autoDestroy: true }, 'destroyTimeout: required with autoDestroy'],
  ])('of %s %s %j says so', async (method, path, body, message) => {
    const { status, answer } = await world.send(method, path, body)
    expect([status, answer]).toEqual([400, { message }])
  })

  it.each([
    [{ snapshotMode: 'automatic' }],
    [{ snapshotFrequency: '* * * * *' }],
    [{ snapshotMode: 'automatic', snapshotFrequency: 'nonsense' }],
    [{ autoDestroy: true }],
    [{ persistent: true }],
    [{ specs: { cpu: 0 } }],
    [{ egress: { mode: 'open' }, blockOutbound: true }],
    [{ persistentDiskGB: 10 }],
    [{ region: 'mars' }],
    [{ fromSnapshot: 'x' }],
  ])('of a creation with %j makes nothing', async (body) => {
    const before = (await world.get('/sandboxes')).data.totalCount
    const { status, answer } = await world.post('/sandboxes', body)
    expect(status).toBe(400)
    expect(typeof answer.message).toBe('string')
    expect((await world.get('/sandboxes')).data.totalCount).toBe(before)
  })

  it.each([
    ['exec', { cmd: 'true' }, 'run commands'],
    ['code', { language: 'python', code: '' }, 'run code'],
    ['files/batch', { files: [{ path: '/x', content_base64: '' }] }, 'take files'],
    ['snapshots', { name: 'x' }, 'be snapshotted'],
    ['pause', undefined, 'be paused'],
  ])('of %s tells how the sandbox is', async (call, body, what) => {
    const { id } = await create()
    await world.post(`/sandboxes/${id}/pause`)
    const message = (status: string) => `Sandbox is ${status}; only ready sandboxes can ${what}`
    expect(await world.post(`/sandboxes/${id}/${call}`, body)).toMatchObject({
      status: 400,
      answer: { message: message('paused') },
    })
    await world.send('DELETE', `/sandboxes/${id}`)
    expect(await world.post(`/sandboxes/${id}/${call}`, body)).toMatchObject({
      status: 400,
      answer: { message: message('destroyed') },
    })
    const unknown = await world.post(`/sandboxes/${NOBODY}/${call}`, body)
    expect([unknown.status, unknown.answer]).toEqual([404, { message: 'Sandbox not found' }])
  })

  it('for a limit of the team is that of a plan', async () => {
    const { id } = await create()
    const limit = (limits: object) => world.core.teams.update(world.by, world.by.teamId, { limits })
    await limit({ sandboxes: 1, snapshots: 0 })
    expect(await world.post('/sandboxes', {})).toMatchObject({
      status: 403,
      answer: { message: 'Your plan allows up to 1 sandboxes. Destroy an existing one or upgrade.' },
    })
    expect(await world.post(`/sandboxes/${id}/snapshots`, { name: 'x' })).toMatchObject({
      status: 403,
      answer: { message: 'Your plan allows up to 0 snapshots. Delete an existing one or upgrade.' },
    })
  })

  it('of a working directory that is not there is about the request', async () => {
    const { id } = await create()
    expect(await world.post(`/sandboxes/${id}/exec`, { cmd: 'true', cwd: '/nowhere' })).toMatchObject({
      status: 400,
      answer: { message: 'Working directory does not exist: /nowhere' },
    })
  })

  it('of what is no base64 is about that file', async () => {
    const { id } = await create()
    const files = [
      { path: '/tmp/a', content_base64: '?' },
      { path: '/tmp/b', content_base64: 'Yg==' },
    ]
    const { data } = await world.post(`/sandboxes/${id}/files/batch`, { files })
    expect(data).toMatchObject({ uploaded: 1, failed: 1, results: [{ success: false }, { success: true, bytes: 1 }] })
  })
})

describe('a request with a key that came before', () => {
  it.each(['pause', 'snapshots', 'destroy', 'delete'])('does nothing again: %s', async (call) => {
    const { id } = await create()
    const taken = await world.post(`/sandboxes/${id}/snapshots`, { name: 'taken' })
    await expect.poll(async () => (await world.get(`/sandboxes/${id}/snapshots`)).data.data[0].status).toBe('ready')
    const key = { 'idempotency-key': 'once' }
    const ask = () => {
      if (call === 'destroy') return world.send('DELETE', `/sandboxes/${id}`, undefined, key)
      if (call === 'delete') return world.send('DELETE', `/sandboxes/snapshots/${taken.data.id}`, undefined, key)
      return world.post(`/sandboxes/${id}/${call}`, call === 'snapshots' ? { name: 'x' } : undefined, key)
    }
    const first = await ask()
    expect(first.status).toBeLessThan(300)
    expect(await ask()).toEqual(first)
  })
})

it('tells shares in percent beside what the sandbox may use', async () => {
  const { id } = await create({ specs: { cpu: 500, memory: 512 } })
  const { answer, data } = await world.get(`/sandboxes/${id}/stats?hoursAgo=1`)
  expect(answer.message).toBe('Sandbox stats fetched')
  expect(data.average).toMatchObject({ memory: { size: 512 }, cpu: { size: 500 } })
  expect(data.results[0]).toEqual({
    date: expect.any(String),
    memory: expect.any(Number),
    cpu: expect.any(Number),
    network: { bytesPerSecond: null },
  })
  expect((await world.get(`/sandboxes/${id}/stats?hoursAgo=0`)).status).toBe(400)
})

it('tells where a port is seen from outside', async () => {
  const { id } = await create()
  const { data } = await world.get(`/sandboxes/${id}/ports/8000/preview-url`)
  expect(data).toEqual({ port: 8000, url: `http://8000-${id}.localhost:${world.port}/` })
  expect((await world.get(`/sandboxes/${id}/ports/70000/preview-url`)).status).toBe(400)
})
