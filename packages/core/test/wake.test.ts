import { describe, expect, it } from 'vitest'
import type { SandboxState } from '../src/index.ts'
import { begin } from './policy-world.ts'

describe('autoResume', () => {
  it.each([
    ['pause', 'first'],
    ['stop', 'process_not_found'],
  ] as const)('a use brings it back after a %s', async (verb, answer) => {
    await using it = await begin({ autoResume: true })
    await it.world.startCounter(it.core, it.sandbox)
    await it.transit(verb)
    expect(await it.world.ask(it.core, it.sandbox).catch((error) => error.code)).toBe(answer)
    expect(await it.now()).toMatchObject({ state: 'running', haltedAt: null })
    expect(await it.world.disagreements(it.core)).toEqual([])
  })

  it('counts the timeout anew', async () => {
    await using it = await begin({ timeoutMs: 60_000, onTimeout: 'pause', autoResume: true })
    await it.pass(60_000)
    expect((await it.now()).state).toBe('paused')
    await it.pass(1_000_000)
    await it.core.sandboxes.guest(it.world.by, it.sandbox.id)
    expect((await it.now()).expiresAt).toEqual(new Date(it.world.clock.now().getTime() + 60_000))
    await it.pass(59_999)
    expect((await it.now()).state).toBe('running')
    await it.pass(1)
    expect((await it.now()).state).toBe('paused')
  })

  it('of many users one wakes it, and all get in', async () => {
    await using it = await begin({ autoResume: true })
    await it.world.startCounter(it.core, it.sandbox)
    await it.transit('pause')
    it.world.host.faults.reset()
    const asked = await Promise.all(
      Array.from({ length: 8 }, () => it.core.sandboxes.guest(it.world.by, it.sandbox.id)),
    )
    expect(new Set(asked.map(({ sandbox }) => sandbox.incarnationId)).size).toBe(1)
    expect(it.world.host.faults.log.filter((call) => call.step === 'runtime.restore')).toHaveLength(1)
    expect(await it.world.disagreements(it.core)).toEqual([])
  })

  it.each([
    ['pause', 'runtime.checkpoint'],
    ['stop', 'guest.shutdown'],
  ] as const)('a use during a %s waits for its end, then wakes it', async (verb, step) => {
    await using it = await begin({ autoResume: true })
    const held = it.world.host.faults.hang(step)
    const resting = await it.core.sandboxes[verb](it.world.by, it.sandbox.id)
    await held.reached
    const use = it.core.sandboxes.guest(it.world.by, it.sandbox.id)
    await it.world.host.faults.quiet()
    held.release()
    const [rested, used] = await Promise.all([resting.done, use])
    expect(rested.incarnationId).toBeNull()
    expect(used.sandbox.incarnationId).not.toBe(it.sandbox.incarnationId)
    expect((await it.now()).state).toBe('running')
  })

  it('a use during a pause that fails gets the sandbox as it runs on', async () => {
    await using it = await begin({ autoResume: true })
    it.world.host.faults.failNext('runtime.checkpoint')
    const held = it.world.host.faults.hang('guest.hold')
    const pause = await it.core.sandboxes.pause(it.world.by, it.sandbox.id)
    await held.reached
    const use = it.core.sandboxes.guest(it.world.by, it.sandbox.id)
    held.release()
    await expect(pause.done).rejects.toThrow()
    expect((await use).sandbox.incarnationId).toBe(it.sandbox.incarnationId)
  })

  it('a waking that fails gives each of its users the error, and the next one tries again', async () => {
    await using it = await begin({ autoResume: true })
    await it.transit('pause')
    const held = it.world.host.faults.hang('pool.createRoot')
    it.world.host.faults.failNext('runtime.restore')
    const uses = [1, 2].map(() => it.core.sandboxes.guest(it.world.by, it.sandbox.id))
    const outcomes = Promise.allSettled(uses)
    await held.reached
    await it.world.host.faults.quiet()
    held.release()
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'runtime_failed' } })
    expect((await it.now()).state).toBe('paused')
    expect((await it.core.sandboxes.guest(it.world.by, it.sandbox.id)).sandbox.state).toBe('running')
    expect(await it.world.disagreements(it.core)).toEqual([])
  })

  it('an open stream wakes what rests, but nothing that is about to', async () => {
    await using it = await begin({ autoResume: true })
    const held = it.world.host.faults.hang('runtime.checkpoint')
    const pause = await it.core.sandboxes.pause(it.world.by, it.sandbox.id)
    await held.reached
    using _ = await it.core.sandboxes.keepActive(it.world.by, it.sandbox.id)
    held.release()
    await pause.done
    expect((await it.now()).state).toBe('paused')
    using __ = await it.core.sandboxes.keepActive(it.world.by, it.sandbox.id)
    expect((await it.now()).state).toBe('running')
  })

  it('is not what a look at a sandbox is', async () => {
    await using it = await begin({ autoResume: true })
    await it.transit('pause')
    const { sandboxes } = it.core
    await sandboxes.usage(it.world.by, it.sandbox.id)
    await sandboxes.metrics(it.world.by, it.sandbox.id, {})
    await sandboxes.reach(it.sandbox.id)
    await expect(sandboxes.fork(it.world.by, it.sandbox.id, { count: 1, mode: 'best_effort' })).rejects.toMatchObject({
      code: 'wrong_state',
    })
    expect((await it.now()).state).toBe('paused')
  })

  it('does not wake without it, nor what has failed', async () => {
    for (const [autoResume, bring] of [
      [false, 'paused'],
      [true, 'failed'],
    ] as const satisfies [boolean, SandboxState][]) {
      await using it = await begin({ autoResume })
      if (bring === 'paused') await it.transit('pause')
      else it.world.host.crashIncarnation(it.sandbox.incarnationId as never)
      await expect.poll(async () => (await it.now()).state).toBe(bring)
      await expect(it.core.sandboxes.guest(it.world.by, it.sandbox.id)).rejects.toMatchObject({
        code: 'wrong_state',
        context: { state: bring },
      })
    }
  })

  it('leaves its users to the next server when this one dies while waking', async () => {
    const first = await begin({ autoResume: true })
    await first.transit('pause')
    first.world.host.faults.crashAt('runtime.restore', 'during')
    await expect(first.core.sandboxes.guest(first.world.by, first.sandbox.id)).rejects.toThrow()
    await using core = await first.world.server()
    expect(await first.world.disagreements(core)).toEqual([])
    expect((await core.sandboxes.guest(first.world.by, first.sandbox.id)).sandbox.state).toBe('running')
  })
})
