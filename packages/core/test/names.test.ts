import { describe, expect, it } from 'vitest'
import type { Core, Image } from '../src/index.ts'
import { World } from './world.ts'

const DEBIAN = { type: 'debian', suite: 'bookworm', packages: [] } as const

async function begin() {
  const world = new World()
  const core = await world.server()
  const build = async (name: string, tags?: string[]): Promise<Image> =>
    (await core.images.build(world.by, { name, source: { ...DEBIAN, packages: [] }, tags })).done
  return { world, core, build }
}

const idOf = async (core: Core, world: World, ref: string): Promise<string> => {
  const found = await core.resolve(world.by, ref)
  return 'image' in found ? found.image.id : found.snapshot.id
}

describe('a name', () => {
  it('means what its tag `default` points to, else the latest ready one', async () => {
    const { world, core, build } = await begin()
    const first = await build('app')
    const second = await build('app')
    expect(await idOf(core, world, 'app')).toBe(second.id)
    await core.names.ensure(world.by, 'app')
    await core.names.tag(world.by, 'app', ['default', 'v1'], { imageId: first.id })
    expect(await idOf(core, world, 'app')).toBe(first.id)
    expect(await idOf(core, world, 'app:v1')).toBe(first.id)
    expect(await idOf(core, world, 'app:default')).toBe(first.id)
    expect((await core.images.get(world.by, 'app')).id).toBe(first.id)
    await core.names.untag(world.by, 'app', ['default', 'never-set'])
    expect(await idOf(core, world, 'app')).toBe(second.id)
    await expect(core.resolve(world.by, 'app:default')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('is found by its id as well, also before anything bears it', async () => {
    const { world, core, build } = await begin()
    const name = await core.names.ensure(world.by, 'app')
    expect(await core.names.ensure(world.by, 'app')).toEqual(name)
    await expect(core.resolve(world.by, name.id)).rejects.toMatchObject({ code: 'not_found' })
    const image = await build('app', ['v1'])
    expect(await idOf(core, world, name.id)).toBe(image.id)
    expect(await idOf(core, world, `${name.id}:v1`)).toBe(image.id)
    await expect(core.resolve(world.by, `${name.id}:v2`)).rejects.toMatchObject({ code: 'not_found' })
    expect(await core.names.get(world.by, name.id)).toEqual(name)
  })

  it('is kept by a build with tags, and they are set when the image is ready, not before', async () => {
    const { world, core, build } = await begin()
    const first = await build('app', ['default', 'default', 'v1'])
    world.host.faults.failNext('imageBuilder.build')
    await expect(build('app', ['default'])).rejects.toMatchObject({ code: 'runtime_failed' })
    expect(await idOf(core, world, 'app')).toBe(first.id)
    const second = await build('app', ['default'])
    expect(await idOf(core, world, 'app')).toBe(second.id)
    expect((await core.names.tags(world.by, 'app')).map(({ tag, imageId }) => [tag, imageId]).sort()).toEqual([
      ['default', second.id],
      ['v1', first.id],
    ])
    expect((await core.names.tagsOf(world.by, [second.id])).map(({ name, tag }) => `${name.name}:${tag.tag}`)).toEqual([
      'app:default',
    ])
  })

  it('of snapshots and images alike: `from` takes either', async () => {
    const { world, core, build } = await begin()
    const image = await build('app')
    const sandbox = await world.sandbox(core)
    await world.startCounter(core, sandbox)
    const request = { kind: 'memory', name: 'app', tag: 'warm' } as const
    const snapshot = await (await core.snapshots.create(world.by, sandbox.id, request)).done
    expect(await idOf(core, world, 'app')).toBe(snapshot.id) // the newer
    expect((await core.images.get(world.by, 'app')).id).toBe(image.id)
    const warm = await (await core.sandboxes.create(world.by, { from: 'app:warm' })).done
    expect(await world.ask(core, warm)).toBe('first')
    const cold = await (await core.sandboxes.create(world.by, { from: `app@${image.id}` })).done
    expect(cold).toMatchObject({ imageId: image.id, sourceSnapshotId: null })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('may be written with the team, the caller’s own', async () => {
    const { world, core, build } = await begin()
    const image = await build('app', ['v1'])
    const { id, name } = await core.keys.team(world.by)
    for (const ref of [`${name}/app`, `${id}/app:v1`, `${image.id}:anything`, `app@${image.id}`])
      expect(await idOf(core, world, ref), ref).toBe(image.id)
    for (const ref of ['other/app', `base@${image.id}`, 'app:v2', 'a/b/app', 'app:', ':v1', '', 'app@x', 'app:v1:v1'])
      await expect(core.resolve(world.by, ref), ref).rejects.toMatchObject({ code: 'not_found' })
  })

  it('takes its tags along when deleted; what they pointed to stays', async () => {
    const { world, core, build } = await begin()
    const image = await build('app', ['default', 'v1'])
    const { id } = await core.names.get(world.by, 'app')
    await core.names.delete(world.by, 'app')
    await expect(core.names.get(world.by, id)).rejects.toMatchObject({ code: 'not_found' })
    await expect(core.resolve(world.by, 'app:v1')).rejects.toMatchObject({ code: 'not_found' })
    expect(await idOf(core, world, 'app')).toBe(image.id)
  })

  it('loses the tags that pointed to what is deleted', async () => {
    const { world, core, build } = await begin()
    const first = await build('app')
    const second = await build('app', ['default'])
    await core.images.delete(world.by, second.id)
    expect(await core.names.tags(world.by, 'app')).toEqual([])
    expect(await idOf(core, world, 'app')).toBe(first.id)
  })

  it('points only to what is ready and the team’s own', async () => {
    const { world, core } = await begin()
    await core.names.ensure(world.by, 'app')
    const tag = (imageId: string) => core.names.tag(world.by, 'app', ['v1'], { imageId: imageId as Image['id'] })
    world.host.faults.failNext('imageBuilder.build')
    const failed = await core.images.build(world.by, { name: 'x', source: { ...DEBIAN, packages: [] } })
    await expect(failed.done).rejects.toMatchObject({ code: 'runtime_failed' })
    await expect(tag(failed.value.id)).rejects.toMatchObject({ code: 'wrong_state' })
    await expect(tag('0123456789abcdef01234567')).rejects.toMatchObject({ code: 'not_found' })
    await expect(core.names.tag(world.by, 'app', ['a b'], { imageId: failed.value.id })).rejects.toMatchObject({
      code: 'invalid_argument',
    })
    await expect(core.names.ensure(world.by, '0123456789abcdef01234567')).rejects.toMatchObject({
      code: 'invalid_argument',
    })
    expect(await core.names.tags(world.by, 'app')).toEqual([])
  })
})

it('gives a sandbox the resources of its image, and those it is told', async () => {
  const { world, core } = await begin()
  const request = { name: 'big', source: { ...DEBIAN, packages: [] }, resources: { cpus: 2, memoryBytes: 2 ** 31 } }
  await (await core.images.build(world.by, request)).done
  const sandbox = await (await core.sandboxes.create(world.by, { image: 'big', resources: { cpus: 0.5 } })).done
  expect(sandbox.resources).toMatchObject({ cpus: 0.5, memoryBytes: 2 ** 31, maxProcesses: 512 })
  await expect(core.images.build(world.by, { ...request, resources: { cpus: 99 } })).rejects.toMatchObject({
    code: 'limit_exceeded',
  })
})
