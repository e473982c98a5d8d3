import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { GuestIdentity } from '@spawnpoint/core'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeAgent } from '../test/fake-agent.ts'
import { encodeFrame, type FrameType, frameType } from './frames.ts'
import { dialGuest, openGuest } from './index.ts'

let fake: FakeAgent
beforeEach(() => {
  fake = new FakeAgent()
})
afterEach(() => fake.close())

const info = {
  id: 'p',
  pid: 7,
  args: ['x'],
  cwd: '/',
  user: 'root',
  tag: null,
  pty: false,
  startedAtMs: 1,
  exit: null,
}
const spec = { args: ['x'], env: {}, stdin: false }
const output = (offset: number, text: string, stream = 0) => {
  const prefix = Buffer.alloc(9)
  prefix[0] = stream
  prefix.writeBigUInt64LE(BigInt(offset), 1)
  return Buffer.concat([prefix, Buffer.from(text)])
}

describe('an agent of the first version', () => {
  const file = {
    path: '/f',
    name: 'f',
    type: 'file',
    sizeBytes: 0,
    mode: 0o644,
    uid: 0,
    gid: 0,
    owner: 'root',
    group: 'root',
    modifiedAtMs: 1,
    symlinkTarget: null,
  }

  test('is asked in its own words, and what it does not tell is left out', async () => {
    const { files, processes } = await fake.open()
    fake.answer = (id, method) =>
      fake.say(frameType.result, 2, id, method === 'process.get' ? info : method === 'file.setXattr' ? {} : file)
    const found = await files.stat('f', { owner: 'games', xattrs: 'user.', targets: true })
    expect(found).toMatchObject({ target: null, xattrs: {} })
    await files.write('f', Readable.from([Buffer.from('x')]), { owner: 'games', xattrs: { 'user.a': '1' } })
    await files.mkdir('d', { user: 'nobody' })
    expect((await processes.get('p')).env).toEqual({})
    const asked = fake.requests.slice(1).map(({ method, params }) => [method, params])
    expect(asked).toEqual([
      ['file.stat', { path: 'f', user: 'games', xattrs: 'user.', targets: true }],
      ['file.write', { path: 'f', user: 'games', attributes: { 'user.a': '1' } }],
      ['file.setXattr', { path: '/f', attributes: { 'user.a': '1' } }],
      ['file.mkdir', { path: 'd', user: 'nobody' }],
      ['process.get', { ref: 'p' }],
    ])
  })
})

describe('attach', () => {
  test('to a guest that says nothing ends in time and lets go of its descriptors', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-silent-'))
    execFileSync('mkfifo', [join(dir, 'a'), join(dir, 'b')])
    const opening = openGuest({
      toGuest: join(dir, 'a'),
      fromGuest: join(dir, 'b'),
      label: 's',
      timeouts: { attachMs: 50 },
    })
    await expect(opening).rejects.toMatchObject({ code: 'guest_unresponsive', context: { sandboxId: 's' } })
    rmSync(dir, { recursive: true })
  })

  test('refuses what is no FIFO or not there', async () => {
    const file = join(tmpdir(), `spawnpoint-file-${process.pid}`)
    writeFileSync(file, '')
    await expect(openGuest({ toGuest: file, fromGuest: file, label: 's' })).rejects.toThrow('not a FIFO')
    rmSync(file)
    await expect(openGuest({ toGuest: file, fromGuest: file, label: 's' })).rejects.toThrow('ENOENT')
  })

  test('wades through megabytes of an earlier session', async () => {
    const opening = fake.open()
    fake.raw(Buffer.alloc(5_000_000, 'SPAWNPOINT-MARK'))
    expect((await opening).agentVersion).toBe('9')
  })

  test('speaks to a guest before it runs, which finds all of it when it wakes, however late', async () => {
    fake.deafen()
    fake.answer = (id) =>
      fake.say(frameType.result, 2, id, { hostname: true, machineId: true, entropy: true, generation: 3, hooks: [] })
    const timeouts = { attachMs: 5_000, silenceMs: 20, callMs: 40 }
    const { guest, answered } = dialGuest({ ...fake, label: 's', fresh: true, timeouts })
    const identified = guest.identify({ hookTimeoutMs: 0 } as GuestIdentity)
    await new Promise((resolve) => setTimeout(resolve, 100))
    fake.wake()
    expect(await identified).toMatchObject({ generation: 3 })
    expect((await answered()).agentVersion).toBe('9')
    expect(fake.requests.map(({ method }) => method)).toEqual(['hello', 'identify'])
    await guest.close()
  })

  test('tells whoever has asked something of a guest that never comes', async () => {
    fake.deafen()
    const { guest, answered } = dialGuest({ ...fake, label: 's', fresh: true, timeouts: { attachMs: 20 } })
    const identified = guest.identify({ hookTimeoutMs: 0 } as GuestIdentity)
    await expect(answered()).rejects.toMatchObject({ code: 'guest_unresponsive' })
    await expect(identified).rejects.toMatchObject({ code: 'stale_incarnation' })
  })

  test.each([
    ['no version', { protocol: 1, capabilities: [] }],
    ['a huge one', { agent: 'x'.repeat(1000), protocol: 1, capabilities: [] }],
    ['a list', []],
    ['many capabilities', { agent: '1', protocol: 1, capabilities: Array(1000).fill('x') }],
  ])('refuses a hello with %s', async (_name, hello) => {
    fake.close()
    fake = new FakeAgent(hello)
    await expect(fake.open()).rejects.toMatchObject({ code: 'guest_unresponsive' })
  })
})

describe('a lying guest ends the connection', () => {
  const lies: [string, (id: number) => void][] = [
    ['garbage', () => fake.raw(Buffer.from('hello, I am the guest'))],
    ['wrong checksum', () => fake.raw(Buffer.from(encodeFrame(2, 2, 2, Buffer.from('{}')).fill(1, 12, 13)))],
    ['oversized frame', () => fake.raw(Buffer.from('a75302020200000000ffffff00000000', 'hex'))],
    ['unknown channel', () => fake.say(frameType.result, 2, 99, {})],
    ['unknown frame type', (id) => fake.raw(encodeFrame(9 as FrameType, 0, id, Buffer.alloc(0)))],
    ['request from the guest', (id) => fake.say(frameType.request, 2, id, {})],
    ['no JSON', (id) => fake.raw(encodeFrame(2, 2, id, Buffer.from('{')))],
    ['deep JSON', (id) => fake.raw(encodeFrame(2, 2, id, Buffer.from('['.repeat(60_000))))],
    [
      'endless text',
      (id) => {
        for (let i = 0; i < 40; i++) fake.raw(encodeFrame(2, 1, id, Buffer.alloc(60_000, ' ')))
      },
    ],
    [
      'endless empty pieces',
      (id) => {
        for (let i = 0; i < 2000; i++) fake.raw(encodeFrame(2, 1, id, Buffer.from(' ')))
      },
    ],
    [
      'two answers',
      (id) => {
        fake.say(2, 0, id, info)
        fake.say(2, 0, id, info)
      },
    ],
    ['end without answer', (id) => fake.raw(encodeFrame(4, 2, id, Buffer.alloc(0)))],
    ['empty data', (id) => fake.raw(encodeFrame(4, 0, id, Buffer.alloc(0)))],
    ['bad credit', (id) => fake.raw(encodeFrame(6, 0, id, Buffer.alloc(3)))],
    ['bad answer', (id) => fake.say(2, 2, id, { ...info, pid: -1 })],
    ['bad error', (id) => fake.say(3, 2, id, { kind: 7 })],
  ]
  test.each(lies)('%s', async (_name, lie) => {
    const guest = await fake.open()
    fake.answer = lie
    const started = guest.processes.startAndFollow(spec)
    // Some lies come with a good answer first; then the stream has the error.
    const error = await started
      .then(async ({ output }) => {
        for await (const _ of output);
      })
      .catch((error) => error)
    expect(error).toMatchObject({ code: 'guest_unresponsive', context: { sandboxId: 'liar' } })
    await guest.gone
    await expect(guest.ping()).rejects.toMatchObject({ code: 'guest_unresponsive' })
  })

  const streamLies: [string, (id: number) => void][] = [
    ['output without data', (id) => fake.raw(encodeFrame(4, 0, id, output(0, '')))],
    ['unknown stream', (id) => fake.raw(encodeFrame(4, 0, id, output(0, 'x', 3)))],
    [
      'backwards',
      (id) => {
        fake.raw(encodeFrame(4, 0, id, output(10, 'x')))
        fake.raw(encodeFrame(4, 0, id, output(10, 'x')))
      },
    ],
    ['bad item', (id) => fake.say(5, 0, id, { type: 'surprise' })],
    ['gap backwards', (id) => fake.say(5, 0, id, { type: 'gap', stream: 'stdout', offset: 5, resumeAt: 4 })],
    [
      'more than its credit',
      (id) => {
        for (let i = 0; i < 40; i++) fake.raw(encodeFrame(4, 0, id, output(i * 60_000, 'x'.repeat(60_000))))
      },
    ],
    [
      'many tiny pieces',
      (id) => {
        for (let i = 0; i < 20_000; i++) fake.raw(encodeFrame(4, 0, id, output(i, 'x')))
      },
    ],
  ]
  test.each(streamLies)('in a stream: %s', async (_name, lie) => {
    const guest = await fake.open()
    fake.answer = (id) => fake.say(2, 0, id, info)
    const { output: stream } = await guest.processes.startAndFollow(spec)
    lie(fake.requests.at(-1)?.id ?? 0)
    if (_name.startsWith('m')) await guest.gone
    const reading = (async () => {
      for await (const _ of stream);
    })()
    await expect(reading).rejects.toMatchObject({ code: 'guest_unresponsive' })
    await guest.gone
  })

  test('any frames at all: a typed error or a wait, never a crash', async () => {
    const anyFrame = fc.record({
      type: fc.integer({ min: 0, max: 9 }),
      flags: fc.integer({ min: 0, max: 3 }),
      channel: fc.constantFrom(0, 1, 2, 3, 4),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 30 }),
        fc.json({ maxDepth: 3 }).map((text) => Buffer.from(text)),
        fc.constant(Buffer.from(JSON.stringify(info))),
      ),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame, { maxLength: 8 }), async (frames) => {
        const liar = new FakeAgent()
        const guest = await liar.open()
        const calls = [
          guest.processes.startAndFollow(spec).then(async ({ output }) => {
            for await (const _ of output);
          }),
          guest.files.stat('/x'),
          guest.processes.list(),
        ]
        for (const f of frames) liar.raw(encodeFrame(f.type as FrameType, f.flags, f.channel, f.payload))
        liar.raw(Buffer.from('and then garbage'))
        for (const result of await Promise.allSettled(calls)) {
          if (result.status === 'rejected') expect(result.reason).toHaveProperty('name', 'SpawnpointError')
        }
        await guest.gone
        liar.close()
      }),
      { numRuns: 60 },
    )
  })
})

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

describe('what a guest can make the server hold', () => {
  test.each([
    ['processes', { processes: Array(200).fill({ ...info, args: ['x'.repeat(1000)] }) }],
    ['files', { entries: [] }],
  ])('a list of %s without an end is cut', async (what, batch) => {
    const guest = await fake.open()
    const padded = { ...batch, padding: 'x'.repeat(200_000) }
    fake.answer = (id) => {
      fake.say(frameType.result, 0, id, {})
      fake.say(frameType.item, 0, id, padded)
    }
    fake.credited = (id) => fake.say(frameType.item, 0, id, padded)
    const list = what === 'files' ? guest.files.list('/', { depth: 1, limit: 10 }) : guest.processes.list()
    await expect(list).rejects.toMatchObject({ code: 'limit_exceeded' })
    fake.answer = (id) => fake.say(frameType.result, 2, id, {})
    await guest.ping()
    await guest.close()
  })

  test.each([
    ['data of channels that are closed', frameType.data, Buffer.alloc(65_536), 1],
    ['credit that grants nothing', frameType.credit, Buffer.alloc(4), 2],
  ])('%s without an end closes the session', async (_name, type, payload, id) => {
    const guest = await fake.open()
    fake.answer = (opened) => fake.say(frameType.result, 0, opened, info)
    if (id === 2) await guest.processes.follow('p', {})
    const frame = encodeFrame(type, 0, id, payload)
    const block = Buffer.concat(Array(Math.ceil(1_000_000 / frame.length)).fill(frame))
    for (let sent = 0; sent < 80; sent++) fake.raw(block)
    await guest.gone
    await expect(guest.ping()).rejects.toMatchObject({
      code: 'guest_unresponsive',
      message: expect.stringContaining('nobody asked for'),
    })
  })

  test('requests to a guest that does not read are refused before they pile up', async () => {
    const guest = await fake.open()
    fake.deafen()
    const args = ['x'.repeat(1_000_000)]
    const codes: string[] = []
    for (let n = 0; n < 40; n++) guest.processes.start({ ...spec, args }).catch((error) => codes.push(error.code))
    await new Promise((resolve) => setImmediate(resolve))
    expect(codes.length).toBeGreaterThan(20)
    expect(new Set(codes)).toEqual(new Set(['guest_unresponsive']))
    await guest.close()
  })
})

test('many guests open and close without leaving descriptors', async () => {
  const { readdirSync } = await import('node:fs')
  const count = () => readdirSync('/proc/self/fd').length
  const before = count()
  for (let i = 0; i < 20; i++) {
    const guest = await fake.open().catch(() => null)
    await guest?.close()
    fake.close()
    fake = new FakeAgent()
  }
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(count()).toBeLessThanOrEqual(before + 2)
  closeSync(openSync('/dev/null', constants.O_RDONLY))
})
