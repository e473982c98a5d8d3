import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DoorWorld, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
let sandbox: { id: string; token: string }
beforeEach(async () => {
  world = await openDoorWorld()
  sandbox = await world.sandbox()
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const get = (path: string) => world.inside(sandbox, 'GET', path)
const post = (path: string, body: object) => world.inside(sandbox, 'POST', path, { runAs: 'root', ...body })

it.each(['/srv/file/below', '/srv/nothing'])('%s is not there', async (path) => {
  expect((await post('/files/write', { path: '/srv/file', data: 'a file' })).status).toBe(200)
  const query = `path=${encodeURIComponent(path)}`
  const looked = [
    await get(`/files/stat?${query}`),
    await get(`/files/download?${query}`),
    await post('/files/read', { path }),
    await post('/files/copy', { from: path, to: '/srv/to' }),
    await post('/files/chmod', { path, mode: '0644' }),
  ]
  for (const { status, body } of looked)
    expect([status, body.message]).toEqual([404, expect.stringMatching(/not found/i)])
  expect((await post('/files/delete', { path })).status).toBe(200)
})

it('data that is not what it is said to be is refused, not cut', async () => {
  const file = { path: '/srv/file', data: '!!!', encoding: 'base64' }
  for (const body of [file, { files: [{ ...file, data: 'aGk=' }, file] }])
    expect((await post('/files/write', body)).status).toBe(400)
  expect((await get('/files/stat?path=/srv/file')).status).toBe(404)
  expect((await post('/files/write', { ...file, data: 'aGk=' })).status).toBe(200)
  expect((await post('/files/read', { path: '/srv/file' })).body.content).toBe('hi')
})
