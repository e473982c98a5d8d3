import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Core } from '../src/index.ts'
import { World } from './world.ts'

let world: World
let core: Core
beforeEach(async () => {
  world = new World()
  core = await world.server({ fakeTime: true })
})
afterEach(() => core.close())

it('tells a key about itself, and who shows another proof that there is none', async () => {
  const { key, secret } = await core.keys.create(world.by, { name: 'ci', scopes: ['read'] })
  const by = await core.authenticate(secret)
  expect(await core.keys.self(by)).toMatchObject({ id: key.id, name: 'ci', scopes: ['read'] })
  await expect(core.keys.self({ ...by, keyId: null })).rejects.toMatchObject({ code: 'not_found' })
})

it('tells when a key was last used, written once a minute at most', async () => {
  const { key, secret } = await core.keys.create(world.by, { name: 'ci' })
  const lastUsedAt = async () =>
    (await core.keys.list(world.by, { limit: 10 })).items.find(({ id }) => id === key.id)?.lastUsedAt
  expect(await lastUsedAt()).toBeNull()
  const first = world.clock.now()
  await core.authenticate(secret)
  await core.idle()
  expect(await lastUsedAt()).toEqual(first)
  world.clock.advance(59_000)
  await core.authenticate(secret)
  world.clock.advance(2_000)
  await core.authenticate(secret)
  const last = world.clock.now()
  await core.close()
  core = await world.server({ fakeTime: true })
  expect(await lastUsedAt()).toEqual(last)
})
