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

describe('killed during the build of a recipe', async () => {
  it.each(await pointsOf('recipe', ['image.build']))('at %s: leaves an image that starts, or none', async (point) => {
    world.crashAt(point)
    expect(await world.diedDuring(build(true)), 'the point was not reached').toBe(true)
    await world.startServer()
    const pool = join(world.dataDir, 'pool')
    const ready = (await world.client.images.list({ states: ['ready'] }).toArray()).filter(
      ({ name }) => name === 'small',
    )
    // The layer of this build and of earlier ones at most, and what each image that is ready starts from.
    const held = () => ({
      images: readdirSync(join(pool, 'images')).length - 1, // base
      roots: readdirSync(join(pool, 'roots')).length,
      staged: readdirSync(join(pool, 'snapshots')).filter((name) => name.startsWith('.')),
      running: world.incarnations(),
    })
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
