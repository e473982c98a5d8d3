import { once } from 'node:events'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { WebSocket } from 'ws'
import { type DoorWorld, jsonOf, openDoorWorld } from './testing/door-world.ts'

let world: DoorWorld
let id: string
beforeAll(async () => {
  world = await openDoorWorld()
  id = await world.sandbox()
})
afterAll(() => world[Symbol.asyncDispose]())

interface Frame {
  stream: number
  offset: number
  data: Buffer
}

/** What a WebSocket has brought so far, and how it closed. */
function record(ws: WebSocket) {
  // biome-ignore lint/suspicious/noExplicitAny: messages of all shapes, which the tests then look at
  const messages: any[] = []
  const frames: Frame[] = []
  let closed: { code: number; reason: string } | null = null
  ws.on('message', (data: Buffer, isBinary) => {
    if (!isBinary) messages.push(JSON.parse(data.toString()))
    else frames.push({ stream: data.readUInt8(0), offset: Number(data.readBigUInt64BE(1)), data: data.subarray(9) })
  })
  ws.on('error', () => {})
  ws.on('close', (code, reason) => {
    closed = { code, reason: reason.toString() }
  })
  const text = (stream: number) =>
    frames
      .filter((one) => one.stream === stream)
      .map((one) => one.data.toString())
      .join('')
  return { messages, frames, text, closed: () => closed, types: () => messages.map((one) => one.type) }
}

async function open(query = '', ...rest: [] | [object] | [object, string[]]) {
  const ws = world.socket(`/sandboxes/${id}/processes/connect${query}`, rest[0], rest[1])
  const seen = record(ws)
  await once(ws, 'open')
  return { ws, ...seen }
}

async function started(message: object) {
  const opened = await open()
  opened.ws.send(JSON.stringify({ type: 'start', ...message }))
  await expect.poll(opened.types).toContain('started')
  return opened
}

const processes = () => world.guest(id).then((guest) => guest.processes.list())

describe('a process over a WebSocket', () => {
  it('starts, takes input, and ends the connection when it ends', async () => {
    const { ws, messages, text, closed, frames } = await started({ args: ['cat'] })
    expect(messages[0].process).toMatchObject({ args: ['cat'], exit: null })
    ws.send(Buffer.from('one '))
    ws.send(Buffer.from('two'))
    ws.send(JSON.stringify({ type: 'closeStdin' }))
    await expect.poll(closed).toEqual({ code: 1000, reason: 'The process ended' })
    expect(text(1)).toBe('one two')
    expect(frames[0]).toMatchObject({ stream: 1, offset: 0 })
    expect(messages.at(-1)).toMatchObject({ type: 'exit', exit: { code: 0 } })
  })

  it('tells its streams apart and gives each its offsets', async () => {
    const { text, frames, closed } = await started({ command: 'echo out; echo err >&2; echo more' })
    await expect.poll(closed).toMatchObject({ code: 1000 })
    expect([text(1), text(2)]).toEqual(['out\nmore\n', 'err\n'])
    expect(frames.filter((one) => one.stream === 1).at(-1)?.offset).toBe(4)
  })

  it('resizes and signals a terminal', async () => {
    const { ws, text, messages, closed } = await started({ args: ['terminal-size'], pty: { cols: 80, rows: 24 } })
    ws.send(JSON.stringify({ type: 'resize', cols: 120, rows: 50 }))
    await expect.poll(() => text(3)).toBe('80x24\r\n120x50\r\n')
    ws.send(JSON.stringify({ type: 'signal', signal: 'SIGTERM' }))
    await expect.poll(closed).toMatchObject({ code: 1000 })
    expect(messages.at(-1)).toMatchObject({ type: 'exit', exit: { signal: 'SIGTERM' } })
  })

  it('goes on without its client, which can come back where it left off', async () => {
    const first = await started({ args: ['holder', 'kept'], tag: 'left' })
    await expect.poll(() => first.text(1)).toBe('ready\n')
    const process = first.messages[0].process.id
    first.ws.terminate()
    const second = await open(`?process=${process}&stdout=3`)
    await expect.poll(() => second.text(1)).toBe('dy\n')
    expect(second.messages[0]).toMatchObject({ type: 'started', process: { id: process, exit: null } })
    second.ws.send(Buffer.from('? here\n'))
    await expect.poll(() => second.text(1)).toBe('dy\nhere: kept\n')
    const third = await open(`?process=${process}&from=now`)
    await expect.poll(third.types).toEqual(['started'])
    second.ws.send(Buffer.from('? both\n'))
    await expect.poll(() => third.text(1)).toBe('both: kept\n')
    for (const { ws } of [second, third]) ws.close()
  })

  it('is not run ahead of a client that does not read', async () => {
    const size = 30_000_000
    const { ws, frames, closed, messages } = await started({ id: 'flood', args: ['spam', String(size)] })
    ws.pause()
    const machines = [...world.host.incarnations.values()].map((one) => one.machine)
    const blocked = () => machines.some((one) => one.processes.some((process) => one.output(process).blocked))
    await expect.poll(blocked).toBe(true)
    expect((await jsonOf(await world.get(`/sandboxes/${id}/processes/flood`))).exit).toBeNull()
    ws.resume()
    await expect.poll(closed).toMatchObject({ code: 1000 })
    expect(messages.map((one) => one.type)).toEqual(['started', 'exit'])
    let next = 0
    for (const { offset, data } of frames) {
      expect(offset).toBe(next)
      next += data.length
    }
    expect(next).toBe(size)
  })

  it('takes much input at the pace the program reads', async () => {
    const { ws, frames, closed } = await started({ args: ['cat'] })
    for (let i = 0; i < 40; i++) ws.send(Buffer.alloc(100_000, i))
    ws.send(JSON.stringify({ type: 'closeStdin' }))
    await expect.poll(closed).toMatchObject({ code: 1000 })
    const all = Buffer.concat(frames.map((one) => one.data))
    expect(all.length).toBe(4_000_000)
    for (let i = 0; i < 40; i++) expect(all[i * 100_000 + 50_000]).toBe(i)
  })

  it('says what a request of the client met and goes on', async () => {
    const { ws, types, messages, closed } = await started({ args: ['cat'] })
    ws.send(JSON.stringify({ type: 'signal', signal: 'SIGNONSENSE' }))
    await expect.poll(types).toContain('error')
    expect(messages.at(-1)).toMatchObject({ error: { code: expect.any(String), requestId: expect.any(String) } })
    expect(closed()).toBeNull()
    ws.close()
    world.failures.length = 0
  })

  it('lets go of a client that asks without end and reads none of the answers', async () => {
    const upgraded = once(world.app.server, 'upgrade')
    const { ws, closed } = await started({ args: ['cat'] })
    const [, socket] = await upgraded
    ws.pause()
    for (let n = 0; n < 60_000; n++) ws.send('{"type":"signal","signal":"SIGNONSENSE"}')
    // What has been sent may not have been answered: one that reads again now would be let keep its connection.
    await expect.poll(() => socket.destroyed).toBe(true)
    ws.resume()
    await expect.poll(closed).toMatchObject({ code: 1006 })
    world.failures.length = 0
  })

  it('closes with 1011 when the server fails, and keeps the cause to itself', async () => {
    const { processes } = await world.guest(id)
    const honest = processes.startAndFollow
    processes.startAndFollow = async () => {
      throw new Error('secret path')
    }
    const { ws, messages, closed } = await open()
    ws.send(JSON.stringify({ type: 'start', command: 'true' }))
    await expect.poll(closed).toEqual({ code: 1011, reason: 'internal' })
    processes.startAndFollow = honest
    expect(JSON.stringify(messages)).not.toContain('secret')
    expect(world.failures).toMatchObject([{ requestId: messages[0].error.requestId }])
    world.failures.length = 0
  })

  it('says why when the sandbox goes', async () => {
    const other = await world.sandbox()
    const ws = world.socket(`/sandboxes/${other}/processes/connect`)
    const seen = record(ws)
    await once(ws, 'open')
    ws.send(JSON.stringify({ type: 'start', args: ['sleep', '1000'] }))
    await expect.poll(seen.types).toEqual(['started'])
    await world.call('DELETE', `/sandboxes/${other}`)
    await expect.poll(seen.closed).toEqual({ code: 1008, reason: 'stale_incarnation' })
    expect(seen.messages.at(-1)).toMatchObject({ type: 'error', error: { code: 'stale_incarnation' } })
  })
})

describe('a key', () => {
  it('can come as a subprotocol, which is not echoed', async () => {
    const { ws, types } = await open('', {}, ['spawnpoint.v1', `spawnpoint.key.${world.key}`])
    expect(ws.protocol).toBe('spawnpoint.v1')
    ws.send(JSON.stringify({ type: 'start', command: 'true' }))
    await expect.poll(types).toEqual(['started', 'exit'])
  })

  it.each([
    ['no key', {}, 401],
    ['a query that is none', { query: '?process=x&from=later' }, 400],
    ['an unknown query parameter', { query: '?prozess=x' }, 400],
    ['an unknown process', { query: '?process=nobody' }, 404],
  ])('is not enough with %s', async (_, given: { query?: string }, status) => {
    const options = given.query === undefined ? {} : { headers: world.withKey() }
    const ws = world.socket(`/sandboxes/${id}/processes/connect${given.query ?? ''}`, options)
    ws.on('error', () => {})
    const [, response] = await once(ws, 'unexpected-response')
    expect([response.statusCode, response.headers['content-type']]).toEqual([status, 'application/problem+json'])
  })
})

describe('garbage', () => {
  it.each([
    ['text that is not JSON', 'nonsense', 1003],
    ['JSON of another kind', '[1]', 1008],
    ['an unknown first message', '{"type":"begin"}', 1008],
    ['no program', '{"type":"start"}', 1008],
    ['an unknown field', '{"type":"start","command":"true","shell":"bash"}', 1008],
    ['bytes first', Buffer.from('x'), 1008],
    ['far too much', 'x'.repeat(2_000_000), 1009],
  ])('before the start, %s, closes and starts nothing', async (_, message, code) => {
    const before = (await processes()).length
    const { ws, closed } = await open()
    ws.send(message)
    await expect.poll(closed).toMatchObject({ code })
    if (code !== 1009) expect(closed()).toMatchObject({ reason: expect.stringMatching(/./) })
    expect((await processes()).length).toBe(before)
  })

  it.each([
    ['text that is not JSON', '{', 1003],
    ['an unknown message', '{"type":"dance"}', 1008],
    ['a size that is none', '{"type":"resize","cols":-1,"rows":1}', 1008],
    ['a second start', '{"type":"start","command":"true"}', 1008],
  ])('afterwards, %s, closes and leaves the process', async (_, message, code) => {
    const { ws, messages, closed } = await started({ args: ['cat'] })
    ws.send(message)
    await expect.poll(closed).toMatchObject({ code })
    const { id: process } = messages[0].process
    expect((await jsonOf(await world.get(`/sandboxes/${id}/processes/${process}`))).exit).toBeNull()
  })

  it('in the framing closes with 1002', async () => {
    const { ws, closed } = await open()
    // A frame with reserved bits set, past the client's own framing.
    ;(ws as unknown as { _socket: { write(data: Buffer): void } })._socket.write(Buffer.from([0xff, 0xff, 0, 0]))
    await expect.poll(closed).toMatchObject({ code: 1002 })
  })

  it('in the handshake is refused', async () => {
    const headers = { ...world.withKey(), connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '99' }
    const req = request(`${world.url}/v1/sandboxes/${id}/processes/connect`, { headers })
    req.end()
    const [response] = await once(req, 'response')
    expect(response.statusCode).toBe(400)
    expect(world.failures).toEqual([])
  })
})
