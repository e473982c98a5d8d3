import type { ProcessInfo, ProcessOutput } from '@spawnpoint/core'
import { Room } from '@spawnpoint/door-kit'
import { describe, expect, it } from 'vitest'
import { asciiJson } from './process-json.ts'
import { Recorder } from './recorder.ts'

const never = new AbortController().signal
const INFO = { id: 'p', pid: 7, args: [], cwd: '/', startedAt: new Date(), exit: null } as unknown as ProcessInfo
const EXIT = { type: 'exit', exit: { code: 0, signal: null, timedOut: false, at: new Date() } } as const

async function* outputs(
  items: readonly (readonly ['stdout' | 'stderr' | 'pty', Buffer])[],
): AsyncGenerator<ProcessOutput> {
  for (const [stream, data] of items) yield { type: 'data', stream, offset: 0, data }
  yield EXIT
}

async function all(recorder: Recorder, from = 0): Promise<string[]> {
  const seen: string[] = []
  for await (const { seq, stream, data } of recorder.follow(from, never)) seen.push(`${seq} ${stream} ${data}`)
  return seen
}

describe('a recorder', () => {
  it('numbers pieces, which never end within a character', async () => {
    const text = Buffer.from('aé€😀b')
    const bytes = [...text].map((byte) => ['stdout', Buffer.from([byte])] as const)
    const recorder = new Recorder(
      INFO,
      outputs([...bytes, ['stderr', Buffer.from('x')], ['stdout', Buffer.from([0xc3])]]),
    )
    expect(await all(recorder)).toEqual([
      '1 stdout a',
      '2 stdout é',
      '3 stdout €',
      '4 stdout 😀',
      '5 stdout b',
      '6 stderr x',
      '7 stdout �',
    ])
    expect(await all(recorder, 5)).toEqual(['5 stdout b', '6 stderr x', '7 stdout �'])
    expect([recorder.result('stdout'), recorder.result('stderr')]).toEqual(['aé€😀b�', 'x'])
  })

  it('keeps what there is room for while the process lives, and says what it lacks', async () => {
    const room = new Room({ totalBytes: 1e9, teamBytes: 300_000, freeBytes: 0 })
    const [read, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const chunk = Buffer.alloc(20_000, 'x')
    async function* output(): AsyncGenerator<ProcessOutput> {
      for (let n = 0; n < 50; n++) yield { type: 'data', stream: 'stdout', offset: 0, data: chunk }
      read.resolve()
      await end.promise
      yield EXIT
    }
    const recorder = new Recorder(INFO, output(), room.lease('team'))
    await read.promise
    expect([recorder.isCut, room.usedBytes <= 300_000]).toEqual([true, true])
    expect(recorder.keptBytes).toBeLessThan(300_000 + 64 * 1024)
    expect(recorder.result('stdout').length).toBeGreaterThan(100_000)
    end.resolve()
    await recorder.ended(null, never)
    expect((await all(recorder)).length).toBeGreaterThan(2)
    await expect.poll(() => room.usedBytes).toBe(0)
  })

  it('tells who asks for what is not kept any more, and shows the rest to who asks for nothing', async () => {
    const chunk = Buffer.alloc(300_000, 'x')
    const recorder = new Recorder(INFO, outputs(Array.from({ length: 10 }, () => ['stdout', chunk] as const)))
    await recorder.ended(null, never)
    await expect(all(recorder, 1)).rejects.toMatchObject({ code: 'cursor_expired' })
    expect((await all(recorder)).map((one) => one.slice(0, 2))).toEqual(['8 ', '9 ', '10'])
    // Of one who has had so many, and of one who has had none
    expect(() => recorder.checkKept(6)).toThrow('Replay window expired')
    for (const had of [0, 7, 99]) recorder.checkKept(had)
  })

  it('shows what comes to who is ahead of all there is', async () => {
    const more = Promise.withResolvers<void>()
    async function* output(): AsyncGenerator<ProcessOutput> {
      yield { type: 'data', stream: 'stdout', offset: 0, data: Buffer.from('before') }
      await more.promise
      yield { type: 'data', stream: 'stdout', offset: 6, data: Buffer.from('after') }
      yield EXIT
    }
    const recorder = new Recorder(INFO, output())
    await expect.poll(() => recorder.lastSeq).toBe(1)
    const ahead = all(recorder, 1_000)
    more.resolve()
    expect(await ahead).toEqual(['2 stdout after'])
  })

  it('keeps no more than some thousands of pieces, however small they are', async () => {
    const frame = Buffer.alloc(64 * 1024, 'x')
    const bytes = Array.from({ length: 60_000 }, (_, at) => ['pty', frame.subarray(at, at + 1)] as const)
    const recorder = new Recorder(INFO, outputs(bytes))
    await recorder.ended(null, never)
    expect(recorder.recent().length).toBeLessThan(20_000)
    expect(new Set(recorder.recent().map(({ data }) => data.buffer)).has(frame.buffer)).toBe(false)
    expect(recorder.result('pty')).toBe('x'.repeat(60_000))
  })

  it('ends where the sandbox does, and says so', async () => {
    const broken = (async function* (): AsyncGenerator<ProcessOutput> {
      yield { type: 'data', stream: 'stdout', offset: 0, data: Buffer.from('x') }
      throw new Error('gone')
    })()
    const recorder = new Recorder(INFO, broken)
    expect(await recorder.ended(null, never)).toBeNull()
    expect([recorder.over, recorder.lost, recorder.exit]).toEqual([true, true, null])
    expect(await all(recorder)).toEqual(['1 stdout x'])
  })
})

it('JSON for event streams is ASCII', () => {
  const text = asciiJson({ a: 'é😀\n' })
  expect(text).toMatch(/^[\x20-\x7e]*$/)
  expect(JSON.parse(text)).toEqual({ a: 'é😀\n' })
})

it('a recorder waits for a reader at its own pace, who then misses nothing, and for nobody who has gone', async () => {
  const piece = Buffer.alloc(64 * 1024, 'x')
  const recorder = new Recorder(INFO, outputs(Array.from({ length: 48 }, () => ['stdout', piece] as const)))
  const seen: number[] = []
  for await (const { seq } of recorder.follow(1, never, { paced: true })) {
    seen.push(seq)
    await new Promise((next) => setImmediate(next))
    if (seq < 40) expect(recorder.over).toBe(false)
    if (seq === 40) break
  }
  expect(seen).toEqual(Array.from({ length: 40 }, (_, n) => n + 1))
  await recorder.ended(null, never)
  expect([recorder.lastSeq, recorder.isCut]).toEqual([48, false])
})
