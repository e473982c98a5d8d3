import { FakeRuntime } from '@spawnpoint/fakes'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Core, isPublicKey, type Snapshot } from '../src/index.ts'
import { Signer } from '../src/services/signer.ts'
import { carriedCensus } from '../src/snapshot/census.ts'
import { describeSnapshot, parsePortable } from '../src/snapshot/portable.ts'
import { World } from './world.ts'

const REFERENCE = 'registry.example/point:1'
let world: World
let core: Core
let point: Snapshot
beforeEach(async () => {
  world = new World()
  core = await world.server()
  const sandbox = await world.sandbox(core)
  await world.startCounter(core, sandbox)
  const request = { kind: 'memory', name: 'point', labels: { tier: 'a' } } as const
  point = await (await core.snapshots.create(world.by, sandbox.id, request)).done
  await (await core.archives.pushSnapshot(world.by, 'point', { reference: REFERENCE })).done
})
afterEach(() => core.close())

const pull = async (request: object = {}, on = core) =>
  (await on.archives.pullSnapshot(world.by, { reference: REFERENCE, ...request })).done
const pushed = () => {
  const found = world.host.pushedSnapshots.get(`${REFERENCE}`)
  if (found === undefined) throw new Error('nothing was pushed')
  return found
}
/** Nothing was begun. */
const refused = async (code: string, request: object = {}, on = core) => {
  const before = (await on.snapshots.list(world.by, {}, { limit: 100 })).items.length
  await expect(pull(request, on)).rejects.toMatchObject({ code })
  expect((await on.snapshots.list(world.by, {}, { limit: 100 })).items).toHaveLength(before)
  expect((await on.operations.list(world.by, { kinds: ['archive.pull'] }, { limit: 1 })).items).toEqual([])
}

describe('a snapshot that is pulled', () => {
  it('goes on from the memory that was pushed, as a snapshot of its own', async () => {
    const pulled = await pull({ name: 'there', labels: { more: 'b' } })
    expect(pulled).toMatchObject({
      name: 'there',
      state: 'ready',
      kind: 'memory',
      labels: { tier: 'a', more: 'b' },
      defaults: point.defaults,
      resources: point.resources,
      requirements: point.requirements,
      generation: point.generation,
      parentId: null,
    })
    expect(pulled.id).not.toBe(point.id)
    await core.snapshots.delete(world.by, point.id)
    const sandbox = await (await core.sandboxes.create(world.by, { snapshot: 'there' })).done
    expect(await world.ask(core, sandbox)).toBe('first')
    expect(await world.disagreements(core)).toEqual([])
  })

  it('tells what ran when it was taken, as far as another server says so in a way that can be read', async () => {
    const ran = await core.browse.census(world.by, point.id)
    expect(ran?.processes.length).toBeGreaterThan(0)
    expect(await core.browse.census(world.by, (await pull({ name: 'told' })).id)).toEqual(ran)
    // Of files alone, whose words nobody has signed.
    const files = await (await core.snapshots.create(world.by, point.sandboxId, { kind: 'filesystem' })).done
    await (await core.archives.pushSnapshot(world.by, files.id, { reference: REFERENCE })).done
    const { snapshot } = pushed()
    const [process] = ran?.processes ?? []
    for (const census of [
      undefined,
      null,
      'x',
      { ...ran, processes: Array.from({ length: 4_097 }, () => process) },
      { ...ran, processes: [{ ...process, command: 'x'.repeat(1_025) }] },
      { ...ran, processes: [{ ...process, memoryBytes: -1 }] },
      { ...ran, ports: [{ port: 65_536, address: '::', pid: null }] },
    ]) {
      const description = { ...snapshot.description, census }
      world.host.pushedSnapshots.set(REFERENCE, { ...pushed(), snapshot: { ...snapshot, description } })
      expect(await core.browse.census(world.by, (await pull({ name: 'untold' })).id)).toBeNull()
    }
  })

  it('takes along of what ran as much as fits into a description', () => {
    const process = { pid: 2, parentPid: 1, user: 'root', command: 'x'.repeat(1_000), memoryBytes: 1, startTicks: 1 }
    const census = {
      at: new Date(),
      processes: Array.from({ length: 1_000 }, () => process),
      ports: [],
      truncated: false,
    }
    const carried = carriedCensus(census)
    expect(carried.truncated).toBe(true)
    expect(carried.processes.length).toBeGreaterThan(200)
    expect(JSON.stringify(carried).length).toBeLessThan(2 ** 18 + 1_000)
    expect(carriedCensus({ ...census, processes: [process] })).toEqual({ ...census, processes: [process] })
  })

  it('keeps its name and gets tags where they are asked for', async () => {
    const pulled = await pull({ tag: 'v1' })
    expect(pulled.name).toBe('point')
    expect(await core.snapshots.get(world.by, 'point:v1')).toMatchObject({ id: pulled.id })
  })

  it('is refused before anything comes if another runtime is needed', async () => {
    const { snapshot } = pushed()
    const description = snapshot.description as ReturnType<typeof JSON.parse>
    for (const change of [{ runtimeVersion: '2' }, { cpuFeatures: ['fake_a', 'missing'] }, { runtime: 'other' }]) {
      world.host.pushedSnapshots.set(REFERENCE, {
        ...pushed(),
        snapshot: { ...snapshot, description: { ...description, requirements: { ...point.requirements, ...change } } },
      })
      world.host.faults.reset()
      await refused('incompatible')
      expect(world.host.faults.log.map(({ step }) => step)).not.toContain('archive.fillRoot')
    }
  })

  it('with memory has to be signed by a server that is trusted, and one without need not', async () => {
    const { signature } = pushed()
    for (const wrong of [
      '',
      'nonsense',
      signature.replace(/:(.)([^:]+)$/, (_, first, rest) => `:${first === 'A' ? 'B' : 'A'}${rest}`),
    ]) {
      world.host.pushedSnapshots.set(REFERENCE, { ...pushed(), signature: wrong })
      await refused('forbidden')
    }
    world.host.pushedSnapshots.set(REFERENCE, { ...pushed(), signature })
    await core.close()
    const stranger = await world.server({ secret: Buffer.alloc(32, 9) })
    await refused('forbidden', {}, stranger)
    await expect(pull({}, stranger)).rejects.toThrow(core.archives.publicKey)
    await stranger.close()
    const friend = await world.server({ secret: Buffer.alloc(32, 9), trustedKeys: [core.archives.publicKey] })
    expect(await pull({}, friend)).toMatchObject({ state: 'ready' })

    const sandbox = await world.sandbox(friend)
    const files = await (await friend.snapshots.create(world.by, sandbox.id, { kind: 'filesystem' })).done
    await (await friend.archives.pushSnapshot(world.by, files.id, { reference: REFERENCE })).done
    world.host.pushedSnapshots.set(REFERENCE, { ...pushed(), signature: 'nobody' })
    expect(await pull({}, friend)).toMatchObject({ state: 'ready', kind: 'filesystem', requirements: null })
    await friend.close()
  })

  it('has to fit into the pool', async () => {
    world.host.freeBytes = 1_000
    await refused('disk_full')
  })

  it.each([
    [{ reference: 'registry.example/none' }, 'not_found'],
    [{ reference: 'Not/A/Name' }, 'invalid_argument'],
    [{ name: 'a b' }, 'invalid_argument'],
    [{ tag: '-' }, 'invalid_argument'],
    [{ registry: 'none' }, 'not_found'],
  ])('cannot be asked for with %j', (request, code) => refused(code, request))

  it('whose transfer fails has a record that says so, and leaves nothing', async () => {
    for (const step of ['archive.fillRoot', 'archive.fillMemory', 'pool.publishSnapshot']) {
      world.host.faults.failNext(step)
      await expect(pull()).rejects.toMatchObject({ code: 'runtime_failed' })
      expect(await world.disagreements(core)).toEqual([])
    }
    const failed = (await core.snapshots.list(world.by, { states: ['failed'] }, { limit: 10 })).items
    expect(failed).toHaveLength(3)
  })

  it('brings its agent to where it is not', async () => {
    await core.close()
    const digest = point.requirements?.agentDigest ?? ''
    class Elsewhere extends FakeRuntime {
      taken: string[] = []
      override readonly agents = {
        file: async () => null,
        add: async (file: string) => {
          this.taken.push(file)
          return file
        },
      }
    }
    const runtime = new Elsewhere(world.host)
    world.runtime = () => runtime
    core = await world.server()
    await pull()
    expect(runtime.taken).toEqual([digest])
  })
})

describe('what a snapshot says of itself', () => {
  it('is understood as it was said', () => {
    const said = JSON.parse(JSON.stringify(describeSnapshot(point, null)))
    expect(parsePortable(said)).toMatchObject({ kind: 'memory', name: 'point', requirements: point.requirements })
  })

  it.each([
    [{ formatVersion: 2 }],
    [{ kind: 'disk' }],
    [{ env: { A: 7 } }],
    [{ env: { 'A=B': '' } }],
    [{ labels: { '': 'x' } }],
    [{ sandboxId: '../..' }],
    [{ defaults: null }],
    [{ resources: { cpus: -1 } }],
    [{ generation: 1.5 }],
    [{ requirements: null }],
    [{ memoryBytes: Number.MAX_VALUE }],
    [{ filesystemBytes: '7' }],
  ])('is refused with %j', (change) => {
    const said = { ...JSON.parse(JSON.stringify(describeSnapshot(point, null))), ...change }
    expect(() => parsePortable(said)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  })

  it('is refused if it is nothing', () => {
    for (const nothing of [null, [], 'text', 7, {}]) {
      expect(() => parsePortable(nothing)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
    }
    expect(parsePortable({ ...describeSnapshot(point, null), name: 'a b' }).name).toBeNull()
  })
})

describe('a signature', () => {
  const signer = new Signer(Buffer.alloc(32, 1), [])
  const payload = Buffer.from('payload')

  it('is of its server and its payload', () => {
    const signature = signer.sign(payload)
    expect(signer.signerOf(payload, signature)).toBe(signer.publicKey)
    expect(isPublicKey(signer.publicKey)).toBe(true)
    expect(signer.signerOf(Buffer.from('other'), signature)).toBeNull()
    const other = new Signer(Buffer.alloc(32, 2), [])
    expect(other.publicKey).not.toBe(signer.publicKey)
    expect(other.signerOf(payload, signature)).toBe(signer.publicKey)
    // Another's key before it.
    expect(signer.signerOf(payload, signature.replace(signer.publicKey, other.publicKey))).toBeNull()
    for (const wrong of ['', 'x', signature.slice(0, -1), `sp-ed25519:${'A'.repeat(43)}:${'A'.repeat(86)}`]) {
      expect(signer.signerOf(payload, wrong)).toBeNull()
    }
  })

  it('is trusted if its server is, or is this one', () => {
    const other = new Signer(Buffer.alloc(32, 2), [signer.publicKey])
    expect(other.trusts(signer.publicKey)).toBe(true)
    expect(other.trusts(other.publicKey)).toBe(true)
    expect(signer.trusts(other.publicKey)).toBe(false)
  })
})
