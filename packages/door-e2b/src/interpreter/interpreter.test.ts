import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { newId, SpawnpointError, type TokensApi } from '@spawnpoint/core'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type InterpretedSandbox, Interpreter } from './service.ts'
import { FakeJupyter } from './testing/fake-jupyter.ts'

const tokens: TokensApi = {
  issue: (purpose, subject) => `${purpose} ${subject}`,
  issueFor: async (_by, purpose, subject) => `${purpose} ${subject}`,
  verify: (purpose, subject, token) => token === `${purpose} ${subject}`,
}
let jupyter: FakeJupyter
let sandbox: InterpretedSandbox
let server: Server
let url: string
let warnings: number
/** Answers that have ended or were given up */
let closed: number

beforeEach(async () => {
  jupyter = new FakeJupyter()
  warnings = 0
  closed = 0
  sandbox = {
    id: newId(),
    incarnationId: newId(),
    defaults: { env: {}, user: 'user', workdir: '/home/user', startCommand: [] },
    env: { MINE: 'own' },
    ingress: { default: 'open', ports: { 49983: 'open' }, hostHeader: null },
  }
  const warn = () => {
    warnings += 1
  }
  const interpreter = new Interpreter({ tokens, log: { warn, error: warn } })
  server = createServer((req, res) => {
    res.once('close', () => {
      closed += 1
    })
    interpreter
      .request({ req, res, sandbox, guest: async () => ({ sandbox, guest: jupyter.inside }) })
      .catch(() => res.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
  jupyter.close()
})

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url + path, { method: 'POST', body: JSON.stringify(body), headers })

/** What it says; unchecked, as a client of another language would take it. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the test expects of it fails by itself where it is not so
const json = async (answer: Promise<Response>): Promise<any> => (await answer).json()

async function lines(answer: Promise<Response>): Promise<Record<string, unknown>[]> {
  const response = await answer
  expect(response.status).toBe(200)
  const text = await response.text()
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

const END = { type: 'end_of_execution' }

describe('an execution', () => {
  it('streams what the kernel says, line by line, in ASCII', async () => {
    jupyter.run = ({ send }) => {
      send('execute_input', { execution_count: 3 })
      send('stream', { name: 'stdout', text: 'größe 🎉\n' })
      send('comm_open', { nobody: 'shows it' })
      send('execute_result', { data: { 'text/plain': "'x'" } })
      send('error', { ename: 'E', evalue: 'v', traceback: ['\u001b[31ma\u001b[0m', 'b'] })
    }
    const text = await (await post('/execute', { code: 'x' })).text()
    expect(text).toMatch(/^[ -~\n]*$/)
    expect(await lines(post('/execute', { code: 'x' }))).toEqual([
      { type: 'number_of_executions', execution_count: 3 },
      { type: 'stdout', text: 'größe 🎉\n', timestamp: '2026-01-01T00:00:00Z' },
      { type: 'result', is_main_result: true, text: 'x' },
      { type: 'error', name: 'E', value: 'v', traceback: 'a\nb' },
      END,
    ])
  })

  it('begins to answer before the code is done', async () => {
    const go = Promise.withResolvers<void>()
    jupyter.run = () => go.promise
    const response = await post('/execute', { code: 'x' })
    expect(response.status).toBe(200)
    go.resolve()
    expect(await response.text()).toContain('end_of_execution')
  })

  it('says that it still runs, to clients that would give it up', async () => {
    const go = Promise.withResolvers<void>()
    jupyter.run = () => go.promise
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const answer = post('/execute', { code: 'x' })
    await answer
    vi.advanceTimersByTime(60_000)
    go.resolve()
    expect(await lines(answer)).toEqual([{ type: 'keepalive' }, END])
  })

  it('runs alone in its context, in the order it came, and beside others in theirs', async () => {
    const context = await json(post('/contexts', {}))
    const go = Promise.withResolvers<void>()
    const running: string[] = []
    jupyter.run = async ({ code }) => {
      running.push(code)
      await go.promise
    }
    const first = post('/execute', { code: 'first' })
    await expect.poll(() => running).toEqual(['first'])
    const second = post('/execute', { code: 'second' })
    const beside = post('/execute', { code: 'beside', context_id: context.id })
    await expect.poll(() => running).toEqual(['first', 'beside'])
    go.resolve()
    await Promise.all([first, second, beside].map(lines))
    expect(running).toEqual(['first', 'beside', 'second'])
    expect(jupyter.sessions).toHaveLength(2)
  })

  it('has variables of its own, which are gone afterwards', async () => {
    await lines(post('/execute', { code: 'first', env_vars: { MINE: 'other', NEW: 'x' } }))
    await lines(post('/execute', { code: 'second' }))
    const at = jupyter.executed.indexOf('first')
    expect(jupyter.executed[at - 1]).toContain('other')
    expect(jupyter.executed[at + 1]).toMatch(/pop.*NEW/)
    expect(jupyter.executed.at(-1)).toBe('second')
  })

  it('that nobody waits for any more is interrupted, and one that waits for its turn is not begun', async () => {
    const interrupted = Promise.withResolvers<void>()
    jupyter.rest = (req) => {
      if (req.url?.endsWith('/interrupt')) interrupted.resolve()
      return false
    }
    jupyter.run = ({ code }) => (code === 'long' ? interrupted.promise : undefined)
    const long = new AbortController()
    const waiting = new AbortController()
    const ask = (code: string, { signal }: AbortController) =>
      fetch(`${url}/execute`, { method: 'POST', body: JSON.stringify({ code }), signal })
    const [first, second] = [await ask('long', long), await ask('never', waiting)]
    await expect.poll(() => jupyter.executed).toContain('long')
    waiting.abort()
    await expect(second.text()).rejects.toThrow()
    await expect.poll(() => closed).toBe(1)
    long.abort()
    await expect(first.text()).rejects.toThrow()
    await interrupted.promise
    await lines(post('/execute', { code: 'after' }))
    expect(jupyter.executed).not.toContain('never')
    await expect.poll(() => jupyter.open).toBe(0)
  })

  it('ends with an error when the kernel dies, is restarted, or breaks off', async () => {
    const named = (name: string) => [expect.objectContaining({ type: 'error', name }), END]
    jupyter.run = ({ send }) => send('status', { execution_state: 'restarting' })
    expect(await lines(post('/execute', { code: 'x' }))).toEqual(named('ContextRestarting'))
    jupyter.run = ({ send }) => send('status', { execution_state: 'dead' })
    expect(await lines(post('/execute', { code: 'x' }))).toEqual(named('ContextDied'))
    jupyter.run = ({ socket }) => socket.terminate()
    expect(await lines(post('/execute', { code: 'x' }))).toEqual(named('UnexpectedEndOfExecution'))
    const [{ id }] = await json(fetch(`${url}/contexts`))
    for (const [path, name] of [
      ['/restart', 'ContextRestarting'],
      ['', 'UnexpectedEndOfExecution'],
    ]) {
      jupyter.run = () => new Promise(() => {})
      const answer = post('/execute', { code: `runs ${path}` })
      await expect.poll(() => jupyter.executed).toContain(`runs ${path}`)
      const method = path === '' ? 'DELETE' : 'POST'
      expect((await fetch(`${url}/contexts/${id}${path}`, { method })).status).toBe(200)
      expect(await lines(answer)).toEqual(named(name ?? ''))
    }
  })

  it('is asked for anew where a connection reaches no kernel, until nobody waits for it', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    jupyter.deaf = 2
    const answer = post('/execute', { code: 'x' })
    const unheard = () => expect.poll(() => jupyter.unheard, { interval: 5 })
    await unheard().toBe(1)
    vi.advanceTimersByTime(5_000)
    await unheard().toBe(2)
    vi.advanceTimersByTime(10_000)
    expect(await lines(answer)).toEqual([END])

    jupyter.deaf = Number.POSITIVE_INFINITY
    const leaving = new AbortController()
    const { signal } = leaving
    const given = await fetch(`${url}/execute`, { method: 'POST', body: '{"code":"y"}', signal })
    await unheard().toBe(3)
    leaving.abort()
    await expect(given.text()).rejects.toThrow()
    jupyter.deaf = 0
    expect(await lines(post('/execute', { code: 'z' }))).toEqual([END])
    expect(jupyter.executed).not.toContain('y')
  })

  it('does not wait for ever to be let in to its kernel, nor at all for nobody', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const kept = () => expect.poll(() => jupyter.mute, { interval: 5 })
    jupyter.mute = 1
    const answer = post('/execute', { code: 'x' })
    await kept().toBe(0)
    vi.advanceTimersByTime(60_000)
    expect(await lines(answer)).toContainEqual(expect.objectContaining({ type: 'error' }))

    jupyter.mute = 1
    const leaving = new AbortController()
    const { signal } = leaving
    const given = await fetch(`${url}/execute`, { method: 'POST', body: '{"code":"y"}', signal })
    await kept().toBe(0)
    leaving.abort()
    await expect(given.text()).rejects.toThrow()
    expect(await lines(post('/execute', { code: 'z' }))).toEqual([END])
  })

  it('breaks off when the sandbox is gone', async () => {
    jupyter.run = ({ socket }) => {
      jupyter.gone = true
      socket.terminate()
    }
    const response = await post('/execute', { code: 'x' })
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
  })

  it('holds the kernel back while the client does not read', async () => {
    const piece = 'x'.repeat(2 ** 20)
    const all = Promise.withResolvers<void>()
    let buffered = () => 0
    jupyter.run = async ({ send, socket }) => {
      buffered = () => socket.bufferedAmount
      for (let sent = 0; sent < 64; sent += 1) {
        send('stream', { name: 'stdout', text: piece })
        await new Promise((next) => setImmediate(next))
      }
      all.resolve()
    }
    const req = request(`${url}/execute`, { method: 'POST' })
    req.end(JSON.stringify({ code: 'much' }))
    const [response] = await once(req, 'response')
    response.pause()
    await all.promise
    expect(buffered()).toBeGreaterThan(16 * 2 ** 20)
    let received = 0
    for await (const chunk of response) received += chunk.length
    expect(received).toBeGreaterThan(64 * 2 ** 20)
  })
})

describe('contexts', () => {
  it('are made, listed, restarted and removed; code without one has the default of its language', async () => {
    const made = await json(post('/contexts', { language: 'Python', cwd: '/tmp' }))
    expect(made).toEqual({ id: expect.any(String), language: 'python', cwd: '/tmp' })
    await lines(post('/execute', { code: 'x' }))
    await lines(post('/execute', { code: 'x', language: 'python' }))
    await lines(post('/execute', { code: 'x', context_id: 'default' }))
    const list = await json(fetch(`${url}/contexts`))
    expect(list).toEqual([made, { id: expect.any(String), language: 'python', cwd: '/home/user' }])
    expect((await fetch(`${url}/contexts/${made.id}`, { method: 'DELETE' })).status).toBe(200)
    for (const [path, method] of [
      ['', 'DELETE'],
      ['/restart', 'POST'],
    ]) {
      const gone = await fetch(`${url}/contexts/${made.id}${path}`, { method: method ?? '' })
      expect([gone.status, await gone.text()]).toEqual([404, `Context ${made.id} not found`])
    }
    expect((await post('/execute', { code: 'x', context_id: made.id })).status).toBe(404)
  })

  it('of others are not ours', async () => {
    const kernel = { id: 'their-kernel', name: 'python3' }
    jupyter.sessions.push({ id: 'theirs', path: 'notes.ipynb', name: 'notes', type: 'notebook', kernel })
    expect(await json(fetch(`${url}/contexts`))).toHaveLength(1)
    expect((await fetch(`${url}/contexts/their-kernel`, { method: 'DELETE' })).status).toBe(404)
  })
})

describe('Jupyter', () => {
  it('is started on first use, once for all who ask at the same time', async () => {
    jupyter.listening = false
    await Promise.all([1, 2, 3].map(() => lines(post('/execute', { code: 'x' }))))
    expect(jupyter.started).toHaveLength(1)
    expect(jupyter.sessions).toHaveLength(1)
  })

  it('that the image starts is waited for', async () => {
    jupyter.listening = false
    const args = ['/bin/bash', '-c', 'exec env A=b jupyter-server --port=49999']
    const about = { pid: 2, env: {}, cwd: '/', user: 'user', tag: null, pty: false, startedAt: new Date(), exit: null }
    jupyter.processes = [{ id: 'start', args, ...about }]
    const answer = post('/execute', { code: 'x' })
    await expect.poll(() => jupyter.dialled).toBeGreaterThan(3)
    jupyter.listening = true
    await lines(answer)
    expect(jupyter.started).toEqual([])
  })

  it('that the image does not have is told', async () => {
    jupyter.listening = false
    jupyter.start = () => {
      throw new SpawnpointError('guest_error', 'no such program', { errno: 'ENOENT', path: 'jupyter-server' })
    }
    const response = await post('/execute', { code: 'x' })
    expect(response.status).toBe(501)
    expect(response.statusText).toContain('code-interpreter-v1')
  })

  it.each([
    ['no JSON', 200, '<html>'],
    ['JSON of another kind', 200, '{"sessions":7}'],
    [
      'ids that are paths',
      200,
      JSON.stringify([
        { ...{ id: 'a', path: 'x/y', name: 'python', type: 'code-interpreter' }, kernel: { id: '../../etc' } },
      ]),
    ],
    ['an error', 403, '[]'],
    ['more than anybody has', 200, `[${'0,'.repeat(3_000_000)}0]`],
  ])('that answers %s is told of, and logged', async (_, status, body) => {
    jupyter.rest = (_req, res) => {
      res.writeHead(status)
      res.end(body)
      return true
    }
    const response = await post('/execute', { code: 'x' })
    expect(response.status).toBe(500)
    expect(await response.text()).toContain('The code interpreter in the sandbox failed')
    expect(warnings).toBe(1)
    await expect.poll(() => jupyter.open).toBe(0)
  })

  it('whose kernel sends what is no message, or too large, does no harm', async () => {
    jupyter.run = ({ socket, send }) => {
      for (const text of ['', '{', '[]', '7', '{"header":{}}', '{"header":{"msg_type":1},"content":{}}'])
        socket.send(text)
      socket.send(Buffer.alloc(100))
      send('stream', { name: 'stdout', text: 7 })
      send('execute_result', { data: 'none' })
      send('execute_input', {})
      send('stream', { name: 'stdout', text: 'fine' })
    }
    expect(await lines(post('/execute', { code: 'x' }))).toEqual([expect.objectContaining({ text: 'fine' }), END])
    jupyter.run = ({ send }) => send('stream', { name: 'stdout', text: 'x'.repeat(33 * 2 ** 20) })
    expect(await lines(post('/execute', { code: 'x' }))).toEqual([
      expect.objectContaining({ name: 'UnexpectedEndOfExecution' }),
      END,
    ])
  })
})

describe('a request', () => {
  it.each([
    ['no JSON', '{', 400],
    ['code that is no text', '{"code":7}', 400],
    ['no code', '{}', 400],
    ['both language and context', '{"code":"","language":"python","context_id":"x"}', 400],
    ['a language that is not there', '{"code":"","language":"r"}', 400],
    ['a variable without a name', '{"code":"","env_vars":{"":"x"}}', 400],
    ['a variable with a NUL', '{"code":"","env_vars":{"A":"\\u0000"}}', 400],
    ['more than fits', `{"code":"${'x'.repeat(9 * 2 ** 20)}"}`, 413],
  ])('with %s is refused and runs nothing', async (_, body, status) => {
    const response = await fetch(`${url}/execute`, { method: 'POST', body })
    expect(response.status).toBe(status)
    expect(jupyter.executed).toEqual([])
  })

  it('for a directory that is none, or for what there is not, is refused', async () => {
    expect((await post('/contexts', { cwd: '/nowhere' })).status).toBe(400)
    expect((await post('/contexts', { cwd: '' })).status).toBe(400)
    for (const path of ['/', '/api/sessions', '/contexts/a/b', '/execute/'])
      expect((await post(path, {})).status).toBe(404)
    expect((await fetch(`${url}/execute`)).status).toBe(404)
    expect(jupyter.sessions).toEqual([])
  })

  it('shows the tokens that the sandbox asks for', async () => {
    const execute = async (headers: Record<string, string>) => (await post('/execute', { code: 'x' }, headers)).status
    const list = async (headers: Record<string, string>) => (await fetch(`${url}/contexts`, { headers })).status
    sandbox.ingress.ports = {}
    expect([await execute({}), await execute({ 'x-access-token': `envd ${sandbox.id}x` })]).toEqual([401, 401])
    expect([await execute({ 'x-access-token': `envd ${sandbox.id}` }), await list({})]).toEqual([200, 200])
    sandbox.ingress.default = 'token'
    const traffic = { 'e2b-traffic-access-token': `ingress ${sandbox.id}` }
    expect([await list({}), await list(traffic), await execute(traffic)]).toEqual([403, 200, 401])
    expect(await execute({ ...traffic, 'x-access-token': `envd ${sandbox.id}` })).toBe(200)
    sandbox.ingress.ports = { 49999: 'closed' }
    expect(await list(traffic)).toBe(403)
  })
})
