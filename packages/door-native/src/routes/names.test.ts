import { createHash, randomBytes } from 'node:crypto'
import { tarOf } from '@spawnpoint/contracts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DoorWorld, jsonOf, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
beforeAll(async () => {
  world = await openDoorWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const json = { 'content-type': 'application/json' }
const send = (method: string, path: string, body: unknown) =>
  world.call(method, path, { body: JSON.stringify(body), headers: json })
const build = async (request: object) =>
  jsonOf(
    await send('POST', '/images', { name: 'app', source: { type: 'recipe', from: 'base', steps: [] }, ...request }),
  )

describe('names', () => {
  it('have tags that are set, moved, listed and removed; refs with a tag find what it points to', async () => {
    const one = await build({ tags: ['default', 'v1'] })
    expect(one).toMatchObject({ tags: expect.arrayContaining(['app:default', 'app:v1']), startsFromMemory: false })
    const two = await build({})
    const set = await send('PUT', '/names/app/tags/v2', { image: two.id })
    expect(set.status).toBe(200)
    const name = await jsonOf(set)
    expect(name.tags.map((tag: { tag: string; imageId: string }) => [tag.tag, tag.imageId]).sort()).toEqual([
      ['default', one.id],
      ['v1', one.id],
      ['v2', two.id],
    ])
    expect((await jsonOf(await world.call('GET', '/images/app:v2'))).id).toBe(two.id)
    expect((await jsonOf(await world.call('GET', '/images/app'))).id).toBe(one.id)
    await send('PUT', `/names/${name.id}/tags/default`, { image: 'app:v2' })
    expect((await jsonOf(await world.call('GET', `/images/${name.id}`))).id).toBe(two.id)
    expect((await jsonOf(await world.call('GET', '/names'))).items).toEqual([
      await jsonOf(await world.call('GET', '/names/app')),
    ])
    const listed = await jsonOf(await world.call('GET', '/images?name=app'))
    expect(listed.items.map(({ tags }: { tags: string[] }) => tags.sort())).toEqual([
      ['app:default', 'app:v2'],
      ['app:v1'],
    ])
    expect((await world.call('DELETE', '/names/app/tags/v1')).status).toBe(204)
    expect((await world.call('GET', '/images/app:v1')).status).toBe(404)
    expect((await world.call('DELETE', '/names/app')).status).toBe(204)
    expect((await world.call('GET', '/names/app')).status).toBe(404)
    expect((await world.call('GET', `/images/${one.id}`)).status).toBe(200)
  })

  it('refuse what is no tag or no target', async () => {
    for (const [path, body, status] of [
      ['/names/app/tags/a%20b', { image: 'base' }, 400],
      ['/names/app/tags/ok', {}, 400],
      ['/names/app/tags/ok', { image: 'base', snapshot: 'base' }, 400],
      ['/names/app/tags/ok', { image: 'missing' }, 404],
      ['/names/app/tags/ok', { snapshot: 'missing' }, 404],
    ] as const)
      expect([path, (await send('PUT', path, body)).status]).toEqual([path, status])
  })
})

describe('blobs', () => {
  it('of any size are stored under their digest, found, and deleted', async () => {
    const data = randomBytes(3_000_000)
    const key = `sha256:${createHash('sha256').update(data).digest('hex')}`
    const present = async () => (await jsonOf(await world.call('GET', `/blobs/${key}`))).present
    expect(await present()).toBe(false)
    const stored = await world.call('PUT', `/blobs/${key}`, { body: data })
    expect([stored.status, await jsonOf(stored)]).toEqual([201, { key, sizeBytes: data.length }])
    expect(await present()).toBe(true)
    expect((await world.call('PUT', `/blobs/${key}`, { body: 'something else' })).status).toBe(400)
    expect((await world.call('DELETE', `/blobs/${key}`)).status).toBe(204)
    expect(await present()).toBe(false)
    expect((await world.call('GET', '/blobs/no-prefix')).status).toBe(400)
  })
})

describe('a build', () => {
  it('of a recipe has a log in pages; one that fails says why', async () => {
    await world.call('PUT', '/blobs/test:one', { body: tarOf([{ name: 'a', data: 'a' }]) })
    const image = await build({
      source: {
        type: 'recipe',
        from: 'base',
        steps: [
          { type: 'copy', blob: 'test:one', source: '.', destination: '/srv', mode: 0o600 },
          { type: 'run', command: 'echo hello', user: 'root' },
        ],
        startCommand: 'sleep 1000',
        readyCommand: 'true',
      },
      resources: { memoryBytes: 2 ** 30 },
    })
    expect(image).toMatchObject({ state: 'ready', startsFromMemory: true, resources: { memoryBytes: 2 ** 30 } })
    const all = await jsonOf(await world.call('GET', `/images/${image.id}/log`))
    expect(all.entries).toContainEqual({ at: expect.any(String), level: 'info', step: '2', message: 'hello' })
    expect(all.nextOffset).toBe(all.entries.length)
    const part = await jsonOf(await world.call('GET', `/images/${image.id}/log?offset=1&limit=1`))
    expect(part).toEqual({ entries: all.entries.slice(1, 2), nextOffset: 2 })

    const failed = await send('POST', '/images', {
      name: 'bad',
      source: { type: 'recipe', from: 'base', steps: [{ type: 'run', command: 'exit 9' }] },
    })
    expect(failed.status).toBe(422)
    expect(await jsonOf(failed)).toMatchObject({ code: 'build_failed', context: { step: '1', exitCode: 9 } })
  })

  it('of a recipe that cannot be, makes nothing', async () => {
    const before = (await jsonOf(await world.call('GET', '/images'))).items.length
    for (const step of [
      { type: 'copy', source: '.', destination: '/' },
      { type: 'copy', blob: 'sha256:short', source: '.', destination: '/' },
      { type: 'copy', blob: 'test:missing', source: '.', destination: '/' },
      { type: 'run' },
      { type: 'env', env: { 'A=B': 'x' } },
      { type: 'expose', port: 1 },
    ]) {
      const source = { type: 'recipe', from: 'base', steps: [step] }
      expect([step, (await send('POST', '/images', { name: 'bad', source })).status]).toEqual([step, 400])
    }
    const source = { type: 'recipe', from: 'nothing', steps: [] }
    expect((await send('POST', '/images', { name: 'bad', source })).status).toBe(404)
    expect((await jsonOf(await world.call('GET', '/images'))).items.length).toBe(before)
  })
})
