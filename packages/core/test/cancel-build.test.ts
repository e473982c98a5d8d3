import { describe, expect, it } from 'vitest'
import { BUILD_CANCELLED, type BuildImageRequest, type Image } from '../src/index.ts'
import { World } from './world.ts'

async function begin() {
  const world = new World()
  const core = await world.server()
  const start = (source: BuildImageRequest['source']) => core.images.build(world.by, { name: 'built', source })
  const cancel = ({ id }: Image) => core.images.cancel(world.by, id)
  /** Once this has been printed, the step that prints it runs. */
  const printed = async ({ id }: Image, text: string) => {
    const said = async () =>
      (await core.images.log(world.by, id, { offset: 0, limit: 100 })).some(({ message }) => message === text)
    await expect.poll(said).toBe(true)
  }
  const nothingLeft = async () => {
    await core.idle()
    expect(world.host.leaks()).toMatchObject({ incarnations: [], roots: [], staged: [] })
    expect(await world.disagreements(core)).toEqual([])
  }
  return { world, core, start, cancel, printed, nothingLeft }
}

const CANCELLED = { state: 'failed', failure: BUILD_CANCELLED }
const REJECTED = { code: 'cancelled', message: BUILD_CANCELLED }

describe('a build that is cancelled', () => {
  it('ends in the midst of a step, leaves nothing, and says so as often as it is asked', async () => {
    const { world, core, start, cancel, printed, nothingLeft } = await begin()
    const { value, done } = await start({
      type: 'recipe',
      from: 'base',
      steps: [{ type: 'run', command: 'echo begun ; sleep 1000' }],
    })
    const ended = expect(done).rejects.toMatchObject(REJECTED)
    await printed(value, 'begun')
    expect(await cancel(value)).toMatchObject(CANCELLED)
    expect(world.host.incarnations.size).toBe(0)
    await ended
    expect(await cancel(value)).toMatchObject(CANCELLED)
    const log = await core.images.log(world.by, value.id, { offset: 0, limit: 100 })
    expect(log.at(-1)).toMatchObject({ level: 'error', step: '1', message: BUILD_CANCELLED })
    // Whoever looks on knows of it from its beginning.
    const events = await core.events.list(world.by, {}, 0, 100)
    expect(events.filter(({ imageId }) => imageId === value.id).map(({ type }) => type)).toEqual([
      'image.building',
      'image.failed',
    ])
    await nothingLeft()
  })

  it('ends while its start command is waited for', async () => {
    const { start, cancel, printed, nothingLeft } = await begin()
    const { value, done } = await start({
      type: 'recipe',
      from: 'base',
      steps: [],
      startCommand: 'echo up ; sleep 1000',
      readyCommand: 'false',
    })
    const ended = expect(done).rejects.toMatchObject(REJECTED)
    await printed(value, 'up')
    expect(await cancel(value)).toMatchObject(CANCELLED)
    await ended
    await nothingLeft()
  })

  it('ends with the pull that it waits for', async () => {
    const { world, core, start, cancel, nothingLeft } = await begin()
    const pull = world.host.faults.hang('imageBuilder.build')
    const dockerfile = 'FROM registry.example/team/tools:v1\nRUN true\n'
    const { value, done } = await start({ type: 'dockerfile', dockerfile })
    const ended = expect(done).rejects.toMatchObject(REJECTED)
    await pull.reached
    const cancelled = cancel(value)
    // Until it has come to the pull.
    await world.host.faults.quiet()
    pull.release()
    expect(await cancelled).toMatchObject(CANCELLED)
    await ended
    await core.idle()
    const all = (await core.images.list(world.by, { states: ['failed'] }, { limit: 10 })).items
    expect(all.map(({ name, failure }) => `${name}: ${failure}`).sort()).toEqual([
      `built: ${BUILD_CANCELLED}`,
      `tools: ${BUILD_CANCELLED}`,
    ])
    await nothingLeft()
  })

  it('is none that is over, and is nobody else’s', async () => {
    const { world, core, start } = await begin()
    const ready = await (await start({ type: 'recipe', from: 'base', steps: [] })).done
    await expect(core.images.cancel(world.by, ready.id)).rejects.toMatchObject({
      code: 'wrong_state',
      context: { state: 'ready' },
    })
    const failing = await start({ type: 'recipe', from: 'base', steps: [{ type: 'run', command: 'exit 3' }] })
    await failing.done.catch(() => {}) // as it should
    await expect(core.images.cancel(world.by, failing.value.id)).rejects.toMatchObject({
      code: 'wrong_state',
      context: { state: 'failed' },
    })
    await expect(core.images.cancel(world.by, '0'.repeat(24))).rejects.toMatchObject({ code: 'not_found' })
  })
})
