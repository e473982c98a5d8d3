import { describe, expect, test } from 'vitest'
import { ConnectionError, type ProcessOutput, Spawnpoint } from './index.ts'
import { json, lines, openStubServer, problem, type Reply } from './testing/stub-server.ts'

const SANDBOX = { id: 'b'.repeat(24), state: 'running', createdAt: '2026-01-01T00:00:00.000Z' }
const PROCESS = {
  id: 'p',
  pid: 7,
  args: ['x'],
  cwd: '/',
  user: 'root',
  tag: null,
  pty: false,
  startedAt: '2026-01-01T00:00:00.000Z',
  exit: null,
}
const EXIT = { type: 'exit', exit: { code: 0, signal: null, timedOut: false, at: '2026-01-01T00:00:01.000Z' } }
const started = { type: 'started', process: PROCESS }
const data = (offset: number, text: string, stream = 'stdout') => ({
  type: 'data',
  stream,
  offset,
  data: text,
  encoding: 'utf8',
})

async function startAgainst(...script: Reply[]) {
  const server = await openStubServer(json(200, SANDBOX), ...script)
  const retry = { baseMs: 2, maxMs: 5, repeats: 2, reconnectMs: 200 }
  const client = new Spawnpoint({ url: server.url, apiKey: 'k', retry })
  const sandbox = await client.sandboxes.get('x')
  return { server, start: (options = {}) => sandbox.processes.start(['x'], options) }
}

async function textOf(process: AsyncIterable<ProcessOutput>): Promise<string> {
  let text = ''
  for await (const piece of process) {
    text +=
      piece.type === 'data' ? Buffer.from(piece.data).toString() : `[${piece.stream} ${piece.offset}-${piece.resumeAt}]`
  }
  return text
}

describe('output', () => {
  test('goes on at the next byte of each stream after the connection breaks', async () => {
    const { server, start } = await startAgainst(
      lines([started, data(0, 'abc'), data(0, 'E', 'stderr')], 'break'),
      lines([started, data(3, 'def'), EXIT], 'end'),
    )
    await using _server = server
    expect(await textOf(await start())).toBe('abcEdef')
    expect(server.received[2]?.url).toMatch(/\/processes\/p\/output\?stdout=3&stderr=1$/)
  })

  test('bytes that come twice are dropped, also in part; missing ones are a gap', async () => {
    const { server, start } = await startAgainst(
      lines([started, data(0, 'abc')], 'break'),
      lines([started, data(0, 'ab'), data(1, 'bcd'), data(4, 'e'), data(10, 'k'), EXIT], 'end'),
    )
    await using _server = server
    expect(await textOf(await start())).toBe('abcde[stdout 5-10]k')
  })

  test('a gap told by the server is told once', async () => {
    const { server, start } = await startAgainst(
      lines([started, { type: 'gap', stream: 'stdout', offset: 0, resumeAt: 100 }, data(100, 'x')], 'break'),
      lines([started, data(101, 'y'), EXIT], 'end'),
    )
    await using _server = server
    expect(await textOf(await start())).toBe('[stdout 0-100]xy')
  })

  test('an answer that ends politely without an exit is a broken one', async () => {
    const { server, start } = await startAgainst(
      lines([started, data(0, 'a')], 'end'),
      lines([started, data(1, 'b'), EXIT], 'end'),
    )
    await using _server = server
    expect(await textOf(await start())).toBe('ab')
  })

  test('half a line at the end is asked for again', async () => {
    const half: Reply = (response) => {
      response.writeHead(200)
      const text = `${JSON.stringify(started)}\n${JSON.stringify(data(0, 'abc'))}\n${JSON.stringify(data(3, 'def')).slice(0, 30)}`
      response.write(text, () => response.destroy())
    }
    const { server, start } = await startAgainst(half, lines([started, data(3, 'def'), EXIT], 'end'))
    await using _server = server
    expect(await textOf(await start())).toBe('abcdef')
  })

  test('an error in the stream is asked about; the answer counts', async () => {
    const ended = { type: 'error', error: { code: 'stale_incarnation', detail: 'gone', context: { sandboxId: 'x' } } }
    const { server, start } = await startAgainst(
      lines([started, data(0, 'a'), ended], 'end'),
      problem(409, 'wrong_state', { resource: 'sandbox', id: 'x', state: 'paused', request: 'guest' }),
      lines([started, data(1, 'b'), EXIT], 'end'),
    )
    await using _server = server
    const process = await start()
    await expect(textOf(process)).rejects.toMatchObject({ code: 'wrong_state', context: { state: 'paused' } })
    // Resumed meanwhile: reading goes on.
    expect(await textOf(process)).toBe('b')
    expect(process.exit?.code).toBe(0)
  })

  test('gives up when the server stays away', async () => {
    const { server, start } = await startAgainst(
      lines([started, data(0, 'a')], 'break'),
      (response) => void response.destroy(),
    )
    await using _server = server
    await expect(textOf(await start())).rejects.toThrow(ConnectionError)
    expect(server.received.length).toBeGreaterThan(4)
  })

  test('a start that breaks before it is confirmed is repeated under the same id', async () => {
    const { server, start } = await startAgainst(
      lines([], 'break'),
      lines([{ type: 'heartbeat' }].slice(1), 'end'),
      lines([started, data(0, 'once'), EXIT], 'end'),
    )
    await using _server = server
    expect(await textOf(await start())).toBe('once')
    const ids = server.received.slice(1).map(({ body }) => JSON.parse(body).id)
    expect(ids).toHaveLength(3)
    expect(new Set(ids).size).toBe(1)
  })

  test('characters cut in two come out whole', async () => {
    const bytes = Buffer.from('héllo €')
    const pieces = [...bytes].map((byte, offset) => ({
      type: 'data',
      stream: 'stdout',
      offset,
      data: Buffer.from([byte]).toString('base64'),
      encoding: 'base64',
    }))
    const { server, start } = await startAgainst(lines([started, ...pieces, EXIT], 'end'))
    await using _server = server
    const seen: string[] = []
    const { stdout } = await (await start()).result({ onStdout: (text) => seen.push(text) })
    expect(stdout).toBe('héllo €')
    expect(seen).toEqual([...'héllo €'])
  })

  test('a handle nobody reads lets go of its connection; reading later fetches from where it was', async () => {
    const big = data(0, 'x'.repeat(3_000_000))
    let closed: () => void = () => {}
    const letGo = new Promise<void>((resolve) => {
      closed = resolve
    })
    const endless: Reply = (response) => {
      response.on('close', () => closed())
      response.writeHead(200)
      response.write(
        [started, big, data(3_000_000, 'y'.repeat(3_000_000))].map((line) => `${JSON.stringify(line)}\n`).join(''),
      )
    }
    const { server, start } = await startAgainst(endless, lines([started, data(6_000_000, 'z'), EXIT], 'end'))
    await using _server = server
    const process = await start()
    await letGo
    const text = await textOf(process)
    expect(text.length).toBe(6_000_001)
    expect(server.received[2]?.url).toContain('stdout=6000000')
  })

  test('two iterations at once are refused', async () => {
    const { server, start } = await startAgainst(lines([started, data(0, 'a')], 'stay'))
    await using _server = server
    const process = await start()
    const first = process[Symbol.asyncIterator]()
    await first.next()
    await expect(process[Symbol.asyncIterator]().next()).rejects.toThrow(/under way/)
    await first.return(undefined)
  })

  test('a signal ends reading, and only that', async () => {
    const { server, start } = await startAgainst(lines([started, data(0, 'a')], 'stay'))
    await using _server = server
    const process = await start()
    const aborter = new AbortController()
    const read = async () => {
      for await (const _piece of process.follow({ signal: aborter.signal })) aborter.abort(new Error('enough'))
    }
    await expect(read()).rejects.toThrow('enough')
    expect(server.received.some(({ url }) => url.endsWith('/signal'))).toBe(false)
  })
})
