import { QuotaError, Spawnpoint } from 'spawnpoint'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

/** Uses about so much processor time. */
const BUSY = ['python3', '-c', 'import time\nwhile time.process_time() < 1.5: pass']

it('counts what a sandbox uses through a death of the server, to its end and no further', async () => {
  const { client } = world
  const asked = Date.now()
  const sandbox = await client.sandboxes.create({ image: 'base', resources: { cpus: 1, memoryBytes: 2 ** 29 } })
  const made = Date.now()
  await sandbox.run(BUSY)
  const snapshot = await sandbox.snapshot({ name: 'kept' })
  await world.killServer()
  await world.startServer()
  expect((await sandbox.run(['true'])).exitCode).toBe(0)
  const killed = Date.now()
  await sandbox.kill()
  const gone = Date.now()

  const rows = async () =>
    (await client.usage.rows({ by: ['sandbox'] })).filter(({ sandboxId }) => sandboxId === sandbox.id)
  const [row, ...more] = await rows()
  if (row === undefined) throw new Error('it is not in the usage')
  expect(more).toEqual([])
  // It began before its caller was told so, and ended after that was asked for.
  expect(row.sandboxSeconds).toBeLessThanOrEqual((gone - asked) / 1_000)
  expect(row.sandboxSeconds).toBeGreaterThanOrEqual((killed - made) / 1_000)
  expect(row.cpuSeconds).toBeCloseTo(row.sandboxSeconds, 3)
  expect(row.memoryGibSeconds).toBeCloseTo(row.sandboxSeconds / 2, 3)
  expect(row.cpuUsedSeconds).toBeGreaterThan(1)
  const [later] = await rows()
  expect(later?.sandboxSeconds).toBe(row.sandboxSeconds)
  expect(later?.snapshotGibHours).toBeGreaterThanOrEqual(row.snapshotGibHours)
  expect(row.snapshotGibHours).toBeGreaterThan(0)
  await snapshot.delete({ permanent: true })
  const [end, after] = [(await rows())[0], (await rows())[0]]
  expect(after).toEqual(end)
  expect(await client.usage.csv({ by: ['day', 'sandbox'] })).toContain(`,${sandbox.id},`)
})

it('counts what is made at the same moment towards the limits that all teams have', async () => {
  const { secret } = await world.client.teams.create({ name: 'hasty' })
  const own = new Spawnpoint({ url: world.url, apiKey: secret })
  const create = (n: number) => own.registries.create({ name: `r${n}`, url: `registry-${n}.test` })
  const made = await Promise.allSettled(Array.from({ length: 110 }, (_, n) => create(n)))
  expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(100)
  expect(await own.registries.list().toArray()).toHaveLength(100)
  const secrets = await Promise.all(Array.from({ length: 9 }, () => own.secrets.set('SAME', { value: 'v' })))
  expect(secrets.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
})

it('holds a team to its limits, keys to their scopes, and writes down who asked for what', async () => {
  const { team, secret } = await world.client.teams.create({ name: 'small', limits: { sandboxes: 1 } })
  const own = new Spawnpoint({ url: world.url, apiKey: secret })
  await own.images.build({ name: 'base', source: { type: 'tar', path: 'base.tar' } })
  // Two at the same moment: the claim decides.
  const asked = await Promise.allSettled([1, 2].map(() => own.sandboxes.create({ image: 'base' })))
  const [made] = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const [refused] = asked.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  if (made === undefined) throw new Error('none was made')
  expect(refused).toBeInstanceOf(QuotaError)
  expect(refused.context).toEqual({ limit: 'sandboxes', allowed: 1, used: 1, asked: 1 })
  await made.pause()
  const other = await own.sandboxes.create({ image: 'base', name: 'other' })
  await expect(made.resume()).rejects.toBeInstanceOf(QuotaError)
  await world.client.teams.update(team.id, { limits: { sandboxes: 2 } })
  await made.resume()

  const reading = await own.keys.create({ name: 'reader', scopes: ['read'], member: 'ana@example.com' })
  const reader = new Spawnpoint({ url: world.url, apiKey: reading.secret })
  const seen = await reader.sandboxes.get('other')
  expect(await seen.files.readText('/etc/hostname')).not.toBe('')
  await expect(seen.run(['true'])).rejects.toMatchObject({ code: 'forbidden' })
  await expect(seen.files.write('/srv/x', 'x')).rejects.toMatchObject({ code: 'forbidden' })
  await expect(seen.kill()).rejects.toMatchObject({ code: 'forbidden' })
  await expect(reader.audit.list().toArray()).rejects.toMatchObject({ code: 'forbidden' })

  const entries = (await own.audit.list().toArray()).reverse()
  expect(entries.map(({ what, outcome }) => `${what} ${outcome}`)).toEqual([
    'images.build accepted',
    expect.stringMatching(/^sandboxes.create (accepted|quota_exceeded)$/),
    expect.stringMatching(/^sandboxes.create (accepted|quota_exceeded)$/),
    'sandboxes.pause accepted',
    'sandboxes.create accepted',
    'sandboxes.resume quota_exceeded',
    'sandboxes.resume accepted',
    'keys.create done',
    'sandboxes.kill forbidden',
  ])
  expect(entries.at(-1)).toMatchObject({ member: 'ana@example.com', keyName: 'reader', door: 'native' })

  // The vendors' callers are told in their protocols' own shapes.
  const post = async (path: string, key: string, body: object) => {
    const headers = { [key]: secret, 'content-type': 'application/json' }
    const response = await fetch(`${world.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    return { status: response.status, body: await response.json(), retryAfter: response.headers.get('retry-after') }
  }
  const message = expect.stringMatching(/sandbox/i)
  for (const door of ['e2b', 'novita']) {
    expect(await post(`/${door}/sandboxes`, 'x-api-key', { templateID: 'base' })).toEqual({
      status: 429,
      body: { code: 429, message },
      retryAfter: null,
    })
  }
  expect(await post('/hyperbrowser/api/sandbox', 'x-api-key', { imageName: 'base' })).toEqual({
    status: 429,
    body: expect.objectContaining({ code: 'quota_exceeded', message }),
    retryAfter: null,
  })
  expect(await post('/langsmith/v2/sandboxes/boxes', 'x-api-key', {})).toMatchObject({
    status: 429,
    body: { detail: { error: 'QuotaExceeded', message } },
  })
  expect(await post('/brimble/sandboxes', 'x-brimble-key', {})).toMatchObject({
    status: 403,
    body: { message: 'Your plan allows up to 2 sandboxes. Destroy an existing one or upgrade.' },
  })
  await Promise.all([made.kill(), other.kill()])
})
