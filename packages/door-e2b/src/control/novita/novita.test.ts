import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ControlWorld, openControlWorld } from '../testing/control-world.ts'

let world: ControlWorld
beforeAll(async () => {
  world = await openControlWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const made = async (body: object = {}) => (await world.post('/novita/sandboxes', { templateID: 'base', ...body })).body

it('clones, all of them or as many as come up', async () => {
  const { sandboxID: id } = await made({ metadata: { a: 'b' } })
  const { status, body } = await world.post(`/novita/sandboxes/${id}/clone`, { count: 2, strict: true, timeout: 60 })
  expect(status).toBe(201)
  expect(body.sandboxes).toHaveLength(2)
  for (const clone of body.sandboxes) {
    expect(clone).toEqual({
      sandboxID: expect.stringMatching(/^[0-9a-f]{24}$/),
      envdVersion: '0.6.13',
      envdAccessToken: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    const sandbox = await world.core.sandboxes.get(world.by, clone.sandboxID)
    expect(sandbox).toMatchObject({ parentSandboxId: id, labels: { a: 'b' }, timeout: { timeoutMs: 60_000 } })
  }
  world.host.faults.failNext('runtime.restore')
  expect((await world.post(`/novita/sandboxes/${id}/clone`, { count: 2 })).body.sandboxes).toHaveLength(1)
  world.host.faults.failNext('runtime.restore')
  const failed = await world.post(`/novita/sandboxes/${id}/clone`, { count: 2, strict: true })
  expect(failed).toMatchObject({ status: 500, body: { code: 500, message: expect.any(String) } })
  world.host.faults.failNext('runtime.restore')
  expect(await world.post(`/novita/sandboxes/${id}/clone`, {})).toMatchObject({ status: 500 })
  for (const count of [0, 101, -1])
    expect((await world.post(`/novita/sandboxes/${id}/clone`, { count })).status).toBe(400)
})

it('resets to what it was made from, under the same id', async () => {
  const { sandboxID: id } = await made()
  const before = await world.core.sandboxes.get(world.by, id)
  const { guest } = await world.core.sandboxes.guest(world.by, id)
  await guest.files.write('/home/user/file', [Buffer.from('x')] as never)
  const reset = await world.post(`/novita/sandboxes/${id}/reset`, {
    resume: true,
    timeout: 600,
    allowPublicTraffic: false,
  })
  expect(reset).toMatchObject({ status: 200, body: { trafficAccessToken: expect.stringMatching(/^[0-9a-f]{64}$/) } })
  const after = await world.core.sandboxes.get(world.by, id)
  expect(after).toMatchObject({ state: 'running', timeout: { timeoutMs: 600_000 }, ingress: { default: 'token' } })
  expect(after.incarnationId).not.toBe(before.incarnationId)
  const now = (await world.core.sandboxes.guest(world.by, id)).guest
  await expect(now.files.stat('/home/user/file')).rejects.toMatchObject({ code: 'guest_error' })
  expect((await world.post(`/novita/sandboxes/${id}/reset`, { resume: false })).status).toBe(200)
  expect((await world.core.sandboxes.get(world.by, id)).state).toBe('paused')
})

it('changes who comes in at a connect', async () => {
  const { sandboxID: id } = await made()
  const closed = await world.post(`/novita/sandboxes/${id}/connect`, { timeout: 300, allowPublicTraffic: false })
  expect(closed.body.trafficAccessToken).toMatch(/^[0-9a-f]{64}$/)
  const insecure = await world.post(`/novita/sandboxes/${id}/connect`, { timeout: 300, secure: false })
  expect(insecure.body).not.toHaveProperty('envdAccessToken')
  const network = { allowPublicTraffic: true, denyOut: ['0.0.0.0/0'] }
  const open = await world.post(`/novita/sandboxes/${id}/connect`, { timeout: 300, network, secure: true })
  expect(open.body).toMatchObject({ trafficAccessToken: null, envdAccessToken: expect.any(String) })
  expect((await world.get(`/novita/sandboxes/${id}`)).body.network).toEqual({ denyOut: ['0.0.0.0/0'] })
})

it('commits to a template', async () => {
  const { sandboxID: id } = await made()
  const { status, body } = await world.post(`/novita/sandboxes/${id}/commit`, { alias: 'committed' })
  expect(status).toBe(201)
  expect(body).toMatchObject({ templateType: 'snapshot_template', aliases: ['committed'], buildStatus: 'ready' })
  expect((await made({ templateID: body.templateID })).alias).toBe('committed')
})

it('lists templates and snapshots in pages of its own', async () => {
  const built = await world.get('/novita/v2/templates?template_type=template_build')
  expect(built.body).toMatchObject({
    templates: [{ names: ['default/base'], templateType: 'template_build' }],
    total: 1,
    page: 1,
    limit: 20,
    totalPages: 1,
  })
  const shown = await world.get(`/novita/templates/${built.body.templates[0].templateID}`)
  expect(shown.body).toMatchObject({ templateType: 'template_build', builds: [{ status: 'ready' }] })
  const { sandboxID: id } = await made()
  for (let n = 0; n < 2; n += 1) await world.post(`/novita/sandboxes/${id}/snapshots`, {})
  const query = 'template_type=snapshot_template&limit=1'
  const first = (await world.get(`/novita/v2/templates?${query}`)).body
  const second = (await world.get(`/novita/v2/templates?${query}&page=2`)).body
  expect(first).toMatchObject({ page: 1, limit: 1, total: second.total, totalPages: second.total })
  expect(second.templates[0].templateID).not.toBe(first.templates[0].templateID)
  // At the root too, where its client asks for it.
  const atRoot = await world.get(`/v2/templates?${query}`, { 'x-novita-sdk-name': 'sdk_js' })
  expect(atRoot.body).toEqual(first)
  expect((await world.get('/novita/v2/templates?template_type=other')).status).toBe(200)
})

it('tells of what is used and what may be', async () => {
  const before = (await world.get('/novita/sandboxes/quota')).body
  expect(before.limit).toMatchObject({ maxVcpu: 2, maxRamMb: 8192, diskMb: 65_536, maxLengthHours: 8760 })
  await made()
  const after = (await world.get('/novita/sandboxes/quota')).body
  expect(after.usage).toEqual({
    concurrentInstances: before.usage.concurrentInstances + 1,
    concurrentVcpu: before.usage.concurrentVcpu + 1,
    concurrentRamMb: before.usage.concurrentRamMb + 1024,
  })
})

it('tells the life of a sandbox', async () => {
  const { sandboxID: id } = await made()
  await world.post(`/novita/sandboxes/${id}/snapshots`, {})
  await world.post(`/novita/sandboxes/${id}/pause`)
  await world.post(`/novita/sandboxes/${id}/connect`, { timeout: 60 })
  await world.delete(`/novita/sandboxes/${id}`)
  const events = async (query: string) => (await world.get(`/novita/sandboxes/events?sandboxID=${id}${query}`)).body
  const all = await events('&orderAsc=true')
  expect(all.items.map(({ eventName }: { eventName: string }) => eventName)).toEqual([
    'created',
    'paused',
    'resumed',
    'killed',
  ])
  expect(all).toMatchObject({ total: 4, hasMore: false })
  expect(all.items[0]).toMatchObject({ sandboxID: id, templateName: 'base', state: 'running' })
  const page = await events('&limit=2&offset=1')
  expect(page).toMatchObject({ total: 4, hasMore: true, items: [{ eventName: 'resumed' }, { eventName: 'paused' }] })
  expect((await events('&events=paused,killed')).total).toBe(2)
  expect((await events('&state=running')).total).toBe(2)
  expect((await events('&limit=1000')).items).toHaveLength(4)
  for (const nobody of ['0'.repeat(24), 'nope'])
    expect(await world.get(`/novita/sandboxes/events?sandboxID=${nobody}`)).toMatchObject({
      status: 200,
      body: { items: [], total: 0, hasMore: false },
    })
  expect((await events(`&endTime=${Math.floor(Date.now() / 1000) - 3600}`)).total).toBe(0)
  expect((await events(`&startTime=${Date.now() - 3_600_000}`)).total).toBe(4)
})
