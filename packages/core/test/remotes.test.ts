import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Core, type GitSource, type RemoteRequest, type Sandbox, shownRemotes } from '../src/index.ts'
import { World } from './world.ts'

let world: World
let core: Core
beforeEach(async () => {
  world = new World()
  core = await world.server()
  world.host.repositories.set('https://git.test/app.git', { files: { 'README.md': 'hello', 'src/a': '1' } })
})
afterEach(() => core.close())

const app: RemoteRequest = {
  name: 'app',
  path: '/mnt/app',
  source: { type: 'git', url: 'https://git.test/app.git', ref: null },
}
const create = async (request: object) => (await core.sandboxes.create(world.by, { image: 'base', ...request })).done
const from = (snapshot: string, more: object = {}) => create({ image: undefined, snapshot, ...more })
async function filesOf(sandbox: Sandbox) {
  const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
  return guest.files
}
async function read(sandbox: Sandbox, path: string): Promise<string> {
  return text((await (await filesOf(sandbox)).read(path)).body)
}

it('is there, as its user has it, before the sandbox is said to run', async () => {
  const sandbox = await create({ remotes: [app] })
  expect(sandbox.remotes).toEqual([{ ...app, refreshMs: null, version: expect.stringMatching(/^[0-9a-f]{40}$/) }])
  expect([await read(sandbox, '/mnt/app/README.md'), await read(sandbox, '/mnt/app/src/a')]).toEqual(['hello', '1'])
  const other = await create({
    remotes: [{ ...app, source: { ...app.source, ref: { type: 'tag', name: 'v1' } } }],
  }).catch((error: unknown) => error)
  expect(other).toMatchObject({ code: 'not_found', context: { resource: 'remote' } })
  expect(await world.disagreements(core)).toEqual([])
})

it('is kept over stops and forks as the sandbox has it, and brought anew from a snapshot that carries it', async () => {
  const sandbox = await create({ remotes: [app] })
  await (await filesOf(sandbox)).write('/mnt/app/own', Readable.from([Buffer.from('mine')]))
  const capture = async (request: object) =>
    (await core.snapshots.create(world.by, sandbox.id, { kind: 'filesystem', ...request })).done
  const [bare, carrying] = [await capture({}), await capture({ remotes: true })]
  expect([bare.remotes, carrying.remotes]).toMatchObject([[], [app]])
  world.host.repositories.set('https://git.test/app.git', { files: { 'README.md': 'news' } })
  await (await core.sandboxes.stop(world.by, sandbox.id)).done
  await (await core.sandboxes.start(world.by, sandbox.id)).done
  const [child] = await (await core.sandboxes.fork(world.by, sandbox.id, { count: 1, mode: 'all_or_nothing' })).done
  expect(child?.sandbox?.remotes).toEqual(sandbox.remotes)
  for (const one of [sandbox, child?.sandbox ?? sandbox, await from(bare.id)])
    expect([await read(one, '/mnt/app/README.md'), await read(one, '/mnt/app/own')]).toEqual(['hello', 'mine'])
  const anew = await from(carrying.id)
  expect([anew.remotes, await read(anew, '/mnt/app/README.md')]).toMatchObject([[app], 'news'])
  expect(anew.remotes).not.toEqual(sandbox.remotes)
  await expect(read(anew, '/mnt/app/own')).rejects.toMatchObject({ context: { errno: 'ENOENT' } })
  const without = await from(carrying.id, { remotes: [] })
  expect([without.remotes, await read(without, '/mnt/app/own')]).toEqual([[], 'mine'])
})

it('is brought anew when its sandbox goes back to what it was started from, and not without it', async () => {
  const sandbox = await create({ remotes: [app] })
  await (await filesOf(sandbox)).write('/mnt/app/own', Readable.from([Buffer.from('mine')]))
  world.host.repositories.set('https://git.test/app.git', { files: { 'README.md': 'news' } })
  const back = async () => (await core.sandboxes.rollback(world.by, sandbox.id, { origin: true })).done
  const again = await back()
  expect([await read(again, '/mnt/app/README.md'), again.remotes]).toMatchObject(['news', [app]])
  expect(again.remotes).not.toEqual(sandbox.remotes)
  await expect(read(again, '/mnt/app/own')).rejects.toMatchObject({ context: { errno: 'ENOENT' } })
  world.host.repositories.clear()
  await expect(back()).rejects.toMatchObject({ code: 'not_found' })
  expect(await read(again, '/mnt/app/README.md')).toBe('news')
  expect(await world.disagreements(core)).toEqual([])
})

it('is asked for with the credentials of the sandbox for its host', async () => {
  const authorization = 'Basic dTpw'
  world.host.repositories.set('https://git.test/app.git', { files: { a: '1' }, authorization })
  await expect(create({ remotes: [app] })).rejects.toMatchObject({ code: 'forbidden' })
  const headers = [{ name: 'authorization', value: authorization }]
  const rule = (host: string) => ({ credentials: [{ name: 'git', hosts: [host], headers }] })
  await expect(create({ remotes: [app], ...rule('other.test') })).rejects.toMatchObject({ code: 'forbidden' })
  const sandbox = await create({ remotes: [app], ...rule('git.test') })
  expect(await read(sandbox, '/mnt/app/a')).toBe('1')
  expect(JSON.stringify(sandbox)).not.toContain(authorization)
})

it('does not keep a sandbox from being killed while it does not come', async () => {
  const hang = world.host.faults.hang('remotes.read')
  const started = await core.sandboxes.create(world.by, { image: 'base', remotes: [app] })
  const outcome = started.done.catch((error: unknown) => error)
  await hang.reached
  await core.sandboxes.kill(world.by, started.value.id)
  expect(await outcome).toMatchObject({ code: 'cancelled' })
  hang.release()
  expect(await world.disagreements(core)).toEqual([])
})

it('is brought anew while the sandbox runs, when it has changed', async () => {
  await core.close()
  core = await world.server({ fakeTime: true })
  const remotes = [{ ...app, refreshMs: 60_000 }]
  const sandbox = await create({ remotes })
  const looks = () => world.host.faults.log.filter(({ step }) => step === 'remotes.read').length
  // The next look is awaited once the one before has ended: time passes until it has.
  const looked = async () => {
    const before = looks()
    const passed = () => {
      world.clock.advance(60_000)
      return looks()
    }
    await expect.poll(passed, { timeout: 20_000 }).toBeGreaterThan(before)
  }
  const version = async () => (await core.sandboxes.get(world.by, sandbox.id)).remotes[0]?.version
  const changed = async () => {
    const before = await version()
    await looked()
    await expect.poll(version, { timeout: 20_000 }).not.toBe(before)
  }
  const own = Readable.from([Buffer.from('mine')])
  await (await filesOf(sandbox)).write('/mnt/app/README.md', own)
  await looked()
  await looked()
  expect(await read(sandbox, '/mnt/app/README.md')).toBe('mine')
  world.host.repositories.set('https://git.test/app.git', { files: { 'README.md': 'news' } })
  await changed()
  expect(await read(sandbox, '/mnt/app/README.md')).toBe('news')
  // What is away for a while is looked for again.
  world.host.repositories.delete('https://git.test/app.git')
  await looked()
  world.host.repositories.set('https://git.test/app.git', { files: { 'README.md': 'later' } })
  await changed()
  expect(await read(sandbox, '/mnt/app/README.md')).toBe('later')
  await (await core.sandboxes.stop(world.by, sandbox.id)).done
  const before = looks()
  world.clock.advance(600_000)
  await core.idle()
  expect(looks()).toBe(before)
})

it('is looked at again after the ledger was away when it was to be looked at', async () => {
  await core.close()
  core = await world.server({ fakeTime: true })
  const sandbox = await create({ remotes: [{ ...app, refreshMs: 60_000 }] })
  world.host.repositories.set('https://git.test/app.git', { files: { 'README.md': 'news' } })
  await world.host.faults.quiet()
  for (let reads = 0; reads < 20; reads += 1) world.host.faults.failNext('ledger.read')
  world.clock.advance(60_000)
  await world.host.faults.quiet()
  world.host.faults.reset()
  expect(await read(sandbox, '/mnt/app/README.md')).toBe('hello')
  const passed = () => {
    world.clock.advance(60_000)
    return read(sandbox, '/mnt/app/README.md')
  }
  await expect.poll(passed, { timeout: 20_000 }).toBe('news')
})

const data: RemoteRequest = {
  name: 'data',
  path: '/mnt/data',
  source: { type: 's3', endpoint: null, region: 'eu-west-1', bucket: 'numbers', prefix: '/of/2026/', pathStyle: false },
}
const key = (value: string) => [
  { name: 'access_key_id', value },
  { name: 'secret_access_key', value: 'the-secret-of-it' },
]
const bucket = (files: Record<string, string>, authorization?: string) =>
  world.host.buckets.set('s3:numbers/of/2026', { files, ...(authorization === undefined ? {} : { authorization }) })

const azureKey = (account: string) => ({
  type: 'azure_key',
  account,
  values: [{ name: 'account_key', value: Buffer.from('a key of an account').toString('base64') }],
})

describe('a bucket', () => {
  it('is asked with a key of its own, which nobody is shown and no rule of the sandbox has', async () => {
    bucket({ 'a/b': '1' }, 'AKIA1')
    await expect(create({ remotes: [data] })).rejects.toMatchObject({ code: 'forbidden' })
    const sandbox = await create({ remotes: [{ ...data, auth: { type: 'aws', values: key('AKIA1') } }] })
    expect(await read(sandbox, '/mnt/data/a/b')).toBe('1')
    expect(sandbox.credentials).toEqual([])
    expect(shownRemotes(sandbox.remotes)).toMatchObject([
      {
        source: { ...data.source, prefix: 'of/2026' },
        auth: {
          type: 'aws',
          values: [
            { name: 'access_key_id', value: null, secret: true },
            { name: 'secret_access_key', value: null, secret: true },
          ],
        },
      },
    ])
    expect(JSON.stringify([sandbox, [...world.host.ledger.committed.sandboxes.values()]])).not.toMatch(
      /AKIA1|the-secret/,
    )
    const snapshot = (await core.snapshots.create(world.by, sandbox.id, { kind: 'filesystem', remotes: true })).done
    bucket({ 'a/b': '2' }, 'AKIA1')
    expect(await read(await from((await snapshot).id), '/mnt/data/a/b')).toBe('2')
  })

  it("is asked with the sandbox's rule for its host, or a secret of the team that may go there", async () => {
    bucket({ a: '1' }, 'AKIA1')
    const auth = { type: 'aws' as const, values: key('AKIA1') }
    const rule = { name: 'aws', hosts: [], headers: [], auth }
    expect(await read(await create({ remotes: [data], credentials: [rule] }), '/mnt/data/a')).toBe('1')
    const values = [{ name: 'access_key_id', template: '{ID}' }, ...key('').slice(1)]
    const templated = { remotes: [{ ...data, auth: { type: 'aws', values } }] }
    await expect(create(templated)).rejects.toMatchObject({ code: 'invalid_argument', message: /no secret ID/ })
    await core.secrets.set(world.by, 'ID', { value: 'AKIA1', hosts: ['other.test'] })
    await expect(create(templated)).rejects.toMatchObject({ code: 'invalid_argument', message: /other hosts/ })
    await core.secrets.set(world.by, 'ID', { value: 'AKIA1', hosts: ['*.amazonaws.com'] })
    expect(await read(await create(templated), '/mnt/data/a')).toBe('1')
  })

  it('has only what is another brought anew, and all of it where what is inside may be something else', async () => {
    await core.close()
    core = await world.server({ fakeTime: true })
    bucket({ kept: 'as it was', changed: 'old', 'dir/gone': 'x' })
    const sandbox = await create({ remotes: [{ ...data, refreshMs: 60_000 }] })
    const write = async (path: string) => (await filesOf(sandbox)).write(path, Readable.from([Buffer.from('mine')]))
    const version = async () => (await core.sandboxes.get(world.by, sandbox.id)).remotes[0]?.version
    const changed = async () => {
      const before = await version()
      const passed = () => {
        world.clock.advance(60_000)
        return version()
      }
      await expect.poll(passed, { timeout: 20_000 }).not.toBeOneOf([before, null])
    }
    await write('/mnt/data/kept')
    const snapshot = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'filesystem' })).done
    bucket({ kept: 'as it was', changed: 'new', 'new/dir/file': 'there' })
    await changed()
    expect([await read(sandbox, '/mnt/data/changed'), await read(sandbox, '/mnt/data/new/dir/file')]).toEqual([
      'new',
      'there',
    ])
    expect(await read(sandbox, '/mnt/data/kept')).toBe('mine')
    await expect(read(sandbox, '/mnt/data/dir/gone')).rejects.toMatchObject({ context: { errno: 'ENOENT' } })
    expect((await (await filesOf(sandbox)).list('/mnt', { depth: 1, limit: 10 })).map(({ name }) => name)).toEqual([
      'data',
    ])
    await (await core.sandboxes.rollback(world.by, sandbox.id, { snapshot: snapshot.id })).done
    expect(await version()).toBeNull()
    await changed()
    expect([await read(sandbox, '/mnt/data/changed'), await read(sandbox, '/mnt/data/kept')]).toEqual([
      'new',
      'as it was',
    ])
    // A file where a directory has come to be inside: what was begun is brought as a whole by the next look.
    bucket({ kept: 'as it was', changed: 'newer' })
    await (await filesOf(sandbox)).remove('/mnt/data/changed')
    await write('/mnt/data/changed/in/the/way')
    await changed()
    expect(await read(sandbox, '/mnt/data/changed')).toBe('newer')
  })
})

describe('is refused where it cannot be', () => {
  const s3 = (over: object, more: object = {}) => [{ ...data, ...more, source: { ...data.source, ...over } }]
  const git = (over: Partial<GitSource>) => [{ ...app, source: { ...app.source, ...over } }]
  it.each<[string, object[]]>([
    ['a name of other letters', [{ ...app, name: 'a b' }]],
    ['a name twice', [app, { ...app, path: '/b' }]],
    ['a path within another', [app, { ...app, name: 'b', path: '/mnt/app/b' }]],
    ['a relative path', [{ ...app, path: 'mnt' }]],
    ['a place of the server', [{ ...app, path: '/proc/x' }]],
    ['a place that leads up', [{ ...app, path: '/../x' }]],
    ['no URL', git({ url: 'git.test/app.git' })],
    ['SSH', git({ url: 'ssh://git.test/app.git' })],
    ['a file', git({ url: 'file:///etc' })],
    ['no TLS elsewhere', git({ url: 'http://git.test/app.git' })],
    ['a password in it', git({ url: 'https://u:p@git.test/app.git' })],
    ['no path', git({ url: 'https://git.test/' })],
    ['a query', git({ url: 'https://git.test/app.git?x' })],
    ['no name of a branch', git({ ref: { type: 'branch', name: 'a..b' } })],
    ['looks too often', [{ ...app, refreshMs: 10 }]],
    ['a bucket with a slash', s3({ bucket: 'a/b' })],
    ['a bucket that leads up', s3({ bucket: '..' })],
    ['a region that is none', s3({ region: 'x/y' })],
    ['a prefix that leads up', s3({ prefix: 'a/../b' })],
    ['an endpoint with a path', s3({ endpoint: 'https://s3.test/a' })],
    ['an endpoint that is none', s3({ endpoint: 'file:///etc' })],
    ['a user in its endpoint', s3({ endpoint: 'https://a:b@s3.test' })],
    ['an account that is none', s3({ type: 'azure', account: 'A.b' })],
    ["another store's credential", s3({}, { auth: { type: 'google', scopes: ['s'], values: [] } })],
    ['the key of another account', s3({ type: 'azure', account: 'mine' }, { auth: azureKey('other') })],
    ['half a key', s3({}, { auth: { type: 'aws', values: key('a').slice(1) } })],
    ['a key for Git', [{ ...app, auth: { type: 'aws', values: key('a') } }]],
    ['a line in it', git({ ref: { type: 'branch', name: 'a\nwant b' } })],
  ])('%s', async (_, remotes) => {
    await expect(create({ remotes })).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})
