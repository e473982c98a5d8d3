import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { World } from '../e2e/world.ts'
import { pointsOf } from './points.ts'

let world: World
beforeAll(async () => {
  // No repeats: a build that its server did not live to answer must not be asked of the next one again.
  world = await World.start({ repeats: 0 })
})
afterAll(() => world[Symbol.asyncDispose]())

const build = (force: boolean) =>
  world.client.images.build({
    name: 'small',
    source: {
      type: 'recipe',
      from: 'base',
      force,
      steps: [{ type: 'run', command: 'od -An -N8 -tx8 /dev/urandom > number' }],
      startCommand: 'exec sleep 1000',
      readyCommand: 'pgrep sleep',
    },
  })

/** What the pool has besides the images of the other tests, and what runs. */
function held() {
  const pool = join(world.dataDir, 'pool')
  return {
    images: readdirSync(join(pool, 'images')).length - 1, // base
    roots: readdirSync(join(pool, 'roots')).length,
    staged: readdirSync(join(pool, 'snapshots')).filter((name) => name.startsWith('.')),
    running: world.incarnations(),
  }
}

describe('killed while a build that was cancelled is undone', () => {
  it('before its end is recorded: nothing is left of it', async () => {
    const name = 'endless'
    const begun = world.client.images.build({
      name,
      source: { type: 'recipe', from: 'base', steps: [{ type: 'run', command: 'exec sleep 1000' }] },
    })
    const ended = begun.catch(() => {}) // as it was cancelled
    const step = async () => {
      const [image] = await world.client.images.list({ name, states: ['building'] }).toArray()
      const log = image === undefined ? [] : await Array.fromAsync(world.client.images.log(image.id))
      return log.some(({ step }) => step === '1') ? image?.id : undefined
    }
    await expect.poll(step).toBeDefined()
    const id = (await step()) ?? ''
    world.crashAt('image.build.failed:before')
    expect(await world.diedDuring(world.client.images.cancel(id)), 'the point was not reached').toBe(true)
    await world.startServer()
    await ended
    await expect.poll(held).toEqual({ images: 0, roots: 0, staged: [], running: [] })
    expect(await world.client.operations.list({ states: ['open'] }).toArray()).toEqual([])
    expect((await world.client.images.get(id)).state).toBe('failed')
    await world.client.images.delete(id)
  })
})

describe('killed during the build of a recipe', async () => {
  it.each(await pointsOf('recipe', ['image.build']))('at %s: leaves an image that starts, or none', async (point) => {
    world.crashAt(point)
    expect(await world.diedDuring(build(true)), 'the point was not reached').toBe(true)
    await world.startServer()
    const pool = join(world.dataDir, 'pool')
    const ready = (await world.client.images.list({ states: ['ready'] }).toArray()).filter(
      ({ name }) => name === 'small',
    )
    await expect.poll(held).toEqual({ images: ready.length, roots: 0, staged: [], running: [] })
    expect(await world.client.operations.list({ states: ['open'] }).toArray()).toEqual([])
    expect((await world.client.images.list({ states: ['building'] }).toArray()).length).toBe(0)
    const image = ready[0] ?? (await build(false))
    const sandbox = await world.client.sandboxes.create({ image: image.id })
    expect((await sandbox.run('pgrep sleep && cat number')).exitCode).toBe(0)
    await sandbox.kill()
    for await (const { id } of world.client.images.list({ name: 'small', states: ['ready', 'failed'] }))
      await world.client.images.delete(id)
    const left = readdirSync(join(pool, 'snapshots'))
    // Layers alone: one of each build, less those that were made anew.
    expect(left.length).toBeLessThanOrEqual(2)
  })
})
