import type { AddressInfo } from 'node:net'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { openFakeCore } from '@spawnpoint/fakes'
import Fastify from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { registerMcpDoor } from './index.ts'

let world: Awaited<ReturnType<typeof openWorld>>
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

async function openWorld() {
  const { core, by, key, log, failures } = await openFakeCore()
  const app = Fastify({ forceCloseConnections: true, requestTimeout: 0 })
  await registerMcpDoor(app, { api: core.through('mcp'), log, version: '1.2.3' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = new URL(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/mcp`)
  const clients: Client[] = []
  const connect = async (apiKey: string) => {
    const client = new Client({ name: 'test', version: '1' })
    const headers = { authorization: `Bearer ${apiKey}` }
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }))
    clients.push(client)
    return client
  }
  const client = await connect(key)
  const close = async () => {
    for (const each of clients) await each.close()
    await app.close()
    await core.close()
  }
  return { core, by, key, url, client, connect, failures, close }
}

interface Answer {
  isError: boolean
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: answers of all shapes, which the tests then look at
  json: any
}

async function call(name: string, args: Record<string, unknown> = {}, client = world.client): Promise<Answer> {
  const { content, isError } = await client.callTool({ name, arguments: args })
  const [first] = content as { type: string; text: string }[]
  if (first?.type !== 'text') throw new Error(`${name} answered no text`)
  return { isError: isError === true, text: first.text, json: isError ? null : JSON.parse(first.text) }
}

async function done(name: string, args: Record<string, unknown> = {}) {
  const { isError, text, json } = await call(name, args)
  if (isError) throw new Error(`${name}: ${text}`)
  return json
}

describe('the protocol', () => {
  test('tells what there is, in words for a model, within a bound', async () => {
    expect(world.client.getInstructions()).toContain('snapshot before')
    expect(world.client.getServerVersion()).toMatchObject({ name: 'spawnpoint', version: '1.2.3' })
    const { tools } = await world.client.listTools()
    expect(tools.map((tool) => tool.name)).toEqual(
      expect.arrayContaining(['create_sandbox', 'run_command', 'fork_sandbox']),
    )
    for (const { name, description, inputSchema, annotations } of tools) {
      expect(description, name).toMatch(/^.{20,320}$/)
      expect(inputSchema.type, name).toBe('object')
      expect(annotations?.readOnlyHint, name).toBeTypeOf('boolean')
    }
    // All of it stands in front of every task that a model is given.
    expect(JSON.stringify(tools).length).toBeLessThan(14_000)
  })

  test('wants a key, and says so', async () => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
    for (const authorization of [
      '',
      'Bearer',
      'Basic x',
      `Bearer sp_${'0'.repeat(64)}`,
      `Bearer ${'x'.repeat(9000)}`,
    ]) {
      const answer = await fetch(world.url, { method: 'POST', headers: { ...headers, authorization }, body })
      expect(answer.status, authorization).toBe(401)
      expect(answer.headers.get('www-authenticate')).toBe('Bearer')
      expect(await answer.json()).toMatchObject({ jsonrpc: '2.0', error: { message: expect.any(String) } })
    }
  })

  test('refuses what is no message, and goes on', async () => {
    const headers = {
      authorization: `Bearer ${world.key}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    }
    for (const body of ['', '{', '[]', '{"jsonrpc":"1.0"}', '"x"', 'x'.repeat(40 * 2 ** 20)]) {
      const answer = await fetch(world.url, { method: 'POST', headers, body })
      expect(answer.status, body.slice(0, 20)).toBeGreaterThanOrEqual(400)
      expect(answer.status, body.slice(0, 20)).toBeLessThan(500)
      await answer.arrayBuffer()
    }
    expect((await world.client.listTools()).tools.length).toBeGreaterThan(10)
  })

  test('answers a wrong argument as a failed call, which changes nothing', async () => {
    const before = await done('list_sandboxes')
    for (const args of [{ from: 7 }, { from: 'base', timeout_seconds: -1 }, { from: '' }, { cpus: 0 }]) {
      const answer = await call('create_sandbox', args).catch((error: Error) => ({
        isError: true,
        text: error.message,
      }))
      expect(answer.isError, JSON.stringify(args)).toBe(true)
    }
    expect((await call('create_sandbox', { from: 'nothing' })).text).toMatch(/^not_found: /)
    expect(await done('list_sandboxes')).toEqual(before)
    await expect(world.client.callTool({ name: 'launch_rocket', arguments: {} })).rejects.toThrow(/launch_rocket/)
  })

  test('keeps teams apart', async () => {
    const other = await world.core.createTeam('other-mcp')
    const theirs = await world.connect(other.key)
    const { id } = await done('create_sandbox')
    for (const [name, args] of [
      ['run_command', { sandbox: id, command: 'true' }],
      ['delete_sandbox', { sandbox: id }],
      ['take_snapshot', { sandbox: id }],
    ] as const) {
      expect((await call(name, args, theirs)).text).toMatch(/^not_found: /)
    }
    expect((await call('list_sandboxes', {}, theirs)).json.sandboxes).toEqual([])
    await done('delete_sandbox', { sandbox: id })
  })
})

describe('what an agent does', () => {
  test('creates, runs, writes, reads, snapshots, rolls back, forks and deletes', async () => {
    const box = await done('create_sandbox', { name: 'work', timeout_seconds: 600 })
    expect(box).toMatchObject({ name: 'work', state: 'running', ends: expect.any(String) })
    expect(await done('write_file', { sandbox: 'work', path: '/root/a.txt', content: 'one' })).toMatchObject({
      size: 3,
    })
    const snapshot = await done('take_snapshot', { sandbox: 'work', name: 'good' })
    expect(snapshot).toMatchObject({ name: 'good', kind: 'memory', state: 'ready', sandbox: box.id })
    await done('write_file', { sandbox: 'work', path: '/root/a.txt', content: ' two', append: true })
    expect(await done('read_file', { sandbox: 'work', path: '/root/a.txt' })).toEqual({ size: 7, content: 'one two' })
    expect(await done('read_file', { sandbox: 'work', path: '/root/a.txt', offset: 1, length: 2 })).toEqual({
      size: 7,
      next_offset: 3,
      content: 'ne',
    })
    expect(await done('list_files', { sandbox: 'work', path: '/root' })).toEqual({
      entries: expect.arrayContaining(['/root/a.txt (7)']),
    })

    expect(await done('roll_back', { sandbox: 'work', snapshot: 'good' })).toMatchObject({
      id: box.id,
      state: 'running',
    })
    expect(await done('read_file', { sandbox: 'work', path: '/root/a.txt' })).toEqual({ size: 3, content: 'one' })

    const { sandboxes } = await done('fork_sandbox', { sandbox: 'work', count: 2 })
    expect(sandboxes).toHaveLength(2)
    expect(sandboxes[0]).toMatchObject({ state: 'running', forked_from: box.id })
    const again = await done('create_sandbox', { from: 'good' })
    expect(again).toMatchObject({ from_snapshot: snapshot.id })

    expect((await done('list_snapshots', { sandbox: 'work' })).snapshots).toMatchObject([{ id: snapshot.id }])
    for (const { id } of [...sandboxes, again, box])
      expect(await done('delete_sandbox', { sandbox: id })).toEqual({ deleted: id })
    for (let time = 0; time < 2; time += 1) {
      expect(await done('delete_snapshot', { snapshot: 'good' })).toMatchObject({
        deleted: snapshot.id,
        restorable_until: expect.stringMatching(/^\d{4}-/),
      })
      expect((await done('list_snapshots')).snapshots).toEqual([])
      expect(await done('restore_snapshot', { snapshot: 'good' })).toMatchObject({ id: snapshot.id, state: 'ready' })
    }
    expect((await call('delete_sandbox', { sandbox: box.id })).text).toMatch(/^not_found: /)
  })

  test('brings a sandbox to rest and back', async () => {
    const { id } = await done('create_sandbox')
    for (const state of ['paused', 'running', 'running', 'stopped', 'running']) {
      expect(await done('set_sandbox_state', { sandbox: id, state })).toMatchObject({ id, state })
    }
    await done('set_sandbox_state', { sandbox: id, state: 'paused' })
    expect((await call('run_command', { sandbox: id, command: 'true' })).text).toMatch(/^wrong_state: /)
    await done('delete_sandbox', { sandbox: id })
  })

  test('lists images', async () => {
    expect((await done('list_images')).images).toMatchObject([{ name: 'base' }])
  })
})

test('nothing failed on the server', () => {
  expect(world.failures).toEqual([])
})
