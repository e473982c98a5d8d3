import { Readable } from 'node:stream'
import { FAKE_DIGEST } from '@spawnpoint/fakes'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Core, Sandbox, TeamId } from '../src/index.ts'
import { World } from './world.ts'

let world: World
let core: Core
let sandbox: Sandbox
beforeEach(async () => {
  world = new World()
  core = await world.server()
  sandbox = await world.sandbox(core)
})
afterEach(() => core.close())

const push = async (ref: string, request: object = {}) =>
  (await core.archives.pushImage(world.by, ref, { reference: 'registry.example/app:1', ...request })).done

describe('an image that is pushed', () => {
  it('is what the image or the snapshot has, in full name, and leaves no clone', async () => {
    const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
    await guest.files.write('/srv/mine', Readable.from([Buffer.from('mine')]))
    const taken = await core.snapshots.create(world.by, sandbox.id, { kind: 'memory', name: 'point' })
    await taken.done
    const pushed = await push('point', { reference: 'alpine:mine' })
    expect(pushed).toEqual({
      reference: 'docker.io/library/alpine:mine',
      digest: expect.stringMatching(/^sha256:/),
      sizeBytes: expect.any(Number),
    })
    await push('base')
    const { pushed: kept } = world.host
    expect(kept.get('docker.io/library/alpine:mine')?.tree.get('/srv/mine')?.data).toEqual(Buffer.from('mine'))
    expect(kept.get('registry.example/app:1')?.tree.get('/srv/mine')).toBeUndefined()
    expect(kept.get('registry.example/app:1')?.root.defaults.workdir).toBe('/home/user')
    expect(await world.disagreements(core)).toEqual([])
    const [operation] = (await core.operations.list(world.by, { kinds: ['archive.push'] }, { limit: 1 })).items
    expect(operation).toMatchObject({ state: 'done' })
  })

  it('of something that began as an image of a registry is told which, and what it was', async () => {
    const credentials = { username: 'ci', password: 'p' }
    await core.registries.create(world.by, { name: 'r', url: 'registry.example', ...credentials })
    const source = { type: 'oci' as const, reference: 'registry.example/team/tool:v1' }
    await (await core.images.build(world.by, { name: 'tool', source })).done
    const recipe = { type: 'recipe' as const, from: 'tool', steps: [{ type: 'run' as const, command: 'echo x > x' }] }
    await (await core.images.build(world.by, { name: 'more', source: recipe })).done
    const made = await (await core.sandboxes.create(world.by, { image: 'more' })).done
    await (await core.snapshots.create(world.by, made.id, { kind: 'filesystem', name: 'later' })).done
    const base = () => world.host.pushed.get('elsewhere.example/app:1')?.root.base
    for (const ref of ['tool', 'more', 'later']) {
      await push(ref, { reference: 'elsewhere.example/app:1', credentials: { username: 'x', password: 'y' } })
      expect(base(), ref).toMatchObject({
        reference: { registry: 'registry.example', repository: 'team/tool', digest: FAKE_DIGEST },
        access: credentials,
      })
    }
    await push('base', { reference: 'elsewhere.example/app:1' })
    expect(base()).toBeNull()
    // Without the image its layers are no help: nothing says what they come to.
    await core.images.delete(world.by, 'tool')
    await push('later', { reference: 'elsewhere.example/app:1' })
    expect(base()).toBeNull()
    expect(await world.disagreements(core)).toEqual([])
  })

  it('goes as whoever the stored registry or the request says', async () => {
    await core.registries.create(world.by, { name: 'r', url: 'registry.example', username: 'ci', password: 'p' })
    const as = () => world.host.pushed.get('registry.example/app:1')?.username
    await push('base')
    expect(as()).toBe('ci')
    await push('base', { credentials: { username: 'white-rabbit', password: 'p' } })
    expect(as()).toBe('white-rabbit')
    expect(JSON.stringify([...world.host.ledger.committed.operations.values()])).not.toContain('white-rabbit')
  })

  it.each([
    [{ reference: 'Not/An/Image' }, 'invalid_argument'],
    [{ reference: `a@sha256:${'0'.repeat(64)}` }, 'invalid_argument'],
    [{ registry: 'none' }, 'not_found'],
    [{ reference: 'oci:x', registry: 'none' }, 'invalid_argument'],
    [{ registry: 'none', credentials: { username: 'a', password: 'b' } }, 'invalid_argument'],
    [{ credentials: { username: 'a:b', password: 'b' } }, 'invalid_argument'],
  ])('cannot be asked for with %j', async (request, code) => {
    await expect(push('base', request)).rejects.toMatchObject({ code })
    expect((await core.operations.list(world.by, { kinds: ['archive.push'] }, { limit: 1 })).items).toEqual([])
  })

  it('has to be there, ready, and of the team', async () => {
    await expect(push('none')).rejects.toMatchObject({ code: 'not_found' })
    const other = { teamId: 'f'.repeat(24) as TeamId, keyId: null }
    const foreign = core.archives.pushImage(other, 'base', { reference: 'a/b' })
    await expect(foreign).rejects.toMatchObject({ code: 'not_found' })
    world.host.faults.failNext('imageBuilder.build')
    const broken = await core.images.build(world.by, { name: 'broken', source: { type: 'tar', path: 'x.tar' } })
    await broken.done.catch(() => {})
    await expect(push(broken.value.id)).rejects.toMatchObject({ code: 'wrong_state' })
  })

  it('that the registry refuses fails with what it said, and leaves no clone', async () => {
    world.host.faults.failNext('archive.pushImage')
    await expect(push('base')).rejects.toMatchObject({ code: 'runtime_failed' })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('is answered again from its operation under the same idempotency key', async () => {
    const once = async () => {
      const first = await core.idempotency.once(world.by, 'key', 'hash', async (by) => {
        const { done } = await core.archives.pushImage(by, 'base', { reference: 'registry.example/app:1' })
        return { status: 200, body: await done }
      })
      return first.body
    }
    expect(await once()).toEqual(await once())
  })
})
