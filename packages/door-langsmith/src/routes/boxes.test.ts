import { SpawnpointError } from '@spawnpoint/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DoorWorld, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld()
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

it.each([
  [{ vcpus: 1000 }, 'vcpus'],
  [{ cpu_millicores: 1 }, 'vcpus'],
  [{ mem_bytes: 1 }, 'mem_bytes'],
  [{ mem_bytes: 2 ** 50 }, 'mem_bytes'],
  [{ fs_capacity_bytes: 1 }, 'fs_capacity_bytes'],
  [{ name: 'no name' }, 'name'],
])('a value that cannot be is told by the name it was given by: %j', async (body, field) => {
  const bad = { status: 422, body: { detail: [{ loc: ['body', field], type: 'value_error' }] } }
  expect(await world.post('/boxes', body)).toMatchObject(bad)
  const { id } = await world.box()
  expect(await world.patch(`/boxes/${id}`, body)).toMatchObject(bad)
})

it('takes millicores before processors', async () => {
  expect(await world.box({ vcpus: 1, cpu_millicores: 1500 })).toMatchObject({ vcpus: 2, cpu_millicores: 1500 })
})

it('has variables of its own above those of its run config, tells no values of them, and leaves them out of snapshots', async () => {
  const box = await world.box({ env_vars: { A: 'own', B: 'own' }, run_config: { env_vars: { A: 'run', C: 'run' } } })
  const run = async (id: string) => (await world.post(`/${id}/execute`, { command: 'echo $A-$B-$C-$D' })).body.stdout
  expect(await run(box.id)).toBe('own-own-run-\n')
  expect(box.run_config.env_vars).toMatchObject({ C: 'run' })
  expect(JSON.stringify(box)).not.toContain('"own"')
  await world.patch(`/boxes/${box.id}`, { run_config: { env_vars: { A: 'later', D: 'later' } } })
  expect(await run(box.id)).toBe('own-own-run-later\n')
  const capture = async (body: object) => {
    const answer = await world.post(`/boxes/${box.id}/snapshot`, { name: 'snap', ...body })
    return { answer, child: answer.status === 201 ? (await world.box({ snapshot_id: answer.body.id })).id : '' }
  }
  expect(await run((await capture({})).child)).toBe('--run-later\n')
  const long = { E: 'x'.repeat(5_000), D: 'captured' }
  const more = await capture({ run_config: { env_vars: long } })
  expect(more.answer.body.run_config.env_vars).toMatchObject(long)
  expect(await run(more.child)).toBe('--run-captured\n')
  expect((await capture({ include: ['env_vars'] })).answer.status).toBe(422)
  const whole = await capture({ include: ['env_vars'], confirm_allow_snapshot_secret_values: true })
  expect(JSON.stringify(whole.answer.body)).not.toContain('"own"')
  expect(await run(whole.child)).toBe('own-own-run-later\n')
})

it('of the default is root at home, or who is asked for where they are at home', async () => {
  expect((await world.box()).run_config).toMatchObject({ user: 'root', work_dir: '/root' })
  const { run_config } = await world.box({ run_config: { user: 'user' } })
  expect([run_config.user, run_config.work_dir]).toEqual([
    'user',
    (await world.get('/snapshots/base')).body.run_config.work_dir,
  ])
})

it('tells when and by whom it was changed', async () => {
  const box = await world.box()
  expect(box.updated_by).toBe(world.by.keyId)
  const { secret, key } = await world.core.keys.create(world.by, { name: 'second', scopes: ['read', 'write'] })
  const { body } = await world.send('PATCH', `/boxes/${box.id}`, {
    headers: { 'content-type': 'application/json', 'x-api-key': secret },
    body: JSON.stringify({ idle_ttl_seconds: 60 }),
  })
  expect(body).toMatchObject({ updated_by: key.id, created_by: world.by.keyId, labels: {} })
  expect(Date.parse(body.updated_at)).toBeGreaterThanOrEqual(Date.parse(box.updated_at))
  const { body: snapshot } = await world.post(`/boxes/${box.id}/snapshot`, { name: 'snap' })
  expect((await world.box({ snapshot_id: snapshot.id })).updated_by).toBe(world.by.keyId)
})

it('that does not come up is told from one that was badly asked for', async () => {
  world.host.faults.failNext(
    'runtime.start',
    new SpawnpointError('runtime_failed', 'it did not start', { step: 'start', detail: '' }),
  )
  const answer = await world.post('/boxes', {})
  expect([answer.status, answer.body.detail.error]).toEqual([422, 'CrashLoop'])
  world.host.faults.failNext(
    'runtime.start',
    new SpawnpointError('runtime_failed', 'nor this', { step: 'start', detail: '' }),
  )
  const begun = await world.box({ name: 'never-up', wait_for_ready: false })
  expect(begun.status).toBe('provisioning')
  // Who waits for it asks by its name.
  const status = async () => (await world.get('/boxes/never-up/status')).body
  await expect.poll(async () => (await status()).status).toBe('failed')
  expect(await status()).toEqual({ status: 'failed', status_message: expect.stringContaining('nor this') })
  expect((await world.get('/boxes')).body.sandboxes).toEqual([])
  expect((await world.delete('/boxes/never-up')).status).toBe(204)
  expect((await world.box({ name: 'never-up' })).status).toBe('ready')
  expect((await status()).status).toBe('ready')
  expect((await world.delete('/boxes/never-up')).status).toBe(204)
  expect((await world.delete('/boxes/never-up')).status).toBe(404)
  // The server says so to whoever runs it, too.
  expect(world.failures.splice(0)).not.toEqual([])
})

it('lists say where the next page begins', async () => {
  for (const name of ['a', 'b', 'c']) await world.box({ name })
  const list = async (query: string) => {
    const { body } = await world.get(`/boxes?sort_by=name&${query}`)
    return [body.items.map(({ name }: { name: string }) => name).join(''), body.offset, body.next_cursor !== null]
  }
  expect(await list('limit=2')).toEqual(['ab', 2, true])
  expect(await list('limit=2&offset=2')).toEqual(['c', 0, false])
  expect(await list('limit=500')).toEqual(['abc', 0, false])
  expect(await list('offset=9')).toEqual(['', 0, false])
  for (const bad of ['limit=0', 'limit=501', 'offset=-1']) expect((await world.get(`/boxes?${bad}`)).status).toBe(422)
})
