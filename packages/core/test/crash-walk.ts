import { describe, expect, it } from 'vitest'
import type { Core, Sandbox, Snapshot } from '../src/index.ts'
import { World } from './world.ts'

/** Each operation, as a caller meets it. `prepare` is not subject to faults. */
export interface Scenario {
  name: string
  prepare?(world: World, core: Core, origin: Sandbox, point: Snapshot): Promise<void>
  run(world: World, core: Core, origin: Sandbox, point: Snapshot): Promise<unknown>
  /** States the origin may be in after the server has come back */
  after: string[]
  /** Whoever asked for it is told that what is recorded has not come about; it does a while later, or at the next start */
  follows?: true
  /** What else holds then */
  and?(world: World, core: Core): Promise<void>
}

const UNDOING = [
  'runtime.kill',
  'pool.deleteRoot',
  'pool.deleteSnapshot',
  'pool.deleteImage',
  'runtime.resume',
  'guest.release',
  'ledger.commit',
]

async function begin(scenario: Scenario) {
  const world = new World()
  const core = await world.server()
  const origin = await world.sandbox(core)
  await world.startCounter(core, origin)
  const point = await (await core.snapshots.create(world.by, origin.id, { kind: 'memory' })).done
  await scenario.prepare?.(world, core, origin, point)
  await core.idle()
  world.host.faults.reset()
  return { world, core, origin, point }
}

/** How many calls of ports the operation makes when nothing goes wrong. */
async function callsOf(scenario: Scenario): Promise<string[]> {
  const { world, core, origin, point } = await begin(scenario)
  await scenario.run(world, core, origin, point)
  await core.idle()
  return world.host.faults.log.map((call) => call.step)
}

/** The records agree with reality, and the origin is what it was or what was asked. */
async function check(scenario: Scenario, world: World, origin: Sandbox, fault: string): Promise<void> {
  await using core = await world.server()
  expect(await world.disagreements(core), `${scenario.name}, ${fault}`).toEqual([])
  const now = await core.sandboxes.get(world.by, origin.id)
  expect(scenario.after, `${scenario.name}, ${fault}`).toContain(now.state)
  if (now.state === 'running')
    expect(await world.ask(core, now).catch((error) => error.code)).toMatch(/first|process_not_found/)
  if (now.state === 'paused') {
    const resumed = await (await core.sandboxes.resume(world.by, origin.id)).done
    expect(await world.ask(core, resumed)).toBe('first')
  }
  await scenario.and?.(world, core)
}

/**
 * Lets the server die at every call that each of these makes of a port, and every call fail; compares records with reality.
 */
export function walk(scenarios: Scenario[]): void {
  describe.each(scenarios)('$name', walked)
}

function walked(scenario: Scenario): void {
  it('leaves nothing behind when the server dies at any call, before, in or after it', async () => {
    const calls = await callsOf(scenario)
    expect(calls.length).toBeGreaterThan(2)
    for (const [index, step] of calls.entries()) {
      for (const when of ['before', 'during', 'after'] as const) {
        const { world, core, origin, point } = await begin(scenario)
        world.host.faults.crashCall(index, when)
        await scenario.run(world, core, origin, point).catch(() => {}) // its server is dead
        await core.idle()
        if (!world.host.faults.log.some((call) => call.index === index)) continue
        world.host.faults.crash()
        await check(scenario, world, origin, `died ${when} call ${index} (${step})`)
      }
    }
  })

  it('leaves nothing behind when any call fails', async () => {
    const calls = await callsOf(scenario)
    for (const index of calls.keys()) {
      const { world, core, origin, point } = await begin(scenario)
      world.host.faults.failCall(index)
      await scenario.run(world, core, origin, point).catch(() => {}) // whether it fails is the operation's affair
      await core.idle()
      // Not that of the run before: what a build says of itself is written as it comes, so that calls change places.
      const step = world.host.faults.log[index]?.step ?? 'none'
      // Undone at once, by the server that met the failure; only a step that undoes may be left to the next start.
      if (!UNDOING.includes(step) && scenario.follows !== true) {
        expect(await world.disagreements(core), `${scenario.name}, failed call ${index} (${step})`).toEqual([])
      }
      world.host.faults.crash()
      await check(scenario, world, origin, `failed call ${index} (${step})`)
    }
  })

  it('leaves nothing behind for the start after one at which a call fails', async () => {
    const index = (await callsOf(scenario)).length - 1
    for (let recoveryCall = 0; recoveryCall < 40; recoveryCall += 1) {
      const { world, core, origin, point } = await begin(scenario)
      world.host.faults.crashCall(index, 'before')
      await scenario.run(world, core, origin, point).catch(() => {}) // its server is dead
      await core.idle()
      world.host.faults.crash()
      world.host.faults.reset()
      world.host.faults.failCall(recoveryCall)
      const second = await world.server().catch(() => null) // it may need what has failed
      await second?.idle()
      // Settling took fewer calls than that: all have been tried.
      if (world.host.faults.log.length <= recoveryCall) break
      world.host.faults.crash()
      world.host.faults.reset()
      await check(scenario, world, origin, `failed recovery call ${recoveryCall}`)
    }
  })

  it('is settled again when the server dies while settling', async () => {
    const calls = await callsOf(scenario)
    const index = Math.floor(calls.length / 2)
    for (let recoveryCall = 0; recoveryCall < 40; recoveryCall += 1) {
      const { world, core, origin, point } = await begin(scenario)
      world.host.faults.crashCall(index, 'after')
      await scenario.run(world, core, origin, point).catch(() => {}) // its server is dead
      await core.idle()
      world.host.faults.crash()
      world.host.faults.reset()
      world.host.faults.crashCall(recoveryCall, 'after')
      const second = await world.server().catch(() => null)
      if (second !== null) {
        // Settling took fewer calls than that: all have been tried.
        await second.idle()
        break
      }
      world.host.faults.reset()
      await check(scenario, world, origin, `died at recovery call ${recoveryCall}`)
    }
  })
}
