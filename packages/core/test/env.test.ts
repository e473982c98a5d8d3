import { describe, expect, it } from 'vitest'
import type { Core, Env, Sandbox } from '../src/index.ts'
import { World } from './world.ts'

/** What a process that starts now finds. */
async function envInside(world: World, core: Core, sandbox: Sandbox): Promise<string[]> {
  const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
  const { output } = await guest.processes.startAndFollow({ args: ['print-context'], env: {}, stdin: false })
  let text = ''
  for await (const item of output) if (item.type === 'data') text += item.data.toString()
  return text
    .split('\0')
    .filter((line) => /^(A|B|IMAGE)=/.test(line))
    .sort()
}

const update = (world: World, core: Core, sandbox: Sandbox, env: Env) =>
  core.sandboxes.update(world.by, sandbox.id, { env })

async function begin() {
  const world = new World()
  const core = await world.server()
  const source = { type: 'debian' as const, suite: 'bookworm', packages: [] }
  await (await core.images.build(world.by, { name: 'with-env', source, defaults: { env: { IMAGE: 'i', A: 'i' } } }))
    .done
  const sandbox = await (await core.sandboxes.create(world.by, { image: 'with-env', env: { A: '1', B: '2' } })).done
  return { world, core, sandbox }
}

describe('an environment', () => {
  it('replaces the sandbox\u2019s own for what starts from now on, and what its image sets stays', async () => {
    const { world, core, sandbox } = await begin()
    await using _ = core
    expect(await envInside(world, core, sandbox)).toEqual(['A=1', 'B=2', 'IMAGE=i'])
    expect((await update(world, core, sandbox, { B: '3' })).env).toEqual({ B: '3' })
    expect(await envInside(world, core, sandbox)).toEqual(['A=i', 'B=3', 'IMAGE=i'])
  })

  it('of a sandbox that rests holds when it is back, and goes into its snapshots', async () => {
    const { world, core, sandbox } = await begin()
    await using _ = core
    await (await core.sandboxes.pause(world.by, sandbox.id)).done
    await update(world, core, sandbox, { B: '4' })
    await (await core.sandboxes.resume(world.by, sandbox.id)).done
    expect(await envInside(world, core, sandbox)).toEqual(['A=i', 'B=4', 'IMAGE=i'])
    const snapshot = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })).done
    const spawned = await (await core.sandboxes.create(world.by, { snapshot: snapshot.id })).done
    expect(await envInside(world, core, spawned)).toEqual(['A=i', 'B=4', 'IMAGE=i'])
  })

  it('changed while the sandbox comes back holds for what comes up', async () => {
    const { world, core, sandbox } = await begin()
    await using _ = core
    await (await core.sandboxes.pause(world.by, sandbox.id)).done
    const held = world.host.faults.hang('guest.identify')
    const { done } = await core.sandboxes.resume(world.by, sandbox.id)
    await held.reached
    const updated = update(world, core, sandbox, { B: '5' })
    await world.host.faults.quiet()
    held.release()
    await Promise.all([done, updated])
    expect(await envInside(world, core, sandbox)).toEqual(['A=i', 'B=5', 'IMAGE=i'])
  })

  it('of what is started from a snapshot can be another than that of its sandbox', async () => {
    const { world, core, sandbox } = await begin()
    await using _ = core
    const request = { kind: 'filesystem' as const, env: { B: '8' } }
    const { id } = await (await core.snapshots.create(world.by, sandbox.id, request)).done
    const child = await (await core.sandboxes.create(world.by, { snapshot: id })).done
    expect(await envInside(world, core, child)).toEqual(['A=i', 'B=8', 'IMAGE=i'])
    expect(await envInside(world, core, sandbox)).toEqual(['A=1', 'B=2', 'IMAGE=i'])
    const bad = core.snapshots.create(world.by, sandbox.id, { kind: 'filesystem', env: { 'A=': '1' } })
    await expect(bad).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('changed while it is being paused holds whether the pause succeeds or not', async () => {
    for (const fails of [false, true]) {
      const { world, core, sandbox } = await begin()
      await using _ = core
      if (fails) world.host.faults.failNext('runtime.checkpoint')
      const held = world.host.faults.hang('pool.captureRoot')
      const { done } = await core.sandboxes.pause(world.by, sandbox.id)
      await held.reached
      const updated = update(world, core, sandbox, { B: '6' })
      await world.host.faults.quiet()
      held.release()
      await Promise.allSettled([done])
      await updated
      if (!fails) await (await core.sandboxes.resume(world.by, sandbox.id)).done
      expect(await envInside(world, core, sandbox)).toEqual(['A=i', 'B=6', 'IMAGE=i'])
    }
  })

  it('that a dying server recorded and did not apply is applied by the next', async () => {
    const { world, core, sandbox } = await begin()
    world.host.faults.crashAt('guest.setEnv', 'before')
    await expect(update(world, core, sandbox, { B: '7' })).rejects.toThrow()
    await using next = await world.server()
    expect((await next.sandboxes.get(world.by, sandbox.id)).env).toEqual({ B: '7' })
    expect(await envInside(world, next, sandbox)).toEqual(['A=i', 'B=7', 'IMAGE=i'])
    world.host.faults.reset()
    await next.sandboxes.guest(world.by, sandbox.id)
    expect(world.host.faults.log).toEqual([])
  })
})
