import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { World } from '../../e2e/world.ts'
import { until } from '../vendor-world.ts'
import { BrimbleClient } from './client.ts'

let world: World
let brimble: BrimbleClient
beforeAll(async () => {
  world = await World.start()
  brimble = new BrimbleClient(world.url, world.key)
})
afterAll(() => world[Symbol.asyncDispose]())

async function create(body: object = {}): Promise<string> {
  const { status, data, answer } = await brimble.post('/sandboxes', body)
  expect([status, answer.message]).toEqual([201, 'Sandbox created'])
  return data.id
}

async function exec(id: string, cmd: string): Promise<string> {
  const { data } = await brimble.post(`/sandboxes/${id}/exec`, { cmd })
  expect([data.exit_code, data.stderr]).toEqual([0, ''])
  return data.stdout.trim()
}

async function snapshot(id: string, name: string): Promise<string> {
  const { status, data, answer } = await brimble.post(`/sandboxes/${id}/snapshots`, { name })
  expect([status, answer.message]).toEqual([202, 'Snapshot creation started'])
  await until(async () => (await stateOf(id, data.id)) !== 'creating')
  return data.id
}

async function stateOf(sandbox: string, snapshotId: string): Promise<string> {
  const { data } = await brimble.get(`/sandboxes/${sandbox}/snapshots?limit=100`)
  return data.data.find((one: { id: string }) => one.id === snapshotId)?.status
}

describe('sandboxes', () => {
  it('come ready, with what was asked for, and can be listed, found and destroyed', async () => {
    const { data } = await brimble.post('/sandboxes', {
      name: 'my-box',
      template: 'node-22',
      specs: { cpu: 500, memory: 512, disk: 2 },
      autoDestroy: true,
      destroyTimeout: '1h',
    })
    expect(data).toMatchObject({ name: 'my-box', template: 'node-22', status: 'ready' })
    expect(data.id).toMatch(/^[a-f0-9]{24}$/)
    const inAnHour = Date.now() + 3_600_000
    expect(Math.abs(Date.parse(data.expires_at) - inAnHour)).toBeLessThan(60_000)

    const { data: full } = await brimble.get(`/sandboxes/${data.id}`)
    expect(full).toMatchObject({
      status: 'ready',
      specs: { cpu: 500, memory: 512, disk: 2 },
      auto_destroy: true,
      destroy_timeout: '1h',
      egress: { mode: 'open' },
      snapshot_mode: 'manual',
      snapshot_frequency: null,
      from_snapshot: null,
      destroyed_at: null,
    })
    expect((await brimble.get(`/sandboxes/${data.id}/wait?timeout=5&status=ready`)).data.id).toBe(data.id)
    const { data: page } = await brimble.get('/sandboxes?page=1&limit=1')
    expect(page).toMatchObject({ data: [{ id: data.id }], totalCount: 1, currentPage: 1, totalPages: 1, limit: 1 })

    expect((await brimble.call('DELETE', `/sandboxes/${data.id}`)).status).toBe(204)
    expect((await brimble.call('DELETE', `/sandboxes/${data.id}`)).status).toBe(204)
    expect((await brimble.get(`/sandboxes/${data.id}`)).data).toMatchObject({
      status: 'destroyed',
      destroy_reason: 'user',
    })
    expect((await brimble.get('/sandboxes')).data.totalCount).toBe(0)
  })

  it('run commands and code, at once and streamed', async () => {
    const id = await create()
    const { data } = await brimble.post(`/sandboxes/${id}/exec`, {
      cmd: 'pwd; echo $WHO; echo err >&2; exit 3',
      env: { WHO: 'me' },
      cwd: '/tmp',
    })
    expect(data).toMatchObject({ stdout: '/tmp\nme\n', stderr: 'err\n', exit_code: 3 })
    expect(data.duration_ms).toBeGreaterThan(0)
    expect(
      (await brimble.post(`/sandboxes/${id}/exec`, { cmd: 'pwd; sleep 9', timeout_seconds: 1 })).data,
    ).toMatchObject({
      stdout: '/\n',
      exit_code: 124,
    })
    expect(
      (
        await brimble.post(`/sandboxes/${id}/code`, {
          language: 'python',
          code: `print(6 * 7) #${'x'.repeat(200_000)}`,
        })
      ).data.stdout,
    ).toBe('42\n')
    expect(
      (await brimble.post(`/sandboxes/${id}/code`, { language: 'node', code: 'console.log(6 * 7)' })).data.stdout,
    ).toBe('42\n')
    const frames = await brimble.stream(`/sandboxes/${id}/exec`, {
      cmd: 'echo héé; sleep 0.2; echo out; echo err >&2; exit 2',
    })
    expect(frames.at(-1)).toMatchObject({ type: 'done', exit_code: 2 })
    const of = (type: string) =>
      frames
        .filter((one) => one.type === type)
        .map((one) => one.data)
        .join('')
    expect([of('stdout'), of('stderr')]).toEqual(['héé\nout\n', 'err\n'])
  })

  it('take files and give them back', async () => {
    const id = await create()
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251))
    expect((await brimble.call('PUT', `/sandboxes/${id}/files/tmp/a%20b.bin`, bytes)).status).toBe(204)
    expect(await exec(id, 'stat -c "%s %U" "/tmp/a b.bin"')).toBe('100000 root')
    await exec(id, 'printf "one\\ntwo\\n" >/tmp/lines')
    const got = await brimble.get(`/sandboxes/${id}/files/tmp/lines`)
    expect([got.headers.get('content-type'), got.answer]).toEqual(['application/octet-stream', 'one\ntwo\n'])
    expect(await brimble.call('PUT', `/sandboxes/${id}/files/work/x`, bytes)).toMatchObject({
      status: 400,
      answer: { message: 'Destination directory does not exist: /work' },
    })
    expect((await brimble.get(`/sandboxes/${id}/files/tmp/nothing`)).status).toBe(404)
    const { data } = await brimble.post(`/sandboxes/${id}/files/batch`, {
      files: [
        { path: '/tmp/one', content_base64: Buffer.from('1').toString('base64') },
        { path: '/nowhere/two', content_base64: '' },
      ],
    })
    expect(data).toMatchObject({ uploaded: 1, failed: 1, results: [{ success: true, bytes: 1 }, { success: false }] })
    expect(await exec(id, 'cat /tmp/one')).toBe('1')
  })

  it('pause to their files, and resume', async () => {
    const id = await create({ persistent: true, persistentDiskGB: 10 })
    await exec(id, 'echo kept >/workspace/file; sleep 1000 >/dev/null 2>&1 &')
    expect((await brimble.post(`/sandboxes/${id}/pause`)).answer).toEqual({ message: 'Sandbox pause requested' })
    const { data } = await brimble.get(`/sandboxes/${id}`)
    expect(data).toMatchObject({ status: 'paused', persistent: true, persistent_disk_gb: 10 })
    expect(Date.parse(data.paused_at)).toBeGreaterThan(0)
    expect(await brimble.post(`/sandboxes/${id}/pause`)).toMatchObject({
      status: 400,
      answer: { message: 'Sandbox is paused; only ready sandboxes can be paused' },
    })
    expect((await brimble.post(`/sandboxes/${id}/exec`, { cmd: 'true' })).status).toBe(400)
    expect((await brimble.post(`/sandboxes/${id}/resume`)).answer).toEqual({ message: 'Sandbox resume requested' })
    expect((await brimble.get(`/sandboxes/${id}`)).data.status).toBe('ready')
    expect(await exec(id, 'cat /workspace/file; pgrep -c sleep || true')).toBe('kept\n0')
    expect((await brimble.post(`/sandboxes/${id}/resume`)).status).toBe(400)
  })

  it('reach out as far as their egress lets them, and tell what they use', async () => {
    const id = await create({ egress: { mode: 'deny_all' } })
    const { data } = await brimble.call('PUT', `/sandboxes/${id}/egress`, {
      mode: 'restricted',
      allow: ['192.0.2.7', '198.51.100.0/24', 'example.com', '*.example.org'],
    })
    expect(data).toMatchObject({
      id,
      network_updated: true,
      egress: { mode: 'restricted', allow: ['192.0.2.7', '198.51.100.0/24', 'example.com', '*.example.org'] },
    })
    expect((await brimble.call('PUT', `/sandboxes/${id}/egress`, { mode: 'open' })).data.egress).toEqual({
      mode: 'open',
    })
    const { data: stats } = await brimble.get(`/sandboxes/${id}/stats?hoursAgo=1`)
    expect(stats.replicaCount).toBe(1)
    expect(stats.results[0].memory).toBeGreaterThan(0)
    expect(stats.average.memory.size).toBeGreaterThan(0)
  })
})

describe('snapshots', () => {
  it('go from creating to ready, and start any number of sandboxes with exactly those files', async () => {
    const id = await create({ template: 'python-3.12' })
    await exec(id, 'mkdir /srv/app && echo one >/srv/app/file')
    const created = await brimble.post(`/sandboxes/${id}/snapshots`, { name: 'before-migration' })
    expect(created.data).toMatchObject({
      sandbox_id: id,
      name: 'before-migration',
      status: 'creating',
      source_template: 'python-3.12',
      failure_reason: null,
      size_bytes: null,
      expires_at: '9999-12-31T23:59:59.000Z',
    })
    await until(async () => (await stateOf(id, created.data.id)) === 'ready')
    await exec(id, 'echo two >/srv/app/file')

    const restored = await Promise.all([
      create({ fromSnapshot: created.data.id }),
      create({ fromSnapshot: created.data.id }),
    ])
    for (const one of restored) {
      expect(await exec(one, 'cat /srv/app/file')).toBe('one')
      expect((await brimble.get(`/sandboxes/${one}`)).data).toMatchObject({
        template: 'python-3.12',
        from_snapshot: created.data.id,
      })
    }
    expect(await exec(id, 'cat /srv/app/file')).toBe('two')

    // Neither depends on the other's life.
    await brimble.call('DELETE', `/sandboxes/${id}`)
    expect(await exec(await create({ fromSnapshot: created.data.id }), 'cat /srv/app/file')).toBe('one')
    expect((await brimble.call('DELETE', `/sandboxes/snapshots/${created.data.id}`)).status).toBe(204)
    expect(await exec(String(restored[0]), 'cat /srv/app/file')).toBe('one')
  })

  it('are listed by sandbox and all together, newest first, in pages', async () => {
    const [first, second] = [await create(), await create()]
    const ids = [await snapshot(first, 'a'), await snapshot(first, 'b'), await snapshot(second, 'c')]
    const { data } = await brimble.get(`/sandboxes/${first}/snapshots?page=1&limit=50`)
    expect(data).toMatchObject({ totalCount: 2, currentPage: 1, totalPages: 1, limit: 50 })
    expect(data.data.map((one: { id: string }) => one.id)).toEqual([ids[1], ids[0]])
    const { data: all } = await brimble.get('/sandboxes/snapshots?page=2&limit=2')
    expect(all).toMatchObject({ totalCount: 3, currentPage: 2, totalPages: 2 })
    expect(all.data.map((one: { id: string }) => one.id)).toEqual([ids[0]])
    for (const id of ids) await brimble.call('DELETE', `/sandboxes/snapshots/${id}`)
    expect((await brimble.get('/sandboxes/snapshots')).data.totalCount).toBe(0)
  })

  it('are restored to reach what their source reached, unless told otherwise', async () => {
    const id = await create({ egress: { mode: 'restricted', allow: ['example.com'] } })
    const point = await snapshot(id, 'restricted')
    const egressOf = async (body: object) =>
      (await brimble.get(`/sandboxes/${await create({ fromSnapshot: point, ...body })}`)).data.egress
    expect(await egressOf({})).toEqual({ mode: 'restricted', allow: ['example.com'] })
    expect(await egressOf({ egress: { mode: 'open' } })).toEqual({ mode: 'open' })
    expect(await egressOf({ blockOutbound: true })).toEqual({ mode: 'deny_all' })
    // Deleted for its callers; who runs the server finds it in the trash.
    await brimble.call('DELETE', `/sandboxes/snapshots/${point}`)
    expect((await brimble.post('/sandboxes', { fromSnapshot: point })).status).toBe(404)
    expect((await world.client.snapshots.undelete(point)).state).toBe('ready')
    expect((await brimble.post('/sandboxes', { fromSnapshot: point })).status).toBe(201)
    await world.client.snapshots.delete(point, { permanent: true })
  })

  it('have a schedule where the sandbox was made with one', async () => {
    const id = await create({ snapshotMode: 'automatic', snapshotFrequency: '* * * * *' })
    expect((await brimble.get(`/sandboxes/${id}`)).data).toMatchObject({
      snapshot_mode: 'automatic',
      snapshot_frequency: '* * * * *',
    })
    // That it fires is seen in test/e2e/policies.test.ts, and when it does not in the core over simulated time.
    const [schedule] = await world.client.schedules.list({ sandbox: id }).toArray()
    expect(schedule).toMatchObject({ cron: '* * * * *', kind: 'filesystem', enabled: true })
    expect(schedule?.nextAt?.getTime()).toBeLessThanOrEqual(Date.now() + 60_000)
  })
})

describe('what the page says of failures', () => {
  it('only a ready sandbox is snapshotted', async () => {
    const id = await create()
    await brimble.post(`/sandboxes/${id}/pause`)
    expect(await brimble.post(`/sandboxes/${id}/snapshots`, { name: 'x' })).toMatchObject({
      status: 400,
      answer: { message: 'Sandbox is paused; only ready sandboxes can be snapshotted' },
    })
    await brimble.call('DELETE', `/sandboxes/${id}`)
    expect((await brimble.post(`/sandboxes/${id}/snapshots`, { name: 'x' })).status).toBe(400)
  })

  it('of two snapshots at once the second is refused, and the first gets ready', async () => {
    const id = await create()
    await exec(id, 'dd if=/dev/urandom of=/srv/data bs=1M count=64 status=none')
    const answers = await Promise.all(
      ['a', 'b', 'c'].map((name) => brimble.post(`/sandboxes/${id}/snapshots`, { name })),
    )
    const accepted = answers.filter(({ status }) => status === 202)
    expect(accepted).toHaveLength(1)
    for (const { status } of answers) expect([202, 400]).toContain(status)
    await until(async () => (await stateOf(id, accepted[0]?.data.id)) === 'ready')
  })

  it('one that has expired or was deleted cannot be restored', async () => {
    const id = await create()
    const expired = await snapshot(id, 'short')
    await (await world.client.snapshots.get(expired)).update({ ttlMs: 1 })
    await until(async () => (await brimble.post('/sandboxes', { fromSnapshot: expired })).status === 404)
    const deleted = await snapshot(id, 'gone')
    expect((await brimble.call('DELETE', `/sandboxes/snapshots/${deleted}`)).status).toBe(204)
    expect(await brimble.post('/sandboxes', { fromSnapshot: deleted })).toMatchObject({
      status: 404,
      answer: { message: 'Snapshot not found' },
    })
    expect((await brimble.call('DELETE', `/sandboxes/snapshots/${deleted}`)).status).toBe(404)
  })

  it('a deletion waits for the restores under way, which all come up', async () => {
    const id = await create()
    await exec(id, 'echo here >/srv/file')
    const point = await snapshot(id, 'busy')
    let answered = false
    const restores = Promise.all(
      Array.from({ length: 3 }, () =>
        brimble.post('/sandboxes', { fromSnapshot: point }).finally(() => {
          answered = true
        }),
      ),
    )
    await until(async () => {
      const filter = { states: ['open' as const], kinds: ['sandbox.create' as const] }
      // A quick machine may have brought one up before we look.
      return answered || (await world.client.operations.list(filter).toArray()).length > 0
    })
    expect((await brimble.call('DELETE', `/sandboxes/snapshots/${point}`)).status).toBe(204)
    for (const { status, data } of await restores) {
      // Each was either accepted before the deletion, and then came up whole, or came after it and found nothing.
      expect([201, 404]).toContain(status)
      if (status === 201) expect(await exec(data.id, 'cat /srv/file')).toBe('here')
    }
    expect((await restores).some(({ status }) => status === 201)).toBe(true)
  })

  it.each([
    ['a name that is none', { name: 'Before Migration' }],
    ['a name that is too long', { name: 'x'.repeat(41) }],
    ['no name', {}],
  ])('%s is refused', async (_what, body) => {
    const id = await create()
    expect((await brimble.post(`/sandboxes/${id}/snapshots`, body)).status).toBe(400)
    expect((await brimble.get(`/sandboxes/${id}/snapshots`)).data.totalCount).toBe(0)
  })
})

describe('requests', () => {
  it('with the same idempotency key make one sandbox', async () => {
    const key = { 'idempotency-key': `once-${Date.now()}` }
    const [first, second] = [await brimble.post('/sandboxes', {}, key), await brimble.post('/sandboxes', {}, key)]
    expect([first.status, second.status]).toEqual([201, 201])
    expect(second.data.id).toBe(first.data.id)
  })

  it("need the key in its own header, a well-formed id, and what is one's own", async () => {
    const url = `${world.url}/brimble/sandboxes`
    expect(await (await fetch(url)).json()).toEqual({ message: 'API key is required' })
    const bearer = await fetch(url, { headers: { authorization: `Bearer ${world.key}` } })
    expect(bearer.status).toBe(401)
    const wrong = await fetch(url, { headers: { 'x-brimble-key': 'sp_nonsense' } })
    expect([wrong.status, await wrong.json()]).toEqual([401, { message: 'Invalid API key' }])
    const malformed = await brimble.get('/sandboxes/nonsense')
    expect([malformed.status, malformed.answer]).toEqual([400, { message: 'Invalid sandbox id' }])
    const unknown = await brimble.get(`/sandboxes/${'0'.repeat(24)}`)
    expect([unknown.status, unknown.answer]).toEqual([404, { message: 'Sandbox not found' }])
    expect(unknown.headers.get('x-request-id')).toBeTruthy()
  })

  it('keep volumes, each for one sandbox at a time', async () => {
    const made = await brimble.post('/volumes', { name: 'models', sizeGB: 10, region: 'auto', type: 'sandbox' })
    expect([made.status, made.data]).toEqual([
      201,
      expect.objectContaining({ name: 'models', size: 10, attached_sandbox_id: null, mount_path: null }),
    ])
    const volumeId = made.data.id
    const again = await brimble.post('/volumes', { name: 'models', sizeGB: 10, region: 'auto', type: 'sandbox' })
    expect([again.status, again.answer.message]).toEqual([400, 'A volume named "models" already exists'])
    expect((await brimble.post('/volumes', { name: 'Models', sizeGB: 5 })).status).toBe(400)

    const first = await create({ volumeId })
    await exec(first, 'echo kept > /workspace/file')
    const { data } = await brimble.get(`/volumes/${volumeId}`)
    expect(data).toMatchObject({ attached_sandbox_id: first, mount_path: '/workspace' })
    expect((await brimble.get(`/sandboxes/${first}`)).data).toMatchObject({ persistent: true, persistent_disk_gb: 10 })
    expect((await brimble.post('/sandboxes', { volumeId })).status).toBe(400)
    expect((await brimble.post('/sandboxes', { volumeId, persistent: true, persistentDiskGB: 10 })).status).toBe(400)
    const refused = await brimble.call('DELETE', `/volumes/${volumeId}`)
    expect([refused.status, refused.answer.message]).toEqual([400, 'Volume is attached; detach it before deleting'])

    expect((await brimble.call('DELETE', `/sandboxes/${first}`)).status).toBe(204)
    const second = await create({ volumeId, mountPath: '/data' })
    expect(await exec(second, 'cat /data/file')).toBe('kept')
    expect((await brimble.call('DELETE', `/sandboxes/${second}`)).status).toBe(204)
    expect((await brimble.call('DELETE', `/volumes/${volumeId}`)).status).toBe(204)
    expect((await brimble.get(`/volumes/${volumeId}`)).status).toBe(404)
    expect((await brimble.get('/volumes')).data).toMatchObject({ data: [], totalCount: 0 })
  })

  it('find templates and the one region', async () => {
    const { data } = await brimble.get('/sandbox/templates')
    expect(data.map((one: { name: string }) => one.name)).toEqual(
      expect.arrayContaining(['python-3.12', 'node-22', 'base']),
    )
    expect((await brimble.get('/sandboxes/regions')).data.regions).toHaveLength(1)
    expect((await brimble.post('/sandboxes', { template: 'nonsense' })).answer).toEqual({
      message: 'Template not found',
    })
  })
})
