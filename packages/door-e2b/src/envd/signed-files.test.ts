import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SignedFiles } from './signed-files.ts'
import { type EnvdWorld, openEnvdWorld } from './testing/envd-world.ts'
import { heldLook } from './testing/held-look.ts'

let world: EnvdWorld
let id: string
let dir: string
let count = 0
beforeAll(async () => {
  world = await openEnvdWorld()
  id = (await world.sandbox()).id
})
afterAll(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})
beforeEach(async () => {
  dir = `/tmp/signed-${count++}`
  await (await world.guest(id)).files.mkdir(dir)
})

/** The file that addresses are signed for. */
async function write(sandbox: string): Promise<void> {
  const headers = { ...world.withToken(sandbox), 'content-type': 'application/octet-stream' }
  const { status } = await world.ask(`/files?path=${dir}/signed`, { method: 'POST', headers, body: 'signed' })
  expect(status).toBe(200)
}

it('addresses that are made up take one look at a time at all sandboxes, and none that could not be a signature', async () => {
  const { api, looks, end } = heldLook()
  const finder = new SignedFiles(api)
  const ask = async (signature: string) => {
    const res = {
      setHeader() {},
      writeHead: (status: number) => void Object.assign(res, { status }),
      end() {},
      status: 0,
    }
    const req = { url: `/files?path=/x&signature=${signature}`, method: 'GET', headers: {} }
    expect(await finder.find(req as IncomingMessage, res as unknown as ServerResponse)).toBeNull()
    return res.status
  }
  expect([await ask('v1_AAAA'), looks()]).toEqual([401, 0])
  const many = Array.from({ length: 300 }, () => ask(`v1_${'A'.repeat(43)}`))
  expect(await Promise.race(many)).toBe(503)
  expect(looks()).toBe(1)
  end()
  const statuses = await Promise.all(many)
  expect([401, 503].map((status) => statuses.filter((one) => one === status).length)).toEqual([256, 44])
})

describe('a signed address', () => {
  const soon = () => String(Math.floor(Date.now() / 1000) + 60)
  const past = () => String(Math.floor(Date.now() / 1000) - 1)
  beforeEach(() => write(id))

  it('reads and writes without a token, on an address of the sandbox or a shared one', async () => {
    for (const headers of [world.route(id), {}] as Record<string, string>[]) {
      expect((await world.ask(world.sign(id, `${dir}/signed`, 'read'), { headers })).body.toString()).toBe('signed')
      const timed = world.sign(id, `${dir}/signed`, 'read', { expiration: soon(), user: 'root' })
      expect((await world.ask(timed, { headers })).status).toBe(200)
      const written = await world.ask(world.sign(id, `${dir}/new`, 'write'), {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/octet-stream' },
        body: 'x',
      })
      expect(written.status).toBe(200)
    }
  })

  it.each([
    ['is over', () => world.sign(id, `${dir}/signed`, 'read', { expiration: past() }), 'signature is already expired'],
    ['is for writing', () => world.sign(id, `${dir}/signed`, 'write'), 'invalid signature'],
    [
      'is for another path',
      () => world.sign(id, `${dir}/signed`, 'read').replace('signed', 'other'),
      'invalid signature',
    ],
    ['is for another user', () => `${world.sign(id, `${dir}/signed`, 'read')}&username=root`, 'invalid signature'],
    [
      'has another end',
      () => `${world.sign(id, `${dir}/signed`, 'read')}&signature_expiration=${soon()}`,
      'invalid signature',
    ],
    ['is nonsense', () => `/files?path=x&signature=v1_x`, 'invalid signature'],
  ])('that %s is refused', async (_, url, message) => {
    for (const headers of [world.route(id), {}] as Record<string, string>[]) {
      const { status, json } = await world.ask(url(), { headers })
      expect([status, json()]).toEqual([401, { code: 401, message }])
    }
  })

  it('of another sandbox is refused', async () => {
    const other = await world.sandbox()
    const url = world.sign(other.id, `${dir}/signed`, 'read')
    expect((await world.ask(url, { headers: world.route(id) })).json().message).toBe('invalid signature')
    expect((await world.ask(url)).status).toBe(404)
    await world.core.sandboxes.kill(world.by, other.id)
    expect((await world.ask(url)).status).toBe(401)
  })

  it('on a shared address wakes a sandbox that is to wake, and no other', async () => {
    const [waking, sleeping] = [await world.sandbox({ timeout: { autoResume: true } }), await world.sandbox()]
    for (const { id } of [waking, sleeping]) {
      await (await world.guest(id)).files.mkdir(dir)
      await write(id)
      await (await world.core.sandboxes.pause(world.by, id)).done
    }
    const found = await world.ask(world.sign(waking.id, `${dir}/signed`, 'read'))
    expect([found.status, found.body.toString()]).toEqual([200, 'signed'])
    expect((await world.ask(world.sign(sleeping.id, `${dir}/signed`, 'read'))).status).toBe(401)
    const states = [waking, sleeping].map(async ({ id }) => (await world.core.sandboxes.get(world.by, id)).state)
    expect(await Promise.all(states)).toEqual(['running', 'paused'])
  })

  it('is asked for where there is no token', async () => {
    const { json } = await world.ask(`/files?path=${dir}/signed`, { headers: world.route(id) })
    expect(json()).toEqual({ code: 401, message: 'missing signature query parameter' })
  })

  it('does not make up for a wrong token', async () => {
    const headers = { ...world.route(id), 'x-access-token': 'wrong' }
    expect((await world.ask(world.sign(id, `${dir}/signed`, 'read'), { headers })).status).toBe(401)
  })

  it('opens files and nothing else', async () => {
    const signature = new URLSearchParams(world.sign(id, '', 'write').split('?')[1]).get('signature') ?? ''
    for (const path of ['/envs', '/files/compose', '/process.Process/List'])
      expect(
        (
          await world.ask(`${path}?signature=${encodeURIComponent(signature)}`, {
            method: 'POST',
            headers: world.route(id),
          })
        ).status,
      ).toBe(401)
    expect((await world.ask('/elsewhere?signature=v1_x')).status).toBe(418)
  })
})
