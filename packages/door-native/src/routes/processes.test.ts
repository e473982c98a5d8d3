import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DoorWorld, jsonOf, linesOf, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
let id: string
beforeAll(async () => {
  world = await openDoorWorld()
  id = await world.sandbox()
})
afterAll(() => world[Symbol.asyncDispose]())

const run = (body: object, query = '', headers: Record<string, string> = {}) =>
  world.post(`/sandboxes/${id}/processes${query}`, body, headers)

/** Starts a process in the background and answers its path. */
async function start(body: object): Promise<string> {
  const response = await run({ ...body, background: true })
  expect(response.status).toBe(201)
  const { id: process } = await jsonOf(response)
  expect(response.headers.get('location')).toBe(`/v1/sandboxes/${id}/processes/${process}`)
  return `/sandboxes/${id}/processes/${process}`
}

describe('a process that is waited for', () => {
  it('answers with its exit and output', async () => {
    const response = await run({ command: 'echo out; echo err >&2; exit 3' })
    expect(response.status).toBe(200)
    expect(await jsonOf(response)).toMatchObject({
      process: { args: ['/bin/sh', '-c', 'echo out; echo err >&2; exit 3'], pty: false, exit: { code: 3 } },
      exit: { code: 3, signal: null, timedOut: false },
      stdout: 'out\n',
      stderr: 'err\n',
      encoding: 'utf8',
      truncated: { stdout: false, stderr: false },
    })
  })

  it('gets what it was given', async () => {
    const given = { command: 'pwd; whoami; echo $A', env: { A: 'b' }, cwd: '/etc', user: 'root', tag: 'mine' }
    const { stdout, process } = await jsonOf(await run(given))
    expect(stdout).toBe('/etc\nroot\nb\n')
    expect(process.tag).toBe('mine')
    expect((await jsonOf(await run({ args: ['cat'], stdin: 'typed\n' }))).stdout).toBe('typed\n')
    expect((await jsonOf(await run({ args: ['cat'], stdin: '' }))).stdout).toBe('')
    const shown = await jsonOf(await run({ args: ['terminal-size'], pty: { cols: 90, rows: 30 }, timeoutMs: 50 }))
    expect(shown).toMatchObject({ stdout: '90x30\r\n', exit: { timedOut: true } })
  })

  it('answers in base64 what is not text', async () => {
    const answer = await jsonOf(await run({ args: ['spam', '300'] }))
    expect(answer.encoding).toBe('base64')
    expect([...Buffer.from(answer.stdout, 'base64')]).toEqual(Array.from({ length: 300 }, (_, i) => i % 251))
  })

  it('is the same process when it is started again under its id', async () => {
    const first = await start({ id: 'once', args: ['cat'], stdin: true })
    expect(first).toBe(`/sandboxes/${id}/processes/once`)
    const again = await jsonOf(await run({ id: 'once', args: ['cat'], stdin: true, background: true }))
    expect(again.pid).toBe((await jsonOf(await world.get(first))).pid)
  })

  it.each([
    [{}, 'body'],
    [{ command: 'true', args: ['true'] }, 'body'],
    [{ args: [] }, 'body.args'],
    [{ command: 'a\0b' }, 'body.command'],
    [{ command: 'true', pty: { cols: 0, rows: 1 } }, 'body.pty.cols'],
    [{ command: 'true', shell: 'bash' }, 'body.shell'],
  ])('is refused as %o', async (body, path) => {
    expect((await jsonOf(await run(body))).context.issues[0].path).toBe(path)
  })

  it('is refused where nothing runs', async () => {
    const other = await world.sandbox()
    await world.post(`/sandboxes/${other}/stop`)
    const response = await world.post(`/sandboxes/${other}/processes`, { command: 'true' })
    expect([response.status, (await jsonOf(response)).code]).toEqual([409, 'wrong_state'])
  })
})

describe('a process whose output is streamed', () => {
  it.each([
    ['?stream=ndjson', {}],
    ['', { accept: 'application/x-ndjson' }],
  ])('comes in lines with %s %o', async (query, headers) => {
    const response = await run({ command: 'echo one; echo two >&2' }, query, headers as Record<string, string>)
    expect(response.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = []
    for await (const line of linesOf(response)) lines.push(line)
    expect(lines).toMatchObject([
      { type: 'started', process: { pty: false } },
      { type: 'data', stream: 'stdout', offset: 0, data: 'one\n', encoding: 'utf8' },
      { type: 'data', stream: 'stderr', offset: 0, data: 'two\n', encoding: 'utf8' },
      { type: 'exit', exit: { code: 0 } },
    ])
  })

  it('says why it broke off', async () => {
    const other = await world.sandbox()
    const response = await world.post(`/sandboxes/${other}/processes?stream=ndjson`, { args: ['sleep', '1000'] })
    const lines = linesOf(response)
    expect((await lines.next()).value.type).toBe('started')
    await world.call('DELETE', `/sandboxes/${other}`)
    const last = (await lines.next()).value
    expect(last).toMatchObject({ type: 'error', error: { code: 'stale_incarnation', requestId: expect.any(String) } })
    expect((await lines.next()).done).toBe(true)
  })
})

describe('a process in the background', () => {
  it('is listed, fed, resized, signalled and waited for', async () => {
    const path = await start({ args: ['cat'], stdin: true, tag: 'feed' })
    const { items } = await jsonOf(await world.get(`/sandboxes/${id}/processes`))
    expect(items.find((one: { tag: string }) => one.tag === 'feed')).toMatchObject({ exit: null, args: ['cat'] })
    const fed = await world.call('POST', `${path}/stdin`, { body: 'first ', headers: { 'content-type': 'text/plain' } })
    expect(fed.status).toBe(204)
    expect((await world.call('POST', `${path}/stdin`, { body: new Uint8Array([104, 105]) })).status).toBe(204)
    expect((await world.call('DELETE', `${path}/stdin`)).status).toBe(204)
    expect(await jsonOf(await world.get(`${path}/wait`))).toMatchObject({ code: 0, signal: null })
    const texts = []
    for await (const line of linesOf(await world.get(`${path}/output?stdout=3`))) texts.push(line.data)
    expect(texts.join('')).toBe('st hi')

    const terminal = await start({ args: ['terminal-size'], pty: { cols: 80, rows: 24 } })
    expect((await world.post(`${terminal}/resize`, { cols: 100, rows: 40 })).status).toBe(204)
    const shown = linesOf(await world.get(`${terminal}/output`))
    await shown.next()
    let text = ''
    while (!text.endsWith('100x40\r\n')) text += (await shown.next()).value.data
    expect(text).toBe('80x24\r\n100x40\r\n')
    expect((await world.post(`${terminal}/signal`, { signal: 'SIGKILL' })).status).toBe(204)
    expect(await jsonOf(await world.get(`${terminal}/wait`))).toMatchObject({ code: 137, signal: 'SIGKILL' })
  })

  it('takes a long stdin as a stream and closes it when told', async () => {
    const path = await start({ args: ['cat'], stdin: true })
    const size = 2_000_000
    const output = world.get(`${path}/output`)
    const sent = await world.call('POST', `${path}/stdin?close=true`, { body: 'x'.repeat(size) })
    expect(sent.status).toBe(204)
    let received = 0
    for await (const line of linesOf(await output)) if (line.type === 'data') received += line.data.length
    expect(received).toBe(size)
  })

  it('is not found under another name', async () => {
    for (const path of ['nobody', 'pid:999999', 'nobody/output', 'nobody/wait']) {
      const response = await world.get(`/sandboxes/${id}/processes/${path}`)
      expect([response.status, (await jsonOf(response)).code]).toEqual([404, 'process_not_found'])
    }
  })

  it('is refused a signal that is none', async () => {
    expect((await world.post(`/sandboxes/${id}/processes/x/signal`, { signal: 'kill -9' })).status).toBe(400)
    expect((await world.post(`/sandboxes/${id}/processes/x/resize`, { cols: 1 })).status).toBe(400)
    expect((await world.get(`/sandboxes/${id}/processes/connect`)).status).toBe(400)
  })
})

describe('a client that goes away', () => {
  it('frees the follower and leaves the process', async () => {
    const path = await start({ args: ['spam', '16000000'] })
    const req = request(`${world.url}/v1${path}/output`, { headers: world.withKey() })
    req.on('error', () => {})
    await new Promise<void>((resolve) => {
      req.on('response', (response) => {
        response.pause()
        resolve()
      })
      req.end()
    })
    // A follower that does not read holds the process back: that is how one sees that it is there.
    const machines = [...world.host.incarnations.values()].map((one) => one.machine)
    const blocked = () => machines.some((one) => one.processes.some((process) => one.output(process).blocked))
    await expect.poll(blocked).toBe(true)
    expect((await jsonOf(await world.get(path))).exit).toBeNull()
    req.destroy()
    expect(await jsonOf(await world.get(`${path}/wait`))).toMatchObject({ code: 0 })
    expect(world.failures).toEqual([])
  })

  it('that waits for the end does the same', async () => {
    const leave = new AbortController()
    const waiting = world.call('POST', `/sandboxes/${id}/processes`, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id: 'left-alone', args: ['counter'] }),
      signal: leave.signal,
    })
    await expect.poll(async () => (await world.get(`/sandboxes/${id}/processes/left-alone`)).status).toBe(200)
    leave.abort()
    await expect(waiting).rejects.toThrow()
    expect((await jsonOf(await world.get(`/sandboxes/${id}/processes/left-alone`))).exit).toBeNull()
    expect(world.failures).toEqual([])
  })
})
