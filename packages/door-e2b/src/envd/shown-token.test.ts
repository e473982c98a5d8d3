import type { IncomingMessage } from 'node:http'
import { SpawnpointError, toSpawnpointError } from '@spawnpoint/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ShownTokens } from './shown-token.ts'
import { type EnvdWorld, openEnvdWorld } from './testing/envd-world.ts'
import { heldLook } from './testing/held-look.ts'

let world: EnvdWorld
beforeAll(async () => {
  world = await openEnvdWorld()
})
afterAll(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const shown = (id: string) => ({ 'x-access-token': world.token(id) })
const list = (headers: Record<string, string>) =>
  world.ask('/process.Process/List', {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: '{}',
  })

it('finds the sandbox whose token is shown, on an address that names none', async () => {
  const [one, other] = [await world.sandbox(), await world.sandbox()]
  for (const { id } of [one, other, one]) {
    const headers = { ...shown(id), 'content-type': 'application/octet-stream' }
    expect((await world.ask(`/files?path=/tmp/own`, { method: 'POST', headers, body: id })).status).toBe(200)
  }
  for (const { id } of [one, other]) {
    expect((await world.ask('/files?path=/tmp/own', { headers: shown(id) })).body.toString()).toBe(id)
    expect((await world.ask('/health', { headers: shown(id) })).status).toBe(204)
    expect((await list(shown(id))).status).toBe(200)
  }
})

it('says of a sandbox that does not run what its own address says', async () => {
  const { id } = await world.sandbox()
  const headers = shown(id)
  expect((await world.ask('/health', { headers })).status).toBe(204)
  await (await world.core.sandboxes.pause(world.by, id)).done
  const paused = await world.ask('/health', { headers })
  expect([paused.status, paused.json().message]).toEqual([502, 'The sandbox was not found'])
  expect((await list(headers)).status).toBe(502)
  await (await world.core.sandboxes.resume(world.by, id)).done
  expect((await world.ask('/health', { headers })).status).toBe(204)
  await world.core.sandboxes.kill(world.by, id)
  expect((await world.ask('/health', { headers })).status).toBe(502)
})

it('leaves alone what shows no token, and what is no call of the agent', async () => {
  const { id } = await world.sandbox()
  expect((await world.ask('/health')).status).toBe(418)
  expect((await world.ask('/health', { headers: { 'x-access-token': 'short' } })).status).toBe(418)
  for (const path of ['/v1/sandboxes', '/metrics', '/filesx', '/process.Process/', '/health/x'])
    expect((await world.ask(path, { headers: shown(id) })).status).toBe(418)
  expect((await world.ask('/health', { headers: { 'x-access-token': '0'.repeat(64) } })).status).toBe(502)
})

it('takes one look at a time at all sandboxes for tokens that are made up, and refuses more than can wait', async () => {
  const { api, looks, end } = heldLook()
  const finder = new ShownTokens(api)
  const ask = async (at: number) => {
    const headers = { 'x-access-token': String(at).padStart(64, '0') }
    const error = await finder.find({ headers } as unknown as IncomingMessage).catch(toSpawnpointError)
    return error instanceof SpawnpointError ? error.code : null
  }
  const many = Array.from({ length: 300 }, (_, at) => ask(at))
  expect(await Promise.race(many)).toBe('unavailable')
  expect(looks()).toBe(1)
  end()
  const codes = await Promise.all(many)
  expect(codes.filter((code) => code === 'not_found')).toHaveLength(256)
  expect(codes.filter((code) => code === 'unavailable')).toHaveLength(44)
})
