import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DoorWorld, type Got, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld()
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const digest = (data: Buffer) => createHash('sha256').update(data).digest('hex')
const LAYER = Buffer.from('a layer')

/** A local image of Docker's, as clients send it. */
function orderOf(imageName: string, more: object = {}) {
  const config = Buffer.from('{}')
  const dockerImageManifest = {
    version: 1,
    imageDigest: `sha256:${'a'.repeat(64)}`,
    config: { sha256: digest(config), sizeBytes: config.length, dataBase64: config.toString('base64') },
    layers: [{ sha256: digest(LAYER), sizeBytes: LAYER.length }],
  }
  const manifest = Buffer.from(JSON.stringify(dockerImageManifest))
  const input = { inputSha256: digest(manifest), inputSizeBytes: manifest.length }
  return { imageName, ...input, inputFormat: 'docker_image_manifest_v1', dockerImageManifest, ...more }
}

const place = (imageName: string, more: object = {}): Promise<Got> =>
  world.post('/images/builds', orderOf(imageName, more))
const begin = (id: string): Promise<Got> => world.post(`/images/builds/${id}/complete`, orderOf('any'))
const cancel = (id: string): Promise<Got> => world.post(`/images/builds/${id}/cancel`)
const listed = async (query = '') =>
  (await world.get(`/images/builds${query}`)).body.builds.map((one: Got['body']) => `${one.imageName} ${one.status}`)

async function send({ body }: Got): Promise<void> {
  expect((await world.send('PUT', body.upload.url.replace(/[0-9a-f]{64}/, digest(LAYER)), LAYER)).status).toBe(401)
  for (const { url } of body.uploads) expect((await world.send('PUT', url, LAYER)).status).toBe(200)
}

async function built(imageName: string, more: object = {}): Promise<Got['body']> {
  const placed = await place(imageName, more)
  await send(placed)
  const { id } = placed.body.build
  await begin(id)
  const now = async () => (await world.get(`/images/builds/${id}`)).body.build
  await expect.poll(async () => (await now()).status).toBe('completed')
  return now()
}

describe('builds', () => {
  it('are listed from their order on, newest first', async () => {
    await built('one')
    await place('two')
    expect(await listed()).toEqual(['two upload_verified', 'one completed'])
    expect(await listed('?status=upload_verified')).toEqual(['two upload_verified'])
    expect(await listed('?limit=1')).toEqual(['two upload_verified'])
    expect((await world.get('/images/builds?status=mended')).status).toBe(400)
  })

  it('that have not begun are canceled, once and for all', async () => {
    const { body } = await place('never')
    expect(body.build).toMatchObject({ status: 'awaiting_upload', imageId: null, errorCode: null })
    for (const _ of [1, 2]) {
      const canceled = await cancel(body.build.id)
      expect([canceled.status, canceled.body.build.status]).toEqual([200, 'canceled'])
    }
    expect((await begin(body.build.id)).status).toBe(409)
    expect(await listed()).toEqual(['never canceled'])
  })

  it('that have begun are canceled, and leave no image', async () => {
    const placed = await place('halfway')
    await send(placed)
    const { id } = placed.body.build
    const building = world.host.faults.hang('imageBuilder.build')
    expect((await begin(id)).body.build.status).toBe('building')
    await building.reached
    const canceled = cancel(id)
    // Until it has come to the build.
    await world.host.faults.quiet()
    building.release()
    const { status, body } = await canceled
    expect([status, body.build.status]).toEqual([200, 'canceled'])
    expect(body.build).toMatchObject({ errorCode: null, errorMessage: null, completedAt: null })
    expect((await cancel(id)).body.build.status).toBe('canceled')
    expect(await listed('?status=canceled')).toEqual(['halfway canceled'])
    expect((await world.get('/images?search=halfway')).body.images).toEqual([])
    expect((await begin(id)).body.build.status).toBe('canceled')
  })

  it.each([
    [{ command: '/run', args: ['a'] }, '/run', ['a']],
    [{ args: ['/run', 'a'] }, '/run', ['a']],
    [{ env: { A: '1' } }, null, []],
  ])('start what they are told to: %j', async (imageInit, command, args) => {
    await built('started', { imageInit })
    const { images } = (await world.get('/images?search=started')).body
    expect(images).toMatchObject([{ imageInit: { command, args } }])
  })

  it('that are over are not canceled', async () => {
    const { id } = await built('done')
    const refused = await cancel(id)
    expect([refused.status, refused.body.code]).toEqual([409, 'wrong_state'])
    expect((await cancel('nothing')).status).toBe(404)
  })

  it('of one name are under way one at a time: who asks meanwhile is told which it is', async () => {
    const placed = await place('shared')
    await send(placed)
    const { id } = placed.body.build
    const building = world.host.faults.hang('imageBuilder.build')
    await begin(id)
    await building.reached
    const refused = await place('shared')
    expect(refused).toMatchObject({
      status: 409,
      body: {
        code: 'image_build_in_progress',
        build: { id, imageName: 'shared', metadata: { inputFormat: 'docker_image_manifest_v1' } },
      },
    })
    expect((await place('other')).status).toBe(200)
    building.release()
    await expect.poll(async () => (await world.get(`/images/builds/${id}`)).body.build.status).toBe('completed')
    expect((await place('shared')).status).toBe(200)
  })

  it('of what the name stands for already are told before anything is sent', async () => {
    const imageInit = { env: { B: '2', A: '1' }, command: '/run' }
    const { id } = await built('kept', { imageInit })
    const asked = { imageName: 'kept', sourceImageDigest: `sha256:${'A'.repeat(64)}`, imageInit }
    const reuse = async (more: object = {}) => (await world.post('/images/builds/reuse', { ...asked, ...more })).body
    expect(await reuse()).toMatchObject({ hit: true, build: { id, status: 'completed', imageId: expect.any(String) } })
    expect(await reuse({ imageInit: { command: '/run', env: { A: '1', B: '2' } } })).toMatchObject({ hit: true })
    expect(await reuse({ imageInit: { command: '/other' } })).toEqual({ hit: false })
    expect(await reuse({ imageConfigUser: 'app' })).toEqual({ hit: false })
    expect(await reuse({ imageName: 'other' })).toEqual({ hit: false })
    expect(await reuse({ sourceImageDigest: `sha256:${'b'.repeat(64)}` })).toEqual({ hit: false })
    // The name stands for another one since.
    await built('kept')
    expect(await reuse()).toEqual({ hit: false })
    expect((await world.post('/images/builds/reuse', {})).status).toBe(400)
  })
})
