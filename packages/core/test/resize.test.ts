import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Core, ResizeRequest, Sandbox } from '../src/index.ts'
import { GIB, World } from './world.ts'

let world: World
let core: Core
let sandbox: Sandbox
beforeEach(async () => {
  world = new World()
  core = await world.server()
  sandbox = await (await core.sandboxes.create(world.by, { image: 'base' })).done
})
afterEach(() => core.close())

const resize = (resources: ResizeRequest) => core.sandboxes.update(world.by, sandbox.id, { resources })
const spec = ({ incarnationId }: Sandbox) => {
  if (incarnationId === null) throw new Error('it does not run')
  return world.host.incarnations.get(incarnationId)?.spec.resources
}

describe('a sandbox of another size', () => {
  it('has its disk at once, and the rest from its next start', async () => {
    const asked = { cpus: 2, memoryBytes: 2 * GIB, diskBytes: 8 * GIB }
    const updated = await resize(asked)
    expect(updated.resources).toEqual({ ...sandbox.resources, ...asked })
    if (updated.rootId === null) throw new Error('it has no root')
    expect(world.host.roots.get(updated.rootId)?.tree.limitBytes).toBe(8 * GIB)
    expect(spec(updated)).toEqual(sandbox.resources)
    await (await core.sandboxes.stop(world.by, sandbox.id)).done
    const started = await (await core.sandboxes.start(world.by, sandbox.id)).done
    expect(spec(started)).toEqual(updated.resources)
    // What is made from it has that too.
    const snapshot = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })).done
    expect(snapshot.resources).toEqual(updated.resources)
  })

  it('can be what its snapshot gives to others, as long as the disk is no smaller', async () => {
    const capture = (diskBytes: number) =>
      core.snapshots.create(world.by, sandbox.id, { kind: 'filesystem', diskBytes }).then(({ done }) => done)
    const diskBytes = sandbox.resources.diskBytes + GIB
    const { id, resources } = await capture(diskBytes)
    expect(resources).toEqual({ ...sandbox.resources, diskBytes })
    const child = await (await core.sandboxes.create(world.by, { snapshot: id })).done
    expect(child.resources).toEqual(resources)
    expect(world.host.roots.get(child.rootId ?? ('' as never))?.tree.limitBytes).toBe(diskBytes)
    await expect(capture(sandbox.resources.diskBytes - 1)).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(capture(2 ** 60)).rejects.toMatchObject({ code: 'limit_exceeded' })
    expect((await core.sandboxes.get(world.by, sandbox.id)).resources).toEqual(sandbox.resources)
  })

  it('is charged for what it runs with', async () => {
    await resize({ cpus: 2 })
    const usage = () => [...world.host.ledger.committed.usage.values()].map(({ interval }) => interval.cpus)
    expect(usage()).toEqual([1])
    await (await core.sandboxes.stop(world.by, sandbox.id)).done
    await (await core.sandboxes.start(world.by, sandbox.id)).done
    expect(usage()).toEqual([1, 2])
  })

  it('does not lose what its memory and its disk hold', async () => {
    for (const less of [{ memoryBytes: GIB / 2 }, { diskBytes: GIB }, { cpus: 0.01 }, { cpus: 9 }])
      await expect(resize(less)).rejects.toMatchObject({
        code: expect.stringMatching(/invalid_argument|limit_exceeded/),
      })
    await (await core.sandboxes.pause(world.by, sandbox.id)).done
    expect((await resize({ memoryBytes: GIB / 2 })).resources.memoryBytes).toBe(GIB / 2)
    await (await core.sandboxes.resume(world.by, sandbox.id)).done
    await (await core.sandboxes.stop(world.by, sandbox.id)).done
    await resize({ memoryBytes: GIB / 4 })
    expect(spec(await (await core.sandboxes.start(world.by, sandbox.id)).done)?.memoryBytes).toBe(GIB / 4)
  })

  it('stays within what the team may have', async () => {
    await core.teams.update(world.by, world.by.teamId, { limits: { cpus: 1 } })
    await expect(resize({ cpus: 2 })).rejects.toMatchObject({ code: 'quota_exceeded' })
    expect((await core.sandboxes.get(world.by, sandbox.id)).resources.cpus).toBe(1)
  })

  it('changes nothing where its disk cannot be made larger', async () => {
    world.host.faults.failNext('pool.limitRoot', new Error('no'))
    await expect(resize({ diskBytes: 8 * GIB, cpus: 2 })).rejects.toBeDefined()
    expect((await core.sandboxes.get(world.by, sandbox.id)).resources).toEqual(sandbox.resources)
  })

  it('is refused as a whole with a name that another has: its disk stays as it was', async () => {
    await (await core.sandboxes.create(world.by, { image: 'base', name: 'other' })).done
    const update = { resources: { diskBytes: 8 * GIB }, name: 'other' }
    await expect(core.sandboxes.update(world.by, sandbox.id, update)).rejects.toMatchObject({ code: 'name_taken' })
    expect(await world.disagreements(core)).toEqual([])
  })
})
