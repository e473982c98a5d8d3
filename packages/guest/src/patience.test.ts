import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeAgent } from '../test/fake-agent.ts'
import { info } from '../test/process-info.ts'

let fake: FakeAgent
beforeEach(() => {
  fake = new FakeAgent()
})
afterEach(() => fake.close())

describe('patience', () => {
  test('a guest that falls silent is unresponsive; one that answers pings is waited for', async () => {
    const guest = await fake.open({ silenceMs: 60 })
    await expect(guest.files.stat('/x')).rejects.toMatchObject({ code: 'guest_unresponsive' })
    fake.answer = (id, method) => {
      if (method === 'ping') fake.say(2, 2, id, {})
      else setTimeout(() => fake.say(3, 2, id, { kind: 'guest_error', message: 'late', errno: 'EIO' }), 300)
    }
    await expect(guest.files.stat('/x')).rejects.toMatchObject({ code: 'guest_error', message: 'late' })
    await guest.close()
  })

  test('a host that stood still itself hears first what was said meanwhile', async () => {
    const guest = await fake.open({ silenceMs: 60 })
    let question = 0
    fake.answer = (id, method) => {
      if (method !== 'ping') {
        question = id
        return
      }
      fake.say(2, 2, id, {})
      // Nothing is read before the next look at the silence is overdue.
      for (const until = performance.now() + 100; performance.now() < until; );
      fake.answer = () => fake.say(3, 2, question, { kind: 'guest_error', message: 'heard', errno: 'EIO' })
    }
    await expect(guest.files.stat('/x')).rejects.toMatchObject({ code: 'guest_error', message: 'heard' })
    await guest.close()
  })

  test('but not for ever', async () => {
    const guest = await fake.open({ silenceMs: 40, callMs: 150 })
    fake.answer = (id, method) => {
      if (method === 'ping') fake.say(2, 2, id, {})
    }
    await expect(guest.files.stat('/x')).rejects.toMatchObject({ code: 'guest_unresponsive' })
    await guest.close()
  })

  test('a guest that does not hold is released', async () => {
    const guest = await fake.open({ silenceMs: 50 })
    await expect(
      guest.hold({ hooks: false, hookTimeoutMs: 0, sync: false, findCulprits: false }),
    ).rejects.toMatchObject({
      code: 'guest_unresponsive',
    })
    expect(fake.requests.map((request) => request.method)).toEqual(['hello', 'hold'])
    fake.answer = (id) => fake.say(2, 2, id, {})
    await guest.ping()
    expect(fake.requests.map((request) => request.method)).toEqual(['hello', 'hold', 'release', 'ping'])
    await guest.close()
  })

  test('nothing is written while held but the release', async () => {
    const guest = await fake.open()
    fake.answer = (id, method) => {
      if (method !== 'process.wait') fake.say(2, 2, id, {})
    }
    const abort = new AbortController()
    const waiting = guest.processes.wait('x', abort.signal).catch((error) => error)
    await guest.hold({ hooks: false, hookTimeoutMs: 0, sync: false, findCulprits: false })
    const written = fake.frames.length
    const calls = [guest.ping(), guest.ping()]
    abort.abort()
    expect(await waiting).toMatchObject({ code: 'cancelled' })
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(fake.frames.length).toBe(written)
    await guest.release()
    await Promise.all(calls)
    expect(fake.requests.slice(-3).map((request) => request.method)).toEqual(['release', 'ping', 'ping'])
    await guest.close()
  })

  test('a close rejects all that is under way', async () => {
    const guest = await fake.open()
    fake.answer = (id, method) => {
      if (method === 'process.follow') fake.say(2, 0, id, info)
    }
    const { output: stream } = await guest.processes.follow('p', {})
    const reading = (async () => {
      for await (const _ of stream);
    })()
    const calls = [reading, guest.ping(), guest.processes.wait('p'), guest.files.write('/x', (async function* () {})())]
    const settled = Promise.allSettled(calls)
    await new Promise((resolve) => setImmediate(resolve))
    await guest.close()
    for (const result of await settled) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'stale_incarnation' } })
    }
    await guest.gone
  })
})
