import type { Core, TimeoutPolicy } from '../src/index.ts'
import { World } from './world.ts'

/** Lets what a timer set off come to its end. */
export async function settled(core: Core): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve))
    await core.idle()
  }
}

export async function begin(timeout: Partial<TimeoutPolicy>, world = new World()) {
  const core = await world.server({ fakeTime: true })
  const sandbox = await (await core.sandboxes.create(world.by, { image: 'base', timeout })).done
  const now = () => core.sandboxes.get(world.by, sandbox.id)
  const pass = async (ms: number) => {
    world.clock.advance(ms)
    await settled(core)
  }
  const transit = async (verb: 'pause' | 'resume' | 'stop' | 'start') =>
    (await core.sandboxes[verb](world.by, sandbox.id)).done
  return { world, core, sandbox, now, pass, transit, [Symbol.asyncDispose]: () => core.close() }
}
