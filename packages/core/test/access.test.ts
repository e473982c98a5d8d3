import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CALLS, type Core, isAudited, type Principal, type Scope, type SpawnpointApi, scopeOf } from '../src/index.ts'
import { World } from './world.ts'

let world: World
let core: Core
let api: SpawnpointApi
beforeAll(async () => {
  world = new World()
  core = await world.server()
  api = core.through('here')
})
afterAll(() => core.close())

async function keyWith(...scopes: Scope[]): Promise<Principal> {
  const { secret } = await core.keys.create(world.by, { name: scopes.join(' '), scopes, member: 'ana' })
  const by = await api.authenticate(secret)
  // That it was used is noted behind its back.
  await core.idle()
  return by
}

type AnyCall = (by: Principal, ...given: unknown[]) => unknown

const CASES = Object.entries(CALLS).flatMap(([service, rules]) =>
  Object.entries(rules).map(([method, rule]) => ({ what: `${service}.${method}`, service, method, rule })),
)

describe('every call', () => {
  it.each(CASES.filter(({ rule }) => scopeOf(rule) !== null))(
    '$what is refused to keys without the scope, and audited if it changes something',
    async ({ what, service, method, rule }) => {
      const needed = scopeOf(rule)
      const all: Scope[] = ['read', 'write', 'admin', 'server']
      // A key that may write may read too.
      const lacking = all.filter((scope) => scope !== needed && !(needed === 'read' && scope === 'write'))
      const by = await keyWith(...lacking)
      const call = Reflect.get(Reflect.get(api, service) as object, method) as AnyCall
      await expect(async () => call(by, 'x'.repeat(300), 'y')).rejects.toMatchObject({
        code: 'forbidden',
        context: { what },
      })
      const { items } = await core.audit.list(world.by, { keyId: by.keyId ?? '' }, { limit: 10 })
      expect(items.map((entry) => [entry.what, entry.outcome, entry.door, entry.member])).toEqual(
        isAudited(rule) ? [[what, 'forbidden', 'here', 'ana']] : [],
      )
      for (const { target } of items) expect(target).toHaveLength(200)
    },
  )

  it('is made without a look at scopes where no key was shown', async () => {
    const { id } = await world.sandbox(core)
    const reached = await api.sandboxes.reach(id)
    if (reached === null) throw new Error('it runs')
    expect((await api.sandboxes.get(reached.by, id)).id).toBe(id)
  })

  it('needs nothing more of a key that may do all a team can', async () => {
    const by = await keyWith('read', 'write', 'admin')
    const { value, done } = await api.sandboxes.create(by, { image: 'base', labels: { a: 'b' } })
    await done
    const { items } = await api.audit.list(by, { what: 'sandboxes.create', keyId: by.keyId ?? '' }, { limit: 1 })
    expect(items).toMatchObject([{ target: value.id, outcome: 'accepted', member: 'ana', keyName: 'read write admin' }])
    await api.sandboxes.kill(by, value.id)
  })
})

describe('the inside of a sandbox', () => {
  it('can be looked at by a key that may read, and no more', async () => {
    const { id } = await world.sandbox(core)
    const by = await keyWith('read')
    const { guest } = await api.sandboxes.guest(by, id)
    expect(await guest.processes.list()).toEqual(expect.any(Array))
    expect((await guest.files.list('/etc', { depth: 1, limit: 10 })).length).toBeGreaterThan(0)
    expect(guest.agentVersion).toEqual(expect.any(String))
    const spec = { args: ['true'], env: {}, stdin: false }
    for (const change of [
      () => guest.processes.start(spec),
      () => guest.files.mkdir('/srv/x'),
      () => guest.files.remove('/etc/hostname'),
      () => guest.connectPort(80),
      () => guest.shutdown(0),
    ])
      await expect(change()).rejects.toMatchObject({ code: 'forbidden' })
    expect((await guest.files.list('/etc', { depth: 1, limit: 10 })).length).toBeGreaterThan(0)
  })
})

describe('the audit log', () => {
  it('says how work ended that failed after it was accepted', async () => {
    const by = await keyWith('read', 'write', 'admin')
    world.host.faults.failNext('runtime.start')
    const { done } = await api.sandboxes.create(by, { image: 'base', name: 'unlucky' })
    await expect(done).rejects.toMatchObject({ code: 'runtime_failed' })
    await expect
      .poll(async () => (await api.audit.list(by, { target: 'unlucky' }, { limit: 5 })).items)
      .toMatchObject([{ what: 'sandboxes.create', outcome: 'runtime_failed', operationId: expect.any(String) }])
  })

  it('names no operation where the transaction was refused that was to begin it', async () => {
    const by = await keyWith('read', 'write', 'admin')
    world.host.faults.failNext('ledger.commit')
    await expect(api.sandboxes.create(by, { image: 'base', name: 'refused' })).rejects.toThrow()
    const { items } = await api.audit.list(by, { target: 'refused' }, { limit: 5 })
    expect(items).toMatchObject([{ what: 'sandboxes.create', operationId: null }])
  })

  it('has a request once that is asked again with its key, also one that begins early', async () => {
    const by = await keyWith('write')
    const ask = (hash: string) =>
      api.idempotency.once(
        by,
        'key',
        hash,
        async (as) => ({
          status: 201,
          body: (await api.sandboxes.create(as, { image: 'base', name: 'asked-twice' })).value.id,
        }),
        { early: true },
      )
    const first = await ask('hash')
    expect(await ask('hash')).toEqual({ ...first, replayed: true })
    await expect(ask('another')).rejects.toMatchObject({ code: 'idempotency_mismatch' })
    await core.idle()
    const { items } = await core.audit.list(world.by, { target: 'asked-twice' }, { limit: 5 })
    expect(items).toMatchObject([{ what: 'sandboxes.create', outcome: 'accepted' }])
  })

  it('says once an hour that a key works in a sandbox', async () => {
    const { id } = await world.sandbox(core)
    const [writer, reader] = [await keyWith('write'), await keyWith('read')]
    for (const by of [writer, reader, writer]) await api.sandboxes.guest(by, id)
    await core.close()
    core = await world.server()
    api = core.through('here')
    const { items } = await core.audit.list(world.by, { what: 'sandboxes.guest' }, { limit: 5 })
    expect(items).toMatchObject([{ keyId: writer.keyId, target: id, outcome: 'done', member: 'ana', door: 'here' }])
  })

  it('has what was accepted, also where the server dies right after', async () => {
    const by = await keyWith('write')
    world.host.faults.crashAt('ledger.commit', 'after')
    await expect(api.sandboxes.create(by, { image: 'base', name: 'cut-off' })).rejects.toThrow('died')
    core = await world.server()
    api = core.through('here')
    const { items } = await core.audit.list(world.by, { target: 'cut-off' }, { limit: 5 })
    expect(items).toMatchObject([{ what: 'sandboxes.create', outcome: 'accepted', operationId: expect.any(String) }])
  })

  it('does not fail what was done because it cannot be written', async () => {
    const { id } = await world.sandbox(core)
    const by = await keyWith('read', 'write', 'admin')
    const { faults } = world.host
    const update = (a: string) => api.sandboxes.update(by, id, { labels: { a } })
    const written = async () =>
      (await api.audit.list(by, { target: id, keyId: by.keyId ?? '' }, { limit: 9 })).items.length
    faults.reset()
    await update('one')
    const [, audit] = faults.log.filter(({ step }) => step === 'ledger.commit')
    faults.reset()
    faults.failCall(audit?.index ?? 0)
    expect((await update('two')).labels).toEqual({ a: 'two' })
    expect(await written()).toBe(1)
  })
})
