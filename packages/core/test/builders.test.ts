import { beforeEach, describe, expect, it } from 'vitest'
import type { Core, RecipeSource, UsageRow } from '../src/index.ts'
import { World } from './world.ts'

let world: World
let core: Core
beforeEach(async () => {
  world = new World()
  core = await world.server()
  return () => core.close()
})

let names = 0
async function build(...commands: string[]): Promise<unknown> {
  names += 1
  const steps = commands.map((command) => ({ type: 'run' as const, command }))
  const source: RecipeSource = { type: 'recipe', from: 'base', steps }
  return (await core.images.build(world.by, { name: `built-${names}`, source })).done
}

function rows(): Promise<UsageRow[]> {
  const from = new Date(Date.now() - 3_600_000)
  return core.usage.rows(world.by, { from, to: new Date(Date.now() + 3_600_000), by: ['sandbox'] })
}

const lasting = () =>
  [...world.host.ledger.committed.usage.values()].filter(
    ({ interval }) => interval.kind === 'incarnation' && interval.endedAt === null,
  )

describe('a sandbox that builds an image', () => {
  it.each(['true', 'exit 3'])('is charged until it ends: %s', async (command) => {
    await build('sleep 0.05', command).catch(() => {}) // the second fails
    const [row, ...more] = await rows()
    expect(more).toEqual([])
    expect(row?.sandboxSeconds).toBeGreaterThan(0)
    expect(row?.cpuSeconds).toBeCloseTo((row?.sandboxSeconds ?? 0) * core.limits.resources.cpus, 6)
    expect(lasting()).toEqual([])
  })

  it('is not charged any more once a server that died is back, wherever that was', { timeout: 60_000 }, async () => {
    const { faults } = world.host
    for (let call = 1, over = false; !over; call += 1) {
      const { life } = faults
      faults.crashCall(faults.log.length + call, 'after')
      await build(`echo ${call}`).catch(() => {}) // cut off
      await faults.quiet()
      over = faults.life === life
      faults.reset()
      if (!over) core = await world.server()
      expect(lasting(), `call ${call}`).toEqual([])
      expect((await core.keys.team(world.by)).used.sandboxes, `call ${call}`).toBe(0)
    }
    const { items } = await core.images.list(world.by, { states: ['ready'] }, { limit: 500 })
    expect(items.length).toBeGreaterThan(1)
  })
})
