import { createHash } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { SHARES } from '../src/exchange/share.ts'
import type { Guests } from '../src/guests.ts'
import type { Core, RemoteRequest, Sandbox } from '../src/index.ts'
import type { Parts } from '../src/parts.ts'
import { Exchanger } from '../src/sandbox/exchanger.ts'
import { World } from './world.ts'

let world: World
let core: Core
/** What the bucket has; the same object for as long as a test runs */
let bucket: Record<string, string>
beforeEach(async () => {
  world = new World()
  core = await world.server()
  bucket = { kept: '1', 'dir/changed': 'old', gone: 'x' }
  world.host.buckets.set('s3:numbers/', { files: bucket })
})
afterEach(() => core.close())

const data: RemoteRequest = {
  name: 'data',
  path: '/mnt/data',
  source: { type: 's3', endpoint: null, region: 'eu-west-1', bucket: 'numbers', prefix: '', pathStyle: false },
  writable: true,
}
const create = async (request: object = {}) =>
  (await core.sandboxes.create(world.by, { image: 'base', remotes: [data], ...request })).done
const sandboxId = 'a'.repeat(24) as Sandbox['id']
const filesOf = async ({ id }: Sandbox) => (await core.sandboxes.guest(world.by, id)).guest.files
const at = (name: string) => `/mnt/data/${name}`
async function write(sandbox: Sandbox, name: string, content: string) {
  await (await filesOf(sandbox)).write(at(name), Readable.from([Buffer.from(content)]))
}
const remove = async (sandbox: Sandbox, name: string) => (await filesOf(sandbox)).remove(at(name), { recursive: true })
const read = async (sandbox: Sandbox, name: string) => text((await (await filesOf(sandbox)).read(at(name))).body)
async function exchange({ id }: Sandbox) {
  const { remotes } = await core.sandboxes.exchange(world.by, id)
  return remotes[0]?.writes
}
const nothing = { failure: null, conflicts: [], unwritable: 0 }
const writes = () => world.host.faults.log.filter(({ step }) => step === 'remotes.write').length
/** A server that has died, and the next one. */
async function another(options: object = {}) {
  await core.close()
  core = await world.server(options)
}

it('has in the bucket what was written, changed and removed inside, and inside what was there', async () => {
  const sandbox = await create()
  expect(sandbox.remotes).toMatchObject([{ writable: true, writes: nothing, version: /^[0-9a-f]{64}$/ }])
  await write(sandbox, 'new/file', '2')
  await write(sandbox, 'dir/changed', 'new')
  await remove(sandbox, 'gone')
  bucket.theirs = '3'
  bucket.kept = 'theirs'
  expect(await exchange(sandbox)).toEqual(nothing)
  expect(bucket).toEqual({ kept: 'theirs', 'dir/changed': 'new', 'new/file': '2', theirs: '3' })
  expect([await read(sandbox, 'kept'), await read(sandbox, 'theirs')]).toEqual(['theirs', '3'])
  delete bucket.theirs
  const before = writes()
  expect(await exchange(sandbox)).toEqual(nothing)
  await expect(read(sandbox, 'theirs')).rejects.toMatchObject({ context: { errno: 'ENOENT' } })
  expect(writes()).toBe(before)
  expect(await world.disagreements(core)).toEqual([])
})

it('leaves both as they are where both have changed, and says so until one of them has gone', async () => {
  const sandbox = await create()
  for (const name of ['kept', 'new', 'gone', 'same']) await write(sandbox, name, 'mine')
  await remove(sandbox, 'dir')
  Object.assign(bucket, { kept: 'theirs', new: 'theirs', same: 'mine', 'dir/changed': 'theirs' })
  delete bucket.gone
  const conflicts = { ...nothing, conflicts: ['kept', 'new'] }
  expect(await exchange(sandbox)).toEqual(conflicts)
  // What was changed outlives what was removed, on either side.
  const both = { kept: 'theirs', new: 'theirs', same: 'mine', 'dir/changed': 'theirs', gone: 'mine' }
  expect(bucket).toEqual(both)
  expect([await read(sandbox, 'kept'), await read(sandbox, 'new')]).toEqual(['mine', 'mine'])
  expect(await exchange(sandbox)).toEqual(conflicts)
  await another()
  expect(await exchange(sandbox)).toEqual(conflicts)
  delete bucket.new
  await remove(sandbox, 'kept')
  expect(await exchange(sandbox)).toEqual(nothing)
  expect([bucket.new, await read(sandbox, 'kept')]).toEqual(['mine', 'theirs'])
})

it('does not touch what is changed inside while the bucket is looked at', async () => {
  const sandbox = await create()
  bucket.kept = 'theirs'
  bucket.new = 'theirs'
  delete bucket.gone
  const hang = world.host.faults.hang('remotes.read')
  const exchanged = exchange(sandbox)
  await hang.reached
  for (const name of ['kept', 'new', 'gone']) await write(sandbox, name, 'mine meanwhile')
  hang.release()
  await exchanged
  for (const name of ['kept', 'new', 'gone']) expect(await read(sandbox, name)).toBe('mine meanwhile')
  expect(await exchange(sandbox)).toEqual({ ...nothing, conflicts: ['kept', 'new'] })
  expect(bucket).toMatchObject({ kept: 'theirs', new: 'theirs', gone: 'mine meanwhile' })
})

it('is brought to its end by the next server wherever one dies, and nothing is done twice or lost', async () => {
  const sandbox = await create()
  const { faults } = world.host
  let turn = 0
  for (const when of ['before', 'after'] as const) {
    let ended = false
    for (let index = 0; !ended; index += 1, turn += 1) {
      const [round, name] = [`${when} ${index}`, `new-${turn % 2}`]
      await write(sandbox, 'kept', `mine ${round}`)
      await write(sandbox, name, round)
      bucket.theirs = round
      bucket['dir/theirs'] = round
      // One of the last round, which the bucket has by now.
      if (turn > 0) {
        await remove(sandbox, `new-${(turn + 1) % 2}`)
        delete bucket['dir/changed']
      }
      faults.reset()
      faults.crashCall(index, when)
      const outcome = await exchange(sandbox).catch(() => null)
      ended = faults.log.length <= index
      faults.reset()
      if (!ended) {
        await core.close().catch(() => {}) // it is dead
        core = await world.server()
        await exchange(sandbox)
      } else expect(outcome).toEqual(nothing)
      expect((await core.sandboxes.get(world.by, sandbox.id)).remotes[0]?.writes).toEqual(nothing)
      const all: Record<string, string> = { kept: `mine ${round}`, gone: 'x', theirs: round, [name]: round }
      all['dir/theirs'] = round
      if (turn === 0) all['dir/changed'] = 'old'
      expect(bucket).toEqual(all)
      for (const [path, content] of Object.entries(all)) expect(await read(sandbox, path)).toBe(content)
    }
  }
  expect(await world.disagreements(core)).toEqual([])
}, 60_000)

it('notices what was written within the millisecond of what it has written', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    await another({ fakeTime: true })
    const pass = () => {
      world.clock.advance(3_000)
      vi.setSystemTime(world.clock.now())
    }
    pass()
    const sandbox = await create()
    await write(sandbox, 'a', '1')
    await exchange(sandbox)
    await write(sandbox, 'a', '2')
    await exchange(sandbox)
    expect(bucket.a).toBe('1')
    pass()
    await exchange(sandbox)
    expect(bucket.a).toBe('2')
    const before = writes()
    pass()
    await exchange(sandbox)
    expect(writes()).toBe(before)
    // Nor of what it has brought.
    bucket.a = '3'
    await exchange(sandbox)
    await write(sandbox, 'a', '4')
    pass()
    await exchange(sandbox)
    expect(bucket.a).toBe('4')
  } finally {
    vi.useRealTimers()
  }
})

it('is written while the sandbox runs, by a server that has started since, too', async () => {
  await another({ fakeTime: true })
  const sandbox = await create()
  const passed = (name: string) => {
    world.clock.advance(10_000)
    return bucket[name]
  }
  await write(sandbox, 'a', '1')
  await expect.poll(() => passed('a'), { timeout: 20_000 }).toBe('1')
  await another({ fakeTime: true })
  await write(sandbox, 'b', '2')
  await expect.poll(() => passed('b'), { timeout: 20_000 }).toBe('2')
  // Nobody asked it to look for what others write.
  bucket.theirs = '3'
  await write(sandbox, 'c', '3')
  await expect.poll(() => passed('c'), { timeout: 20_000 }).toBe('3')
  await expect(read(sandbox, 'theirs')).rejects.toMatchObject({ context: { errno: 'ENOENT' } })
})

it('is written before the sandbox rests, is captured, goes back or ends', async () => {
  const sandbox = await create()
  const { by } = world
  const snapshot = async () => (await core.snapshots.create(by, sandbox.id, { kind: 'filesystem' })).done
  await write(sandbox, 'a', 'snapshot')
  const { id } = await snapshot()
  expect(bucket.a).toBe('snapshot')
  await write(sandbox, 'a', 'pause')
  await (await core.sandboxes.pause(by, sandbox.id)).done
  expect(bucket.a).toBe('pause')
  await (await core.sandboxes.resume(by, sandbox.id)).done
  await write(sandbox, 'a', 'stop')
  await (await core.sandboxes.stop(by, sandbox.id)).done
  expect(bucket.a).toBe('stop')
  await (await core.sandboxes.start(by, sandbox.id)).done
  await write(sandbox, 'b', 'rollback')
  await (await core.sandboxes.rollback(by, sandbox.id, { snapshot: id })).done
  expect(bucket).toMatchObject({ a: 'stop', b: 'rollback' })
  // Files are as they were; what is in the bucket since then has not been undone, and comes.
  expect(await read(sandbox, 'a')).toBe('snapshot')
  await write(sandbox, 'c', 'after')
  expect(await exchange(sandbox)).toEqual(nothing)
  expect([await read(sandbox, 'a'), await read(sandbox, 'b')]).toEqual(['stop', 'rollback'])
  expect(bucket).toMatchObject({ a: 'stop', b: 'rollback', c: 'after', kept: '1' })
  await write(sandbox, 'a', 'kill')
  await core.sandboxes.kill(by, sandbox.id)
  expect(bucket.a).toBe('kill')
})

it('does not keep a sandbox from ending where the bucket cannot be written, and says why', async () => {
  const sandbox = await create()
  world.host.buckets.delete('s3:numbers/')
  await write(sandbox, 'a', '1')
  expect(await exchange(sandbox)).toMatchObject({ failure: /No such remote/ })
  await (await core.sandboxes.stop(world.by, sandbox.id)).done
  await (await core.sandboxes.start(world.by, sandbox.id)).done
  world.host.buckets.set('s3:numbers/', { files: bucket })
  expect(await exchange(sandbox)).toEqual(nothing)
  expect(bucket.a).toBe('1')
  world.host.buckets.clear()
  await write(sandbox, 'b', '1')
  await core.sandboxes.kill(world.by, sandbox.id)
  expect((await core.sandboxes.get(world.by, sandbox.id)).remotes[0]?.writes?.failure).toMatch(/No such remote/)
})

it('is a copy of its own in forks, and another mount in what begins with a snapshot that carries it', async () => {
  const sandbox = await create({ remotes: [{ ...data, refreshMs: 60_000 }] })
  const [forked] = await (await core.sandboxes.fork(world.by, sandbox.id, { count: 1, mode: 'all_or_nothing' })).done
  const child = forked?.sandbox ?? sandbox
  expect(child.remotes).toMatchObject([{ name: 'data', refreshMs: null }])
  expect(child.remotes[0]).not.toHaveProperty('writable')
  await write(child, 'kept', 'of the child')
  await exchange(child)
  await core.sandboxes.kill(world.by, child.id)
  expect(bucket.kept).toBe('1')
  world.host.faults.failNext('remotes.write')
  await write(sandbox, 'kept', 'not yet written')
  const carrying = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'filesystem', remotes: true })).done
  const other = await (await core.sandboxes.create(world.by, { snapshot: carrying.id })).done
  expect(other.remotes).toMatchObject([{ writable: true, writes: nothing }])
  expect(await read(other, 'kept')).toBe('1')
  await write(other, 'gone', 'of the other')
  expect(await exchange(other)).toEqual(nothing)
  expect(bucket).toMatchObject({ kept: '1', gone: 'of the other' })
  // Back to where the origin had something to write that was never the other's.
  await (await core.sandboxes.rollback(world.by, other.id, { snapshot: carrying.id })).done
  expect(await exchange(other)).toEqual(nothing)
  expect(bucket).toMatchObject({ kept: '1', gone: 'of the other' })
  expect(await exchange(sandbox)).toEqual(nothing)
  expect(bucket.kept).toBe('not yet written')
})

it('takes nothing away from the bucket where the directory has gone, or what was known of it', async () => {
  const sandbox = await create()
  const files = await filesOf(sandbox)
  await files.move('/mnt/data', '/mnt/elsewhere')
  expect(await exchange(sandbox)).toMatchObject({ failure: /no directory/ })
  await files.move('/mnt/elsewhere', '/mnt/data')
  await files.remove('/mnt/.data.spawnpoint-base')
  await write(sandbox, 'own', 'mine')
  await remove(sandbox, 'kept')
  expect(await exchange(sandbox)).toEqual(nothing)
  expect(bucket).toEqual({ kept: '1', 'dir/changed': 'old', gone: 'x', own: 'mine' })
  expect(await read(sandbox, 'kept')).toBe('1')
  // Nor what is not below the directory of the bucket, whatever is put there.
  const base = await text((await files.read('/mnt/.data.spawnpoint-base')).body)
  bucket['../up'] = 'x'
  const etag = createHash('sha256').update('x').digest('hex')
  await files.write('/mnt/.data.spawnpoint-base', Readable.from([Buffer.from(`${base}["../up",1,1,"${etag}"]\n`)]))
  await (await core.sandboxes.stop(world.by, sandbox.id)).done
  expect(world.host.faults.log.filter(({ step }) => step === 'remotes.remove')).toEqual([])
})

it('says how much there is that cannot be in a bucket, and writes the rest', async () => {
  const sandbox = await create()
  await write(sandbox, 'a', '1')
  await write(sandbox, 'b', '1')
  world.host.faults.failNext('remotes.write')
  expect(await exchange(sandbox)).toMatchObject({ failure: /as the test asked/ })
  expect([bucket.a, bucket.b].filter((one) => one === '1')).toHaveLength(1)
  expect(await exchange(sandbox)).toEqual(nothing)
  const long = Array.from({ length: 5 }, () => 'd'.repeat(250)).join('/')
  await write(sandbox, long, '1')
  await write(sandbox, 'large', 'x'.repeat(2 ** 20 + 1))
  expect(await exchange(sandbox)).toEqual({ ...nothing, unwritable: 2 })
  expect(bucket).not.toHaveProperty('large')
})

it('is refused for what cannot be written to', async () => {
  const source = { type: 'git', url: 'https://git.test/app.git', ref: null }
  await expect(create({ remotes: [{ ...data, source }] })).rejects.toMatchObject({ code: 'invalid_argument' })
})

it('is compared while there is a share of memory for it, which it gives back', async () => {
  const sandbox = await create()
  await write(sandbox, 'a', '1')
  const others = await SHARES.take(world.by.teamId, AbortSignal.timeout(60_000), 75)
  const exchanged = exchange(sandbox)
  await world.host.faults.quiet()
  expect(bucket.a).toBeUndefined()
  others[Symbol.dispose]()
  expect(await exchanged).toEqual(nothing)
  expect([bucket.a, SHARES.taken]).toEqual(['1', 0])
})

it('is compared also where it has grown far beyond what was there last time', async () => {
  const sandbox = await create()
  expect(await exchange(sandbox)).toEqual(nothing)
  for (let n = 0; n < 1_100; n += 1) bucket[`there/${n}`] = `${n}`
  expect(await exchange(sandbox)).toEqual(nothing)
  expect(await read(sandbox, 'there/1099')).toBe('1099')
  for (let n = 0; n < 2_400; n += 1) await write(sandbox, `here-${n}`, `${n}`)
  expect(await exchange(sandbox)).toEqual(nothing)
  expect([bucket['here-2399'], Object.keys(bucket).length, SHARES.taken]).toEqual(['2399', 3 + 1_100 + 2_400, 0])
})

it('leaves nothing with the signal of the server, however often it is looked for', async () => {
  const { signal } = new AbortController()
  const ledger = { read: { sandbox: async () => null } }
  const exchanger = new Exchanger({ ledger, closing: signal } as unknown as Parts, {} as Guests)
  const looks = Array.from({ length: 20 }, () =>
    exchanger.exchange(sandboxId, { incarnationId: null }, 'data', { look: false, last: false }),
  )
  expect(await Promise.all(looks)).toEqual(Array(20).fill(false))
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
