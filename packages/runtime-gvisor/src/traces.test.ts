import { newId, type RootId, type SnapshotId } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { isAlive } from './host-process.ts'
import { RUNSCS } from './testing/test-host.ts'
import { tracesOf } from './testing/traces.ts'
import { sh, World } from './testing/world.ts'

describe.each(RUNSCS)('after kill and close with %s', (runsc) => {
  it('nothing is left on the host, whatever the sandboxes were doing', async () => {
    await using world = await World.open(runsc, { readySlots: 2 })
    const server = world.serverIndex
    expect(tracesOf(server, world.stateDir).length).toBeGreaterThan(10)

    const [idle, busy, paused, crashed] = await Promise.all([world.boot(), world.boot(), world.boot(), world.boot()])
    await sh(busy.guest, 'for i in 1 2 3; do (while :; do echo >> /root/log; done) & done >/dev/null 2>&1')
    await sh(busy.guest, 'mkdir /tmp/m; setsid sleep 1000 >/dev/null 2>&1 & echo >&2')
    const captured = await world.capture(idle)
    const spawned = await world.spawn(captured)
    await world.runtime.pause(paused.id)
    world.crash(crashed.id)
    await expect.poll(() => world.exits).toMatchObject([{ id: crashed.id, reason: 'runtime_exited' }])

    for (const { id } of [idle, busy, paused, spawned]) {
      const { processes } = world.record(id)
      expect(processes.filter(isAlive)).toHaveLength(2)
      await world.runtime.kill(id)
      expect(processes.filter(isAlive)).toEqual([])
    }
    await world.runtime.close()
    expect(tracesOf(server, world.stateDir)).toEqual([])
    expect(world.problems).toEqual([])
  })

  it('nothing is left of starts and restores that cannot succeed', async () => {
    await using world = await World.open(runsc, { readySlots: 1 })
    const before = tracesOf(world.serverIndex, world.stateDir)
    const missing = world.spec(newId<RootId>(), { rootPath: '/no/such/root' })
    await expect(world.runtime.start(missing)).rejects.toMatchObject({
      code: 'runtime_failed',
      context: { step: 'run' },
    })

    const box = await world.boot()
    const captured = await world.capture(box)
    await world.runtime.kill(box.id)
    const id = newId<SnapshotId>()
    const { memoryDir } = await world.pool.stageSnapshot(id)
    const broken = { ...captured, memory: { ...captured.memory, dir: memoryDir } }
    await expect(world.spawn(broken)).rejects.toMatchObject({ code: 'runtime_failed' })

    const badPolicy = { internet: true, allow: ['nonsense'], deny: [], allowDomains: [], precedence: 'deny' as const }
    await expect(world.boot({ network: badPolicy })).rejects.toMatchObject({ code: 'invalid_argument' })

    expect(await world.runtime.list()).toEqual([])
    await expect
      .poll(() => tracesOf(world.serverIndex, world.stateDir).filter(isOfSandbox))
      .toEqual(before.filter(isOfSandbox))
  })
})

/** Ready slots and pipes come and go. */
function isOfSandbox(trace: string): boolean {
  return !/pipes|^sp\d|netns/.test(trace)
}
