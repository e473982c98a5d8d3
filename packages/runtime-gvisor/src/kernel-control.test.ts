import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { incarnationPaths, readRecord, writePaused } from './incarnation-record.ts'
import { standsStill } from './kernel-control.ts'
import { ControlStandIn } from './testing/control-stand-in.ts'
import { RUNSCS } from './testing/test-host.ts'
import { type Box, sh, World } from './testing/world.ts'

describe.each(RUNSCS)('orders to kernels of %s', (runsc) => {
  let world: World
  let box: Box
  let control: ControlStandIn
  beforeAll(async () => {
    // A limit that a healthy kernel keeps on a busy machine.
    world = await World.open(runsc, { readySlots: 1, timeouts: { controlMs: 1_500 } })
    box = await world.boot()
    const path = world.record(box.id).controlSocket
    if (path === undefined) throw new Error('it is not given orders')
    control = await ControlStandIn.at(path)
  }, 60_000)
  afterEach(() => control.clear())
  afterAll(async () => {
    await control?.[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  }, 60_000)

  const paused = async () => (await world.runtime.list()).map((each) => each.paused)
  const alive = async () => expect(await sh(box.guest, 'echo alive')).toBe('0 alive')
  const beats = async () => Number((await sh(box.guest, 'cat /tmp/beats')).slice(2))

  it('make it stand still and go on', async () => {
    const { info } = await box.guest.processes.startAndFollow({
      args: ['/bin/bash', '-c', 'i=0; while :; do i=$((i+1)); echo $i > /tmp/beats; sleep 0.01; done'],
      env: {},
      stdin: false,
    })
    await expect.poll(() => sh(box.guest, 'test -s /tmp/beats; echo $?')).toBe('0 0')
    const from = performance.now()
    const before = await beats()
    await world.runtime.pause(box.id)
    await world.runtime.pause(box.id)
    expect(await paused()).toEqual([true])
    const stopped = performance.now()
    await new Promise((resolve) => setTimeout(resolve, 500))
    const stoodMs = performance.now() - stopped
    await world.runtime.resume(box.id)
    await world.runtime.resume(box.id)
    expect(await paused()).toEqual([false])
    const rounds = (await beats()) - before
    // A round takes 10 ms at least, however busy the machine is.
    expect(rounds).toBeLessThanOrEqual((performance.now() - from - stoodMs) / 10 + 2)
    await box.guest.processes.signal(info.id, 'SIGKILL', true)
  })

  it.each([
    ['die', /closed without an answer/],
    ['fail', /made to fail/],
    ['babble', /closed without an answer/],
  ] as const)('that meet one that does this: %s, fail and change nothing', async (fault, words) => {
    control.set('Pause', fault)
    const failure = { code: 'runtime_failed', context: { step: 'pause', detail: expect.stringMatching(words) } }
    await expect(world.runtime.pause(box.id)).rejects.toMatchObject(failure)
    expect(await paused()).toEqual([false])
    await alive()
    control.clear()
    await world.runtime.pause(box.id)
    control.set('Resume', fault)
    await expect(world.runtime.resume(box.id)).rejects.toMatchObject({ code: 'runtime_failed' })
    expect(await paused()).toEqual([true])
    control.clear()
    await world.runtime.resume(box.id)
    await alive()
  })

  it('that were carried out though their answer was lost, count', async () => {
    control.set('Pause', 'die-after')
    await world.runtime.pause(box.id)
    expect(await paused()).toEqual([true])
    control.set('Resume', 'die-after')
    await world.runtime.resume(box.id)
    expect(await paused()).toEqual([false])
    await alive()
  })

  it.each(['hang', 'hang-after'] as const)('are not given again while one has no answer (%s)', async (fault) => {
    control.set('Pause', fault)
    const late = {
      code: 'runtime_failed',
      context: { step: 'pause', detail: expect.stringMatching(/no answer within/) },
    }
    await expect(world.runtime.pause(box.id)).rejects.toMatchObject(late)
    await expect(world.runtime.resume(box.id)).rejects.toMatchObject({ code: 'runtime_failed' })
    control.clear()
    await world.runtime.resume(box.id)
    expect(await paused()).toEqual([false])
    await alive()

    await world.runtime.pause(box.id)
    control.set('Resume', fault)
    await expect(world.runtime.resume(box.id)).rejects.toMatchObject({ code: 'runtime_failed' })
    control.clear()
    await world.runtime.resume(box.id)
    expect(await paused()).toEqual([false])
    await alive()
  })

  it('whose outcome nobody knows are asked about, and not repeated before', async () => {
    for (const state of [true, false]) {
      if (state) await world.runtime.pause(box.id)
      await world.runtime.close()
      writePaused(incarnationPaths(world.stateDir, box.id), 'unknown')
      control.set('Stacks', 'fail')
      await world.runtime.open()
      await expect(world.runtime.resume(box.id)).rejects.toMatchObject({ context: { step: 'state' } })
      control.clear()
      await world.runtime.resume(box.id)
      expect(await paused()).toEqual([false])
      box = { ...box, guest: await world.runtime.attach(box.id) }
      await alive()
    }
  })

  it('are cut off by kill', async () => {
    control.set('Pause', 'hang')
    const pausing = world.runtime.pause(box.id).catch((error: unknown) => error)
    await world.runtime.kill(box.id)
    expect(await pausing).toMatchObject({ code: 'stale_incarnation' })
  })
})

describe.each(RUNSCS)('where the control socket is too far away, %s', (runsc) => {
  const dir = mkdtempSync(`${tmpdir()}/spawnpoint-far-${'a'.repeat(80)}-`)
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  it('is paused and resumed by its commands', async () => {
    await using world = await World.open(runsc, { stateDir: dir, readySlots: 1 })
    const box = await world.boot()
    const record = readRecord(incarnationPaths(dir, box.id))
    expect(record?.id).toBe(box.id)
    expect(record?.controlSocket).toBeUndefined()
    await world.runtime.pause(box.id)
    expect(await world.runtime.list()).toEqual([{ id: box.id, paused: true }])
    await world.runtime.resume(box.id)
    expect(await sh(box.guest, 'echo alive')).toBe('0 alive')
  })
})

describe('standsStill', () => {
  const task = (at: string) =>
    `goroutine 7 [select]:\npkg/sentry/kernel.(*Task).${at}(0x1)\n\tx.go:1\npkg/sentry/kernel.(*Task).run(0x1)`
  it('wants every task to be stopped, and some task', () => {
    expect(standsStill([task('doStop'), 'goroutine 1 [running]:\nmain.main()', task('doStop')].join('\n\n'))).toBe(true)
    expect(standsStill([task('doStop'), task('block')].join('\n\n'))).toBe(false)
    expect(standsStill('goroutine 1 [running]:\nmain.main()')).toBe(null)
  })
})
