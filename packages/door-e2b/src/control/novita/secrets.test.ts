import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ControlWorld, openControlWorld } from '../testing/control-world.ts'

let world: ControlWorld
beforeAll(async () => {
  world = await openControlWorld()
})
afterAll(() => world?.[Symbol.asyncDispose]())

const make = (name: string, hosts: string[], more: object = {}) =>
  world.post('/novita/secrets', { name, value: `value of ${name}`, hosts, ...more })

it('are made, changed, found, listed and deleted; values are told to nobody', async () => {
  const made = await make('KEY', ['api.test'], { description: 'for tests' })
  const binding = {
    name: 'KEY',
    hosts: ['api.test'],
    placeholder: expect.stringMatching(/^novita_secret_[0-9a-f]{24}$/),
    description: 'for tests',
    hasSecret: true,
    status: 'active',
    updatedAt: expect.any(String),
  }
  expect(made).toMatchObject({ status: 201, body: binding })
  expect(await make('KEY', ['api.test'])).toMatchObject({ status: 409 })
  const changed = await world.put('/novita/secrets/KEY', { value: 'other', hosts: ['*.test'] })
  expect(changed).toMatchObject({
    status: 200,
    body: { ...binding, hosts: ['*.test'], placeholder: made.body.placeholder },
  })
  expect(
    (await world.put('/novita/secrets/KEY', { value: 'x', hosts: ['*.test'], description: null })).body.description,
  ).toBe(null)
  expect((await world.get('/novita/secrets/KEY')).body).toMatchObject({ name: 'KEY', hosts: ['*.test'] })
  expect((await world.get('/novita/secrets')).body).toMatchObject({ secrets: [{ name: 'KEY' }] })
  expect(JSON.stringify([made, changed])).not.toContain('value of')
  expect(await world.delete('/novita/secrets/KEY')).toMatchObject({ status: 200, body: { deleted: 'KEY' } })
  for (const answer of [
    await world.delete('/novita/secrets/KEY'),
    await world.get('/novita/secrets/KEY'),
    await world.put('/novita/secrets/KEY', { value: 'x', hosts: ['a.test'] }),
  ])
    expect(answer).toMatchObject({ status: 404, body: { code: 404 } })
  for (const body of [
    { hosts: [] },
    { hosts: ['a b'] },
    { hosts: ['http://a.test'] },
    { hosts: ['a.test'], value: '' },
  ])
    expect([body, (await make('NEW', [], body)).status]).toEqual([body, 400])
})

it('are in the variables of a sandbox as placeholders, and in requests to their hosts as what they are', async () => {
  const one = (await make('ONE', ['api.one.test', '*.one.test'])).body.placeholder
  const two = (await make('TWO', ['*.one.test', 'two.test'])).body.placeholder
  const made = await world.post('/novita/sandboxes', { templateID: 'base', secrets: { A: 'ONE', B: 'TWO', C: 'ONE' } })
  expect(made.status).toBe(201)
  const { credentials } = await world.core.sandboxes.get(world.by, made.body.sandboxID)
  const [first = [], second = []] = [[{ name: one, template: '{ONE}' }], [{ name: two, template: '{TWO}' }]]
  expect(credentials.map(({ hosts, auth }) => [hosts, auth?.values])).toEqual([
    [['api.one.test'], [...first, ...second]],
    [['two.test'], second],
    [['*.one.test'], [...first, ...second]],
  ])
  expect(Object.assign({}, ...credentials.map(({ env }) => env))).toEqual({ A: one, B: two, C: one })
  const info = (await world.get(`/novita/sandboxes/${made.body.sandboxID}`)).body
  expect(JSON.stringify(info)).not.toContain('value of')
  // Another network keeps them.
  await world.put(`/novita/sandboxes/${made.body.sandboxID}/network`, { rules: {} })
  expect((await world.core.sandboxes.get(world.by, made.body.sandboxID)).credentials).toEqual(credentials)
})

it('that are not there, are for no hosts or are in the way of other variables are refused', async () => {
  await make('KEY', ['api.test'])
  await world.post('/e2b/secrets', { name: 'anywhere', value: 'x' })
  for (const [body, message] of [
    [{ secrets: { A: 'NONE' } }, 'no secret NONE'],
    [{ secrets: { A: 'anywhere' } }, 'no hosts'],
    [{ secrets: { A: 'KEY' }, envVars: { A: 'x' } }, 'A is in envVars too'],
    [{ secrets: { 'a=b': 'KEY' } }, 'env'],
  ] as const)
    expect(await world.post('/novita/sandboxes', { templateID: 'base', ...body })).toMatchObject({
      status: 400,
      body: { code: 400, message: expect.stringContaining(message) },
    })
})
