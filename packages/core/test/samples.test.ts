import { describe, expect, it } from 'vitest'
import type { Core, IncarnationId, Sandbox } from '../src/index.ts'
import { SampleRing } from '../src/services/sample-ring.ts'
import { World } from './world.ts'

async function begin() {
  const world = new World()
  const core = await world.server({ fakeTime: true })
  const sandbox = await world.sandbox(core)
  const start = world.clock.now().getTime()
  const seen = async (range: { from?: Date; to?: Date } = {}) =>
    (await core.sandboxes.metrics(world.by, sandbox.id, range)).map((sample) => ({
      ...sample,
      at: (sample.at.getTime() - start) / 1000,
    }))
  /** So many seconds, sampled on the way. */
  const pass = async (seconds: number) => {
    for (let passed = 0; passed < seconds; passed += 5) {
      world.clock.advance(5_000)
      await world.host.faults.quiet()
    }
  }
  const work = (cpuMs: number) => spend(world, sandbox, cpuMs)
  return { world, core, sandbox, start, seen, pass, work, [Symbol.asyncDispose]: () => core.close() }
}

/** Lets the incarnation have used so much more processor time. */
function spend(world: World, sandbox: Sandbox, cpuMs: number): void {
  const machine = world.host.incarnations.get(sandbox.incarnationId as IncarnationId)?.machine
  if (machine === undefined) throw new Error('it does not run')
  machine.spend(cpuMs)
}

describe('metrics', () => {
  it('are taken every 5 s, and say what was used since the time before', async () => {
    await using it = await begin()
    await it.pass(5)
    it.work(2_500)
    await it.pass(5)
    it.work(10_000)
    await it.pass(10)
    const { memoryBytes, diskBytes } = it.sandbox.resources
    expect(await it.seen()).toMatchObject([
      { at: 5, cpus: 1, memoryTotalBytes: memoryBytes, diskTotalBytes: diskBytes, memoryUsedBytes: 16 * 2 ** 20 },
      { at: 10, cpuUsedPercent: 50, memoryCacheBytes: 4 * 2 ** 20 },
      { at: 15, cpuUsedPercent: 100 },
      { at: 20, cpuUsedPercent: 0 },
    ])
  })

  it('are taken on demand if there are none yet', async () => {
    await using it = await begin()
    it.world.clock.advance(2_000)
    it.work(500)
    const [only, ...more] = await it.seen()
    expect(more).toEqual([])
    expect(only).toMatchObject({ at: 2 })
    expect(only?.cpuUsedPercent).toBeGreaterThanOrEqual(25)
    expect(await it.seen()).toEqual([only])
  })

  it('are of the range that is asked for, both ends included', async () => {
    await using it = await begin()
    await it.pass(30)
    const at = (seconds: number) => new Date(it.start + seconds * 1000)
    const seconds = async (range: { from?: Date; to?: Date }) => (await it.seen(range)).map((sample) => sample.at)
    expect(await seconds({ from: at(10), to: at(20) })).toEqual([10, 15, 20])
    expect(await seconds({ from: at(21) })).toEqual([25, 30])
    expect(await seconds({ to: at(9) })).toEqual([5])
    expect(await seconds({ from: at(31) })).toEqual([])
    for (const range of [{ from: at(2), to: at(1) }, { from: new Date(Number.NaN) }])
      await expect(it.seen(range)).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('are kept for an hour', async () => {
    await using it = await begin()
    await it.pass(3_700)
    const samples = await it.seen()
    expect(samples.at(-1)?.at).toBe(3_700)
    expect(samples[0]?.at).toBe(105)
    expect(samples).toHaveLength(720)
  })

  it('stand still while the sandbox rests, count anew with the next life, and end with it', async () => {
    await using it = await begin()
    it.work(4_000)
    await it.pass(5)
    await (await it.core.sandboxes.stop(it.world.by, it.sandbox.id)).done
    it.world.host.faults.reset()
    await it.pass(10)
    expect(it.world.host.faults.log).toEqual([])
    const started = await (await it.core.sandboxes.start(it.world.by, it.sandbox.id)).done
    spend(it.world, started, 1_000)
    await it.pass(5)
    const samples = await it.seen()
    expect(samples.map((sample) => sample.at)).toEqual([5, 20])
    expect(samples[1]?.cpuUsedPercent).toBeGreaterThanOrEqual(20)
    expect(samples[1]?.cpuUsedPercent).toBeLessThan(40)
    await it.core.sandboxes.kill(it.world.by, it.sandbox.id)
    expect(await it.seen()).toEqual([])
  })

  it('ask nothing of the inside', async () => {
    await using it = await begin()
    it.world.host.faults.reset()
    await it.pass(10)
    const steps = new Set(it.world.host.faults.log.map((call) => call.step))
    expect([...steps].sort()).toEqual(['pool.rootUsage', 'runtime.usage'])
  })

  it('go on for the others when one cannot be looked at', async () => {
    await using it = await begin()
    const other = await it.world.sandbox(it.core)
    it.world.host.faults.failNext('runtime.usage')
    await it.pass(10)
    const lengths = [(await it.seen()).length, (await it.core.sandboxes.metrics(it.world.by, other.id, {})).length]
    expect(lengths.sort()).toEqual([1, 2])
  })

  it('stop with the server', async () => {
    const { world, core } = await begin()
    await core.close()
    world.host.faults.reset()
    world.clock.advance(60_000)
    await world.host.faults.quiet()
    expect(world.host.faults.log).toEqual([])
  })

  it('are the team\u2019s alone', async () => {
    await using it = await begin()
    const stranger = { teamId: 'f'.repeat(24) as never, keyId: null }
    await expect((it.core as Core).sandboxes.metrics(stranger, it.sandbox.id, {})).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})

describe('a ring of samples', () => {
  it('keeps the newest, in order, however many there were', () => {
    for (const count of [0, 1, 15, 16, 17, 33, 99, 100, 101, 250]) {
      const ring = new SampleRing(100)
      const all = Array.from({ length: count }, (_, n) => ({
        atMs: n + 1,
        cpuUsedPercent: n / 7,
        memoryUsedBytes: n * 2 ** 40,
        memoryCacheBytes: n,
        diskUsedBytes: -n,
      }))
      for (const sample of all) ring.add(sample)
      expect([...ring]).toEqual(all.slice(-100))
      expect(ring.newestMs).toBe(count)
    }
  })
})
