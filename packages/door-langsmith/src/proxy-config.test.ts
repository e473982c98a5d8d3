import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DoorWorld, openDoorWorld } from './testing/door-world.ts'

let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld()
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const shown = async (rule: object) => {
  const { id, proxy_config } = await world.box({ proxy_config: { rules: [rule] } })
  const { incarnationId } = await world.core.sandboxes.get(world.by, id)
  const [outgoing] = world.host.incarnations.get(incarnationId ?? ('' as never))?.credentials ?? []
  // What is shown may be sent back as it is.
  expect((await world.patch(`/boxes/${id}`, { proxy_config })).body.proxy_config).toEqual(proxy_config)
  return { rule: proxy_config.rules[0], outgoing }
}
const refused = async (rule: object) => {
  const { status, body } = await world.post('/boxes', { proxy_config: { rules: [rule] } })
  return [status, body.detail.message ?? body.detail[0].loc.join('.')]
}

describe('a rule that sends requests to another host', () => {
  const rewrite = { name: 'a', match_hosts: ['a.test'], rewrite: { host: 'b.test', port: 8443 } }

  it('is shown as it was given, with what is the default', async () => {
    const headers = [{ name: 'X', type: 'opaque', value: 'hunter2' }]
    const { rule, outgoing } = await shown({ ...rewrite, description: 'by way of b', headers })
    expect(rule).toMatchObject({
      type: 'rewrite',
      description: 'by way of b',
      match_hosts: ['a.test'],
      headers: [{ name: 'X', type: 'opaque', is_set: true }],
      rewrite: { host: 'b.test', port: 8443, credentials: 'strip' },
    })
    const to = { host: 'b.test', port: 8443, guestCredentials: 'strip' }
    expect(outgoing).toMatchObject({ rewrite: to, headers: [{ name: 'X', value: 'hunter2' }] })
  })

  it('says where it leads', async () => {
    const to = (change: object) => refused({ ...rewrite, rewrite: { ...rewrite.rewrite, ...change } })
    expect(await to({ host: undefined })).toEqual([422, 'body.proxy_config.rules[0].rewrite.host'])
    expect(await to({ port: 0 })).toEqual([422, 'body.proxy_config.rules.0.rewrite.port'])
    expect(await to({ credentials: 'forge' })).toEqual([422, 'body.proxy_config.rules.0.rewrite.credentials'])
    expect(await refused({ ...rewrite, rewrite: undefined, type: 'rewrite' })).toEqual([
      422,
      'body.proxy_config.rules[0].rewrite',
    ])
  })
})
