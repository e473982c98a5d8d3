import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { newId, type SnapshotId } from '@spawnpoint/core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Fault, FaultyRunsc } from './testing/faulty-runsc.ts'
import { RUNSCS } from './testing/test-host.ts'
import { tracesOf } from './testing/traces.ts'
import { type Box, sh, World } from './testing/world.ts'

const FAULTS: Fault[] = ['hang', 'hang-after', 'die', 'die-after', 'fail', 'lie']

describe.each(RUNSCS)('a faulty %s', (real) => {
  const dir = mkdtempSync(`${tmpdir()}/spawnpoint-faulty-`)
  const faulty = new FaultyRunsc(dir, real)
  let world: World
  let captured: Awaited<ReturnType<World['capture']>>
  beforeAll(async () => {
    // Limits that a healthy runsc keeps on a busy machine, and a hanging one does not.
    const timeouts = { launchMs: 2_500, controlMs: 1_500 }
    world = await World.open(faulty.path, { cacheDir: `${dir}/cache`, timeouts, readySlots: 1, byCommandsOnly: true })
    const box = await world.boot()
    await sh(box.guest, 'echo memory > /tmp/kept')
    captured = await world.capture(box)
    await world.runtime.kill(box.id)
  }, 60_000)
  afterEach(() => faulty.clear())
  afterAll(async () => {
    faulty.clear()
    await world[Symbol.asyncDispose]()
    rmSync(dir, { recursive: true })
  }, 60_000)

  const ofSandboxes = () =>
    tracesOf(world.serverIndex, world.stateDir).filter((trace) => /^process|[0-9a-f]{24}/.test(trace))

  describe.each(['run', 'restore'])('%s', (step) => {
    it.each(FAULTS)('that does this: %s, fails with its step named and leaves nothing', async (fault) => {
      faulty.set(step, fault)
      const started = step === 'run' ? world.boot() : world.spawn(captured)
      await expect(started).rejects.toMatchObject({
        code: 'runtime_failed',
        context: { step: fault === 'lie' ? 'run' : step, detail: expect.stringMatching(words(fault)) },
      })
      expect(await world.runtime.list()).toEqual([])
      expect(ofSandboxes()).toEqual([])
      expect(faulty.children()).toEqual([])
    })
  })

  // A lie comes to light when the agent has been waited for.
  it.each(FAULTS.filter((fault) => fault !== 'lie'))(
    'restore into what was prepared that does this: %s, fails in the same way',
    async (fault) => {
      const spec = world.spec(await world.root({ from: 'snapshot', id: captured.id }))
      faulty.set('restore', fault)
      await world.runtime.prepare(spec, captured.memory)
      await expect(world.runtime.restore(spec, captured.memory)).rejects.toMatchObject({
        code: 'runtime_failed',
        context: { step: 'restore', detail: expect.stringMatching(words(fault)) },
      })
      expect(await world.runtime.list()).toEqual([])
      expect(ofSandboxes()).toEqual([])
      expect(faulty.children()).toEqual([])
    },
  )

  describe('control calls', () => {
    let box: Box
    beforeAll(async () => {
      box = await world.spawn(captured)
    })
    const alive = async () => expect(await sh(box.guest, 'cat /tmp/kept')).toBe('0 memory')
    const faultsOf = (step: string) => (fault: Fault) => faulty.set(step, fault)

    it.each(['hang', 'die', 'fail'] as const)(
      'pause that does this: %s, fails and the sandbox goes on',
      async (fault) => {
        faultsOf('pause')(fault)
        await expect(world.runtime.pause(box.id)).rejects.toMatchObject({
          code: 'runtime_failed',
          context: { step: 'pause', detail: expect.stringMatching(words(fault)) },
        })
        expect(await world.runtime.list()).toEqual([{ id: box.id, paused: false }])
        await alive()
      },
    )

    it.each(['hang-after', 'die-after'] as const)('pause that did it all the same (%s) counts', async (fault) => {
      faultsOf('pause')(fault)
      await world.runtime.pause(box.id)
      expect(await world.runtime.list()).toEqual([{ id: box.id, paused: true }])
      faultsOf('resume')(fault)
      await world.runtime.resume(box.id)
      expect(await world.runtime.list()).toEqual([{ id: box.id, paused: false }])
      await alive()
    })

    it.each(['hang', 'die', 'fail'] as const)('resume that does this: %s, can be repeated', async (fault) => {
      await world.runtime.pause(box.id)
      faultsOf('resume')(fault)
      await expect(world.runtime.resume(box.id)).rejects.toMatchObject({ code: 'runtime_failed' })
      expect(await world.runtime.list()).toEqual([{ id: box.id, paused: true }])
      expect(faulty.children()).toEqual([])
      faulty.clear()
      await world.runtime.resume(box.id)
      await alive()
    })

    it.each([
      ...FAULTS.map((fault) => ({ fault, expected: false })),
      ...(['hang', 'die-after', 'fail'] as const).map((fault) => ({ fault, expected: true })),
    ])(
      'checkpoint that does this: $fault (expected: $expected), fails and leaves the sandbox paused',
      async ({ fault, expected }) => {
        faultsOf('checkpoint')(fault)
        const { memoryDir } = await world.pool.stageSnapshot(newId<SnapshotId>())
        await using _expected = expected ? await world.runtime.expectCheckpoint(box.id, memoryDir) : null
        await box.guest.hold({ hooks: false, hookTimeoutMs: 1000, sync: true, findCulprits: false })
        await world.runtime.pause(box.id)
        await expect(world.runtime.checkpoint(box.id, memoryDir)).rejects.toMatchObject({
          code: 'runtime_failed',
          context: { step: 'checkpoint', detail: expect.stringMatching(words(fault)) },
        })
        expect(await world.runtime.list()).toEqual([{ id: box.id, paused: true }])
        faulty.clear()
        await world.runtime.resume(box.id)
        await box.guest.release()
        await alive()
      },
    )

    it('kill needs no runsc, and cuts off a call that hangs', async () => {
      faultsOf('pause')('hang')
      const pausing = world.runtime.pause(box.id).catch((error: unknown) => error)
      await world.runtime.kill(box.id)
      // By the kill: a call that has taken too long fails otherwise.
      expect(await pausing).toMatchObject({ code: 'stale_incarnation' })
      await expect.poll(() => faulty.children()).toEqual([])
    })
  })

  it('start that hangs is cut off by kill', async () => {
    faulty.set('run', 'hang')
    const spec = world.spec(await world.root())
    const starting = world.runtime.start(spec).catch((error: unknown) => error)
    await expect.poll(() => ofSandboxes().some((trace) => trace.startsWith('process'))).toBe(true)
    await world.runtime.kill(spec.id)
    expect(await starting).toMatchObject({ code: 'stale_incarnation' })
    expect(ofSandboxes()).toEqual([])
    expect(faulty.children()).toEqual([])
  })
})

describe('what is not runsc', () => {
  it.each([
    ['/no/such/runsc', 'cannot be read'],
    ['/bin/true', 'says nothing'],
    ['/bin/ls', 'too old'],
  ])('%s is refused at open, saying why', async (path, why) => {
    const opening = World.open(path)
    await expect(opening).rejects.toMatchObject({
      code: 'unavailable',
      context: { reason: expect.stringContaining(why) },
    })
  })
})

function words(fault: Fault): RegExp {
  if (fault.startsWith('hang')) return /no answer within/
  if (fault.startsWith('die')) return /ended by SIGKILL|exited with 137/
  return fault === 'fail' ? /made to fail/ : /reports success/
}
