import { type IncarnationId, newId } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RUNSCS } from './testing/test-host.ts'
import { tracesOf } from './testing/traces.ts'
import { MIB, sh, World } from './testing/world.ts'

describe.each(RUNSCS)('prepared with %s', (runsc) => {
  let world: World
  let captured: Awaited<ReturnType<World['capture']>>
  beforeAll(async () => {
    world = await World.open(runsc)
    const box = await world.boot()
    await sh(box.guest, 'echo memory > /tmp/kept; echo file > /root/kept')
    captured = await world.capture(box)
    await world.runtime.kill(box.id)
  }, 60_000)
  afterAll(() => world[Symbol.asyncDispose](), 60_000)

  const ofSandboxes = () =>
    tracesOf(world.serverIndex, world.stateDir).filter((trace) => /^process|[0-9a-f]{24}/.test(trace))
  const cloneSpec = async () => world.spec(await world.root({ from: 'snapshot', id: captured.id }))

  it('restores are quicker, and the same', async () => {
    const spec = await cloneSpec()
    await world.runtime.prepare(spec, captured.memory)
    expect(await world.runtime.list()).toEqual([])
    await expect(world.runtime.pause(spec.id)).rejects.toMatchObject({ code: 'stale_incarnation' })
    const processes = world.processesOf(spec.id)

    const network = { internet: true, allow: ['192.0.2.0/24'], deny: [], allowDomains: [], precedence: 'deny' as const }
    const guest = await world.runtime.restore({ ...spec, network }, captured.memory)
    expect(world.record(spec.id).processes).toEqual(processes)
    expect(await sh(guest, 'cat /tmp/kept /root/kept')).toBe('0 memory\nfile')
    expect(world.record(spec.id).network).toEqual(network)
    await world.runtime.pause(spec.id)
    await world.runtime.resume(spec.id)
    await world.runtime.kill(spec.id)
  })

  it('starts are the same too', async () => {
    const spec = world.spec(await world.root())
    await world.runtime.prepare(spec, null)
    const guest = await world.runtime.start(spec)
    await guest.identify(world.identity())
    expect(await sh(guest, 'echo started')).toBe('0 started')
    await world.runtime.kill(spec.id)
  })

  it('go to waste, and are made anew, when something else is wanted or they died', async () => {
    const spec = await cloneSpec()
    await world.runtime.prepare(spec, captured.memory)
    const resources = { ...spec.resources, memoryBytes: 384 * MIB }
    const guest = await world.runtime.restore({ ...spec, resources }, captured.memory)
    expect(await sh(guest, "awk '/MemTotal/ { print $2 }' /proc/meminfo; cat /tmp/kept")).toBe(
      `0 ${384 * 1024}\nmemory`,
    )
    await world.runtime.kill(spec.id)

    const dying = await cloneSpec()
    await world.runtime.prepare(dying, captured.memory)
    process.kill(world.processesOf(dying.id)[0]?.pid as number, 'SIGKILL')
    const clone = await world.runtime.restore(dying, captured.memory)
    expect(await sh(clone, 'cat /tmp/kept')).toBe('0 memory')
    await world.runtime.kill(dying.id)
    await expect.poll(ofSandboxes).toEqual([])
  })

  it('leave nothing when they are killed, rejected, or the server closes', async () => {
    const [killed, left] = [await cloneSpec(), await cloneSpec()]
    await world.runtime.prepare(killed, captured.memory)
    await world.runtime.kill(killed.id)
    await expect.poll(ofSandboxes).toEqual([])

    const nowhere = { ...killed, id: newId<IncarnationId>(), rootPath: '/no/such/root' }
    await expect(world.runtime.prepare(nowhere, null)).rejects.toMatchObject({ context: { step: 'create' } })
    expect(ofSandboxes()).toEqual([])

    await world.runtime.prepare(left, captured.memory)
    await world.reopen()
    expect(await world.runtime.list()).toEqual([])
    expect(ofSandboxes()).toEqual([])
  })
})
