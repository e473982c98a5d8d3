import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Core, Sandbox } from '../src/index.ts'
import { World } from './world.ts'

const VALUE = 'sk-very-secret'
const RULE = {
  name: 'api',
  hosts: ['api.example.com'],
  headers: [{ name: 'Authorization', template: 'Bearer {API_KEY}' }],
}

let world: World
let core: Core
beforeEach(async () => {
  world = new World()
  core = await world.server()
  await core.secrets.set(world.by, 'API_KEY', { value: VALUE })
})
afterEach(() => core.close())

const create = async (...credentials: object[]) =>
  (await core.sandboxes.create(world.by, { image: 'base', credentials: credentials as (typeof RULE)[] })).done
const sent = ({ incarnationId }: Sandbox) => {
  if (incarnationId === null) throw new Error('it does not run')
  return world.host.incarnations
    .get(incarnationId)
    ?.credentials.flatMap(({ headers }) => headers.map((one) => one.value))
}

describe('a secret of the team', () => {
  it('reaches the runtime where a rule refers to it, and nobody else', async () => {
    const sandbox = await create(RULE)
    expect(sent(sandbox)).toEqual([`Bearer ${VALUE}`])
    const secrets = await core.secrets.list(world.by, {}, { limit: 10 })
    const audit = [...world.host.ledger.committed.audit.values()]
    const stored = [...world.host.ledger.committed.secrets.values()]
    const events = await core.events.list(world.by, {}, 0, 100)
    expect(JSON.stringify([sandbox, secrets, audit, stored, events])).not.toContain('very-secret')
  })

  it('is another at once for those that use it, and for those that rest when they are back', async () => {
    const [running, resting] = [await create(RULE), await create(RULE)]
    await (await core.sandboxes.pause(world.by, resting.id)).done
    await core.secrets.set(world.by, 'API_KEY', { value: 'sk-2' })
    expect(sent(running)).toEqual(['Bearer sk-2'])
    expect(sent(await (await core.sandboxes.resume(world.by, resting.id)).done)).toEqual(['Bearer sk-2'])
    await core.close()
    core = await world.server()
    expect(sent(running)).toEqual(['Bearer sk-2'])
  })

  it('is missed, not left out, once it is gone', async () => {
    const sandbox = await create(RULE)
    await core.secrets.delete(world.by, 'API_KEY')
    expect(sent(sandbox)).toEqual([null])
    await expect(create(RULE)).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('goes to its own hosts alone, and may not be sent elsewhere by who does not know it', async () => {
    await core.secrets.set(world.by, 'API_KEY', { value: VALUE, hosts: ['*.example.com'] })
    const sandbox = await create(RULE)
    for (const host of ['example.com', 'api.example.org', 'evilexample.com', '*.com'])
      await expect(create({ ...RULE, hosts: [host] }), host).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(sent(await create({ ...RULE, hosts: ['*.v1.example.com'] }))).toEqual([`Bearer ${VALUE}`])
    await core.secrets.set(world.by, 'API_KEY', { value: VALUE, hosts: ['other.test'] })
    expect(sent(sandbox)).toEqual([null])
    // A row whose hosts somebody has changed opens nothing.
    for (const { secret } of world.host.ledger.committed.secrets.values()) secret.hosts = []
    expect(sent(await create(RULE))).toEqual([null])
  })

  it('belongs to its team', async () => {
    const { team } = await core.teams.create(world.by, { name: 'others' })
    const others = { ...world.by, teamId: team.id }
    await expect(core.secrets.get(others, 'API_KEY')).rejects.toMatchObject({ code: 'not_found' })
    await expect(core.secrets.delete(others, 'API_KEY')).rejects.toMatchObject({ code: 'not_found' })
    await core.secrets.set(others, 'API_KEY', { value: 'theirs' })
    expect(sent(await create(RULE))).toEqual([`Bearer ${VALUE}`])
  })

  it.each(['no reference', 'Bearer {}', 'Bearer {API_KEY', '{API_KEY} {other one}', '{NONE}', 'a\r\nb: {API_KEY}'])(
    'is referred to by its name: not as %j',
    async (template) => {
      await expect(create({ ...RULE, headers: [{ name: 'X', template }] })).rejects.toMatchObject({
        code: 'invalid_argument',
      })
    },
  )
})

it('reaches all that use it though one of them cannot be told, and that one a while later', async () => {
  world = new World()
  core = await world.server({ fakeTime: true })
  await core.secrets.set(world.by, 'API_KEY', { value: VALUE })
  const sandboxes = [await create(RULE), await create(RULE)]
  world.host.faults.failNext('runtime.setCredentials')
  await expect(core.secrets.set(world.by, 'API_KEY', { value: 'sk-2' })).rejects.toMatchObject({
    code: 'runtime_failed',
  })
  const values = () => sandboxes.flatMap((one) => sent(one) ?? []).sort()
  expect(values()).toEqual([`Bearer ${VALUE}`, 'Bearer sk-2'].sort())
  world.host.faults.failNext('runtime.setCredentials')
  world.clock.advance(5_000)
  await world.host.faults.quiet()
  world.clock.advance(10_000)
  await expect.poll(values).toEqual(['Bearer sk-2', 'Bearer sk-2'])
})
