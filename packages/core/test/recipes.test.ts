import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { tarOf } from '@spawnpoint/contracts'
import { describe, expect, it } from 'vitest'
import type { BuildStep, Core, Guest, Image, RecipeSource } from '../src/index.ts'
import { World } from './world.ts'

async function begin() {
  const world = new World()
  const core = await world.server()
  const start = (recipe: Partial<RecipeSource>, request: object = {}) =>
    core.images.build(world.by, {
      name: 'built',
      source: { type: 'recipe', from: 'base', steps: [], ...recipe },
      ...request,
    })
  const build = async (recipe: Partial<RecipeSource>, request: object = {}) => (await start(recipe, request)).done
  const log = async (ref: string) =>
    (await core.images.log(world.by, ref, { offset: 0, limit: 1_000 })).map(({ step, message }) => `${step} ${message}`)
  return { world, core, start, build, log }
}

async function inside(world: World, core: Core, image: Image): Promise<Guest> {
  const sandbox = await (await core.sandboxes.create(world.by, { image: image.id })).done
  return (await core.sandboxes.guest(world.by, sandbox.id)).guest
}

async function read(guest: Guest, path: string): Promise<string> {
  const { body } = await guest.files.read(path)
  return (await body.toArray()).join('')
}

const run = (command: string, over: Partial<BuildStep> = {}): BuildStep =>
  ({ type: 'run', command, user: 'root', ...over }) as BuildStep
const ran = (world: World) =>
  world.host.faults.log.filter(({ step }) => step === 'guest.processes.startAndFollow').map(({ detail }) => detail)

describe('a recipe', () => {
  it('runs its steps one after the other, each with what those before it said', async () => {
    const { world, core, build, log } = await begin()
    const image = await build({
      steps: [
        { type: 'user', user: 'nobody' },
        { type: 'workdir', path: '/srv/app' },
        { type: 'env', env: { COLOUR: 'green' } },
        { type: 'run', command: 'echo $COLOUR > colour ; pwd ; whoami' },
        { type: 'workdir', path: 'deeper' },
        run('pwd ; whoami'),
      ],
    })
    expect(image).toMatchObject({
      state: 'ready',
      bootSnapshotId: null,
      parentImageId: (await core.images.get(world.by, 'base')).id,
      defaults: { user: 'nobody', workdir: '/srv/app/deeper', env: { COLOUR: 'green' }, startCommand: [] },
    })
    expect(await log(image.id)).toEqual([
      'base from base',
      '1 user nobody',
      '2 workdir /srv/app',
      '3 env COLOUR',
      '4 run echo $COLOUR > colour ; pwd ; whoami',
      '4 /srv/app',
      '4 nobody',
      '5 workdir deeper',
      '6 run pwd ; whoami',
      '6 /srv/app/deeper',
      '6 root',
      'null The image is ready',
    ])
    const guest = await inside(world, core, image)
    expect(await read(guest, '/srv/app/colour')).toBe('green\n')
    expect(await world.disagreements(core)).toEqual([])
  })

  it('runs in the directory that its base names, though it is not there', async () => {
    const { world, core, build, log } = await begin()
    const source = { type: 'tar', path: 'base.tar' } as const
    await (await core.images.build(world.by, { name: 'bare', source, defaults: { workdir: '/not/there' } })).done
    const image = await build({ from: 'bare', steps: [run('pwd'), { type: 'workdir', path: '/srv' }, run('pwd')] })
    expect((await log(image.id)).filter((line) => / \//.test(line))).toEqual([
      '1 /not/there',
      '2 workdir /srv',
      '3 /srv',
    ])
  })

  it('has no sandbox that anybody could see, and leaves none', async () => {
    const { world, core, start } = await begin()
    const building = await start({ steps: [run('sleep 0.1')] })
    const seen = async () => (await core.sandboxes.list(world.by, {}, { limit: 10 })).items
    while (world.host.incarnations.size === 0) await new Promise((resolve) => setImmediate(resolve))
    expect(await seen()).toEqual([])
    await building.done
    expect(world.host.leaks()).toMatchObject({ incarnations: [], roots: [], staged: [] })
    expect((await core.snapshots.list(world.by, {}, { limit: 10 })).items).toEqual([])
  })

  it('runs no step twice that an earlier build has run', async () => {
    const { world, core, build, log } = await begin()
    const steps = [run('echo one > /one'), { type: 'env', env: { A: '1' } } as BuildStep, run('echo two > /two')]
    await build({ steps })
    world.host.faults.reset()
    const again = await build({ steps })
    expect(ran(world)).toEqual([])
    expect(world.host.faults.log.some(({ step }) => step === 'runtime.start')).toBe(false)
    expect((await log(again.id)).filter((line) => line.includes('cached'))).toHaveLength(3)
    expect(await read(await inside(world, core, again), '/two')).toBe('two\n')

    world.host.faults.reset()
    const longer = await build({ steps: [...steps.slice(0, 2), run('echo three > /three')] })
    expect(ran(world)).toEqual(['/bin/sh -c echo three > /three'])
    const guest = await inside(world, core, longer)
    expect(await read(guest, '/one')).toBe('one\n')
    await expect(guest.files.stat('/two')).rejects.toMatchObject({ code: 'guest_error' })

    world.host.faults.reset()
    await build({ steps: [steps[0] as BuildStep, { type: 'env', env: { A: '2' } }, run('echo two > /two')] })
    expect(ran(world)).toHaveLength(1)
    expect(await world.disagreements(core)).toEqual([])
  })

  it('is run again from where it is forced, and its layers are not kept twice', async () => {
    const { world, core, build } = await begin()
    const steps = [run('echo 1 > /1'), run('echo 2 > /2'), run('echo 3 > /3')]
    await build({ steps })
    await core.idle()
    const layers = () => [...world.host.ledger.committed.snapshots.values()].filter(({ cacheKey }) => cacheKey !== null)
    expect(layers()).toHaveLength(3)
    world.host.faults.reset()
    await build({ steps: steps.with(1, { ...run('echo 2 > /2'), force: true }) })
    expect(ran(world)).toHaveLength(2)
    await core.idle()
    expect(layers()).toHaveLength(3)
    world.host.faults.reset()
    await build({ steps, force: true })
    expect(ran(world)).toHaveLength(3)
    expect(await world.disagreements(core)).toEqual([])
  })

  it('keeps its layers until it ends, whatever other builds of the same leave', async () => {
    const { world, core, start, build } = await begin()
    const steps = [run('echo 1 > /1'), run('sleep 0.2'), run('echo 3 > /3')]
    const slow = await start({ steps, force: true })
    while (!ran(world).some((args) => args.endsWith('sleep 0.2'))) await new Promise((resolve) => setImmediate(resolve))
    await build({ steps: steps.slice(0, 1), force: true })
    expect((await slow.done).state).toBe('ready')
    await core.idle()
    const keys = [...world.host.ledger.committed.snapshots.values()].map(({ cacheKey }) => cacheKey)
    expect(new Set(keys).size).toBe(keys.length)
    expect(await world.disagreements(core)).toEqual([])
  })

  it('is run in full where the layer it could go on from is lost', async () => {
    const { world, core, build } = await begin()
    const steps = [run('echo 1 > /1'), run('echo 2 > /2')]
    await build({ steps })
    const lost = [...world.host.ledger.committed.snapshots.values()].map(({ id }) => id)
    for (const id of lost) world.host.snapshots.delete(id)
    world.host.faults.reset()
    const image = await build({ steps })
    expect(ran(world)).toHaveLength(2)
    expect(await read(await inside(world, core, image), '/1')).toBe('1\n')
    expect(await world.disagreements(core)).toEqual([])
  })

  it('sees /tmp of earlier steps, also of those that an earlier build has run', async () => {
    const { build, log } = await begin()
    const steps = [run('echo kept > /tmp/file')]
    await build({ steps })
    const image = await build({ steps: [...steps, run('cat /tmp/file')] })
    expect(await log(image.id)).toContain('2 kept')
  })

  it('that fails says at which step and why, and leaves layers but nothing else', async () => {
    const { world, core, start, build, log } = await begin()
    const steps = [run('echo fine > /fine'), run('echo about to fail ; exit 3'), run('echo never')]
    const { value, done } = await start({ steps })
    await expect(done).rejects.toMatchObject({ code: 'build_failed', context: { step: '2', exitCode: 3 } })
    const image = await core.images.get(world.by, value.id)
    expect(image).toMatchObject({ state: 'failed', failure: 'Step 2 failed with exit code 3' })
    const entries = await core.images.log(world.by, value.id, { offset: 0, limit: 100 })
    expect(entries.map(({ message }) => message)).toContain('about to fail')
    expect(entries.at(-1)).toMatchObject({ level: 'error', step: '2', message: image.failure })
    expect(await world.disagreements(core)).toEqual([])
    world.host.faults.reset()
    await build({ steps: steps.slice(0, 1) })
    expect(ran(world)).toEqual([])
    expect(await log(value.id)).toHaveLength(entries.length)
  })

  it('begins with an image or a snapshot by any ref, and refuses what is not there before anything is made', async () => {
    const { world, core, build, start } = await begin()
    const sandbox = await world.sandbox(core)
    const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
    await guest.files.write('/srv/mine', Readable.from([Buffer.from('mine')]))
    const snapshot = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'memory', name: 'point' })).done
    const image = await build({ from: 'point', steps: [run('cat /srv/mine > /copied')] })
    expect(image.parentImageId).toBe(snapshot.imageId)
    expect(await read(await inside(world, core, image), '/copied')).toBe('mine')
    const images = world.host.ledger.committed.images.size
    for (const bad of [
      { from: 'nowhere' },
      { steps: [{ type: 'copy', blob: 'x:missing', source: '.', destination: '/' }] },
      { steps: [{ type: 'copy', fromImage: 'nowhere', source: '.', destination: '/' }] },
      { steps: [{ type: 'copy', source: '.', destination: '/' }] },
      { steps: [{ type: 'copy', blob: 'x:a', source: '../up', destination: '/' }] },
      { steps: [run('')] },
    ] as Partial<RecipeSource>[])
      await expect(start(bad), JSON.stringify(bad)).rejects.toMatchObject({
        code: expect.stringMatching(/invalid_argument|not_found/),
      })
    expect(world.host.ledger.committed.images.size).toBe(images)
    await core.blobs.put(world.by, 'x:a', Readable.from([tarOf([{ name: 'a', data: 'a' }])]))
    const lost = await start({ steps: [{ type: 'copy', blob: 'x:a', source: 'b', destination: '/' }] })
    await expect(lost.done).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining("'b'") })
  })

  it('copies from uploads and from other images, inside the sandbox', async () => {
    const { world, core, build } = await begin()
    const archive = tarOf([
      { name: 'app/run', data: '#!', mode: 0o755 },
      { name: 'app/data/x', data: 'x' },
    ])
    const key = `sha256:${createHash('sha256').update(archive).digest('hex')}`
    await core.blobs.put(world.by, key, Readable.from([archive]))
    const first = await build({
      steps: [
        { type: 'workdir', path: '/srv' },
        { type: 'copy', blob: key, source: 'app', destination: 'here', user: 'nobody', mode: 0o700 },
        { type: 'copy', blob: key, source: 'app/run', destination: '.' },
      ],
    })
    const guest = await inside(world, core, first)
    expect(await guest.files.stat('/srv/here/data/x')).toMatchObject({ uid: 65534, mode: 0o700 })
    expect(await guest.files.stat('/srv/run')).toMatchObject({ owner: 'user', mode: 0o755 })
    const copy = { type: 'copy', fromImage: first.id, source: '/srv/here', destination: '/opt/' } as const
    const second = await build({ steps: [copy] })
    expect(await read(await inside(world, core, second), '/opt/data/x')).toBe('x')
    world.host.faults.reset()
    await build({ steps: [copy] })
    expect(world.host.faults.log.some(({ step }) => step === 'runtime.start')).toBe(false)
    expect(await world.disagreements(core)).toEqual([])
  })

  it('forgets what its programs print beyond a bound, and cuts lines', async () => {
    const { world, core, build } = await begin()
    const image = await build({ steps: [run(`echo ${'x'.repeat(20_000)}`), run('printf one\\ntwo')] })
    const entries = await core.images.log(world.by, image.id, { offset: 0, limit: 100 })
    expect(Math.max(...entries.map(({ message }) => message.length))).toBe(8 * 1024)
    const all = entries.map(({ message }) => message)
    expect(all.slice(all.indexOf('one'), all.indexOf('one') + 2)).toEqual(['one', 'two'])
    expect(await core.images.log(world.by, image.id, { offset: entries.length - 1, limit: 5 })).toEqual(
      entries.slice(-1),
    )
    expect(await core.images.log(world.by, image.id, { offset: entries.length, limit: 5 })).toEqual([])
  })
})

describe('an image with a start command', () => {
  const started = { startCommand: 'sleep 1000', readyCommand: 'true' }

  it('has sandboxes in which it runs already', async () => {
    const { world, core, build } = await begin()
    const image = await build(started, { tags: ['default'] })
    expect(image.bootSnapshotId).not.toBeNull()
    expect(image.defaults.startCommand).toEqual(['/bin/sh', '-c', 'sleep 1000'])
    world.host.faults.reset()
    const sandbox = await (await core.sandboxes.create(world.by, { from: 'built' })).done
    expect(world.host.faults.log.some(({ step }) => step === 'runtime.start')).toBe(false)
    expect(sandbox).toMatchObject({ imageId: image.id, sourceSnapshotId: null, generation: 1 })
    const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
    expect(await guest.processes.get('start')).toMatchObject({ exit: null })
    expect((await core.snapshots.list(world.by, {}, { limit: 10 })).items).toEqual([])
    await expect(core.snapshots.get(world.by, String(image.bootSnapshotId))).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  it('boots where other resources or no memory are asked for, and where the memory does not fit', async () => {
    const { world, core, build } = await begin()
    const image = await build(started)
    const boots = async (request: object) => {
      world.host.faults.reset()
      const sandbox = await (await core.sandboxes.create(world.by, { image: image.id, ...request })).done
      const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
      expect(await guest.processes.get('start')).toMatchObject({ exit: null })
      return world.host.faults.log.some(({ step }) => step === 'runtime.start')
    }
    expect(await boots({ cold: true })).toBe(true)
    expect(await boots({ resources: { cpus: 0.5 } })).toBe(true)
    expect(await boots({ resources: { cpus: 1 } })).toBe(false)
    const { requirements } = world.host.ledger.committed.snapshots.get(String(image.bootSnapshotId)) ?? {}
    expect(requirements?.runtime).toBeDefined()
    await core.idle()
    world.host.faults.reset()
    const other = Object.assign(new Error('other'), { code: 'incompatible' })
    const { SpawnpointError } = await import('../src/index.ts')
    world.host.faults.failNext(
      'runtime.restore',
      new SpawnpointError('incompatible', other.message, { needs: 'a', has: 'b' }),
    )
    const sandbox = await (await core.sandboxes.create(world.by, { image: image.id })).done
    const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
    expect(await guest.processes.get('start')).toMatchObject({ exit: null })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('takes its memory along when it is deleted; sandboxes of it and images on it live on', async () => {
    const { world, core, build } = await begin()
    const image = await build(started)
    const sandbox = await (await core.sandboxes.create(world.by, { image: image.id })).done
    const child = await build({ from: image.id, steps: [run('echo child > /child')] }, { name: 'child' })
    expect(child.bootSnapshotId).not.toBeNull()
    await core.images.delete(world.by, image.id)
    expect(world.host.snapshots.has(image.bootSnapshotId as never)).toBe(false)
    expect((await core.sandboxes.get(world.by, sandbox.id)).state).toBe('running')
    const guest = await inside(world, core, child)
    expect(await guest.processes.get('start')).toMatchObject({ exit: null })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('that ends badly, or never gets ready, fails the build', async () => {
    const { world, core, start } = await begin()
    const bad = await start({ startCommand: 'exit 7', readyCommand: 'false' })
    await expect(bad.done).rejects.toMatchObject({ code: 'build_failed', context: { step: 'finalize', exitCode: 7 } })
    const entries = await core.images.log(world.by, bad.value.id, { offset: 0, limit: 100 })
    expect(entries.at(-1)).toMatchObject({ level: 'error', step: 'finalize' })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('is not captured by a server that closes meanwhile', async () => {
    const { world, core, start } = await begin()
    const building = await start({ startCommand: 'sleep 1000', readyCommand: 'false' })
    const ended = building.done.catch((error: { code: string }) => error.code)
    while (!ran(world).some((args) => args.endsWith('false'))) await new Promise((resolve) => setImmediate(resolve))
    await core.close()
    expect(await ended).toBe('unavailable')
    await using next = await world.server()
    expect((await next.images.get(world.by, building.value.id)).state).toBe('failed')
    expect(await world.disagreements(next)).toEqual([])
  })
})
