import { once } from 'node:events'
import { request } from 'node:http'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { END, json, lines, ServedInterpreter } from './testing/served-interpreter.ts'

const served = ServedInterpreter.forEachTest()

describe('an execution', () => {
  it('streams what the kernel says, line by line, in ASCII', async () => {
    served.jupyter.run = ({ send }) => {
      send('execute_input', { execution_count: 3 })
      send('stream', { name: 'stdout', text: 'größe 🎉\n' })
      send('comm_open', { nobody: 'shows it' })
      send('execute_result', { data: { 'text/plain': "'x'" } })
      send('error', { ename: 'E', evalue: 'v', traceback: ['\u001b[31ma\u001b[0m', 'b'] })
    }
    const text = await (await served.post('/execute', { code: 'x' })).text()
    expect(text).toMatch(/^[ -~\n]*$/)
    expect(await lines(served.post('/execute', { code: 'x' }))).toEqual([
      { type: 'number_of_executions', execution_count: 3 },
      { type: 'stdout', text: 'größe 🎉\n', timestamp: '2026-01-01T00:00:00Z' },
      { type: 'result', is_main_result: true, text: 'x' },
      { type: 'error', name: 'E', value: 'v', traceback: 'a\nb' },
      END,
    ])
  })

  it('begins to answer before the code is done', async () => {
    const go = Promise.withResolvers<void>()
    served.jupyter.run = () => go.promise
    const response = await served.post('/execute', { code: 'x' })
    expect(response.status).toBe(200)
    go.resolve()
    expect(await response.text()).toContain('end_of_execution')
  })

  it('says that it still runs, to clients that would give it up', async () => {
    const go = Promise.withResolvers<void>()
    served.jupyter.run = () => go.promise
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const answer = served.post('/execute', { code: 'x' })
    await answer
    vi.advanceTimersByTime(60_000)
    go.resolve()
    expect(await lines(answer)).toEqual([{ type: 'keepalive' }, END])
  })

  it('runs alone in its context, in the order it came, and beside others in theirs', async () => {
    const context = await json(served.post('/contexts', {}))
    const go = Promise.withResolvers<void>()
    const running: string[] = []
    served.jupyter.run = async ({ code }) => {
      running.push(code)
      await go.promise
    }
    const first = served.post('/execute', { code: 'first' })
    await expect.poll(() => running).toEqual(['first'])
    const second = served.post('/execute', { code: 'second' })
    const beside = served.post('/execute', { code: 'beside', context_id: context.id })
    await expect.poll(() => running).toEqual(['first', 'beside'])
    go.resolve()
    await Promise.all([first, second, beside].map(lines))
    expect(running).toEqual(['first', 'beside', 'second'])
    expect(served.jupyter.sessions).toHaveLength(2)
  })

  it('has variables of its own, which are gone afterwards', async () => {
    await lines(served.post('/execute', { code: 'first', env_vars: { MINE: 'other', NEW: 'x' } }))
    await lines(served.post('/execute', { code: 'second' }))
    const at = served.jupyter.executed.indexOf('first')
    expect(served.jupyter.executed[at - 1]).toContain('other')
    expect(served.jupyter.executed[at + 1]).toMatch(/pop.*NEW/)
    expect(served.jupyter.executed.at(-1)).toBe('second')
  })

  it('that nobody waits for any more is interrupted, and one that waits for its turn is not begun', async () => {
    const interrupted = Promise.withResolvers<void>()
    served.jupyter.rest = (req) => {
      if (req.url?.endsWith('/interrupt')) interrupted.resolve()
      return false
    }
    served.jupyter.run = ({ code }) => (code === 'long' ? interrupted.promise : undefined)
    const long = new AbortController()
    const waiting = new AbortController()
    const ask = (code: string, { signal }: AbortController) =>
      fetch(`${served.url}/execute`, { method: 'POST', body: JSON.stringify({ code }), signal })
    const [first, second] = [await ask('long', long), await ask('never', waiting)]
    await expect.poll(() => served.jupyter.executed).toContain('long')
    waiting.abort()
    await expect(second.text()).rejects.toThrow()
    await expect.poll(() => served.closed).toBe(1)
    long.abort()
    await expect(first.text()).rejects.toThrow()
    await interrupted.promise
    await lines(served.post('/execute', { code: 'after' }))
    expect(served.jupyter.executed).not.toContain('never')
    await expect.poll(() => served.jupyter.open).toBe(0)
  })

  it('ends with an error when the kernel dies, is restarted, or breaks off', async () => {
    const named = (name: string) => [expect.objectContaining({ type: 'error', name }), END]
    served.jupyter.run = ({ send }) => send('status', { execution_state: 'restarting' })
    expect(await lines(served.post('/execute', { code: 'x' }))).toEqual(named('ContextRestarting'))
    served.jupyter.run = ({ send }) => send('status', { execution_state: 'dead' })
    expect(await lines(served.post('/execute', { code: 'x' }))).toEqual(named('ContextDied'))
    served.jupyter.run = ({ socket }) => socket.terminate()
    expect(await lines(served.post('/execute', { code: 'x' }))).toEqual(named('UnexpectedEndOfExecution'))
    const [{ id }] = await json(fetch(`${served.url}/contexts`))
    for (const [path, name] of [
      ['/restart', 'ContextRestarting'],
      ['', 'UnexpectedEndOfExecution'],
    ]) {
      served.jupyter.run = () => new Promise(() => {})
      const answer = served.post('/execute', { code: `runs ${path}` })
      await expect.poll(() => served.jupyter.executed).toContain(`runs ${path}`)
      const method = path === '' ? 'DELETE' : 'POST'
      expect((await fetch(`${served.url}/contexts/${id}${path}`, { method })).status).toBe(200)
      expect(await lines(answer)).toEqual(named(name ?? ''))
    }
  })

  it('is asked for anew where a connection reaches no kernel, until nobody waits for it', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    served.jupyter.deaf = 2
    const answer = served.post('/execute', { code: 'x' })
    const unheard = () => expect.poll(() => served.jupyter.unheard, { interval: 5 })
    await unheard().toBe(1)
    vi.advanceTimersByTime(5_000)
    await unheard().toBe(2)
    vi.advanceTimersByTime(10_000)
    expect(await lines(answer)).toEqual([END])

    served.jupyter.deaf = Number.POSITIVE_INFINITY
    const leaving = new AbortController()
    const { signal } = leaving
    const given = await fetch(`${served.url}/execute`, { method: 'POST', body: '{"code":"y"}', signal })
    await unheard().toBe(3)
    leaving.abort()
    await expect(given.text()).rejects.toThrow()
    served.jupyter.deaf = 0
    expect(await lines(served.post('/execute', { code: 'z' }))).toEqual([END])
    expect(served.jupyter.executed).not.toContain('y')
  })

  it('does not wait for ever to be let in to its kernel, nor at all for nobody', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const kept = () => expect.poll(() => served.jupyter.mute, { interval: 5 })
    served.jupyter.mute = 1
    const answer = served.post('/execute', { code: 'x' })
    await kept().toBe(0)
    vi.advanceTimersByTime(60_000)
    expect(await lines(answer)).toContainEqual(expect.objectContaining({ type: 'error' }))

    served.jupyter.mute = 1
    const leaving = new AbortController()
    const { signal } = leaving
    const given = await fetch(`${served.url}/execute`, { method: 'POST', body: '{"code":"y"}', signal })
    await kept().toBe(0)
    leaving.abort()
    await expect(given.text()).rejects.toThrow()
    expect(await lines(served.post('/execute', { code: 'z' }))).toEqual([END])
  })

  it('breaks off when the sandbox is gone', async () => {
    served.jupyter.run = ({ socket }) => {
      served.jupyter.gone = true
      socket.terminate()
    }
    const response = await served.post('/execute', { code: 'x' })
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
  })

  it('breaks off when the sandbox is being stopped, and Jupyter with it', async () => {
    served.jupyter.run = ({ socket }) => {
      served.ending = true
      socket.terminate()
    }
    const response = await served.post('/execute', { code: 'x' })
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
  })

  it('holds the kernel back while the client does not read', async () => {
    const piece = 'x'.repeat(2 ** 20)
    const all = Promise.withResolvers<void>()
    let buffered = () => 0
    served.jupyter.run = async ({ send, socket }) => {
      buffered = () => socket.bufferedAmount
      for (let sent = 0; sent < 64; sent += 1) {
        send('stream', { name: 'stdout', text: piece })
        await new Promise((next) => setImmediate(next))
      }
      all.resolve()
    }
    const req = request(`${served.url}/execute`, { method: 'POST' })
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
