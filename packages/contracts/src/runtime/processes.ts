import type { ProcessSpec } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, type Box, contextOf, follow, run, spec, within } from './bench.ts'
import { firstWrongByte, Reader } from './reader.ts'

export function processesSuite(bench: () => Bench): void {
  describe('processes', () => {
    let b: Bench
    let box: Box
    beforeAll(async () => {
      b = bench()
      box = await b.boot()
    })
    afterAll(() => b.drop(box))

    it('end with their exit code, output on separate streams', async () => {
      const reader = await (await run(box.guest, b.programs.exit(3, 'out', 'err'))).end()
      expect(reader.text('stdout')).toBe('out')
      expect(reader.text('stderr')).toBe('err')
      expect(reader.exit).toMatchObject({ code: 3, signal: null, timedOut: false, at: expect.any(Date) })
    })

    it('are told of no less where the start may keep it back', async () => {
      for (const gatherMs of [1, 500]) {
        const reader = await (await run(box.guest, b.programs.exit(3, 'out', 'err'), { gatherMs })).end()
        expect(reader.text('stdout')).toBe('out')
        expect(reader.text('stderr')).toBe('err')
        expect(reader.exit).toMatchObject({ code: 3, signal: null })
      }
      const counter = await run(box.guest, b.programs.counter(), { gatherMs: 50 })
      await counter.until((r) => r.lines().length >= 5)
      await box.guest.processes.signal(counter.info.id, 'SIGKILL', true)
      expect((await counter.end()).exit).toMatchObject({ code: 137, signal: 'SIGKILL' })
      await expect(run(box.guest, ['/no/such/program'], { gatherMs: 500 })).rejects.toMatchObject({
        code: 'guest_error',
        context: { errno: 'ENOENT' },
      })
    })

    it('tell about themselves', async () => {
      const args = b.programs.sleep(1000)
      const info = await box.guest.processes.start(spec(args, { id: 'me', tag: 'tagged', cwd: '/tmp', user: 'nobody' }))
      expect(info).toMatchObject({ id: 'me', args, tag: 'tagged', cwd: '/tmp', user: 'nobody', pty: false, exit: null })
      expect(info.pid).toBeGreaterThan(1)
      expect(info.startedAt).toBeInstanceOf(Date)
      expect(await box.guest.processes.get('me')).toEqual(info)
      expect(await box.guest.processes.get(`pid:${info.pid}`)).toEqual(info)
      expect(await box.guest.processes.list()).toContainEqual(info)
      await box.guest.processes.signal('me', 'SIGKILL', true)
    })

    it('run in the directory and as the user asked for', async () => {
      const reader = await run(box.guest, b.programs.context(), { cwd: '/var', user: 'nobody', env: { LINES: 'c\nd' } })
      const seen = await contextOf(reader)
      expect(seen).toMatchObject({ cwd: '/var', user: 'nobody', env: { LINES: 'c\nd' } })
    })

    it('are not started with what Linux cannot hand to a program', async () => {
      const args = b.programs.exit(0, '', '')
      for (const [bad, path] of [
        [{ env: { 'A=B': 'c' } }, 'env'],
        [{ env: { 'A\0': 'c' } }, 'env'],
        [{ env: { '': 'c' } }, 'env'],
        [{ env: { A: 'c\0' } }, 'env.A'],
        [{ cwd: '/tmp\0' }, 'cwd'],
        [{ args: [...args, 'a\0'] }, `args.${args.length}`],
      ] as const) {
        const refused = { code: 'invalid_argument', context: { issues: [{ path }] } }
        const asked = { ...spec(args), ...bad } as ProcessSpec
        await expect(box.guest.processes.start(asked)).rejects.toMatchObject(refused)
        await expect(box.guest.processes.startAndFollow(asked)).rejects.toMatchObject(refused)
      }
    })

    it('are not started twice under one id', async () => {
      const first = await box.guest.processes.start(spec(b.programs.sleep(1000), { id: 'once' }))
      const second = await box.guest.processes.start(spec(b.programs.sleep(1000), { id: 'once' }))
      expect(second.pid).toBe(first.pid)
      await box.guest.processes.signal('once', 'SIGKILL', true)
    })

    it('of unknown programs, users and directories do not start, and say which it is', async () => {
      const start = (args: string[], over = {}) => box.guest.processes.start(spec(args, over))
      const refusal = (context: object) => ({ code: 'guest_error', context })
      const noProgram = refusal({ errno: 'ENOENT', what: 'program' })
      await expect(start(['/no/such/program'])).rejects.toMatchObject(noProgram)
      await expect(start(['no-such-program'])).rejects.toMatchObject(noProgram)
      const echo = b.programs.echo('x')
      await expect(start(echo, { user: 'no-such-user' })).rejects.toMatchObject(refusal({ what: 'user' }))
      await expect(start(echo, { cwd: '/no/such/dir' })).rejects.toMatchObject(
        refusal({ errno: 'ENOENT', path: '/no/such/dir', what: 'cwd' }),
      )
    })

    it('tell the environment that was asked for, and no other', async () => {
      const info = await box.guest.processes.start(spec(b.programs.sleep(1000), { env: { ASKED: 'yes' } }))
      expect(info.env).toEqual({ ASKED: 'yes' })
      expect((await box.guest.processes.list()).find(({ id }) => id === info.id)?.env).toEqual({ ASKED: 'yes' })
      await box.guest.processes.signal(info.id, 'SIGKILL', true)
    })

    it('run in a directory given from the home', async () => {
      await box.guest.files.mkdir('/root/work', { parents: true })
      for (const cwd of ['~/work', 'work']) {
        expect((await contextOf(await run(box.guest, b.programs.context(), { cwd }))).cwd).toBe('/root/work')
      }
    })

    it('that leave a child behind end at once, or when their output does', async () => {
      const leaver = b.programs.leaver('first', ' last', 1500)
      const short = await (await run(box.guest, leaver)).end()
      expect([short.text(), short.exit?.code]).toEqual(['first', 0])
      const long = await (await run(box.guest, leaver, { untilOutputEnds: true })).end()
      expect([long.text(), long.exit?.code]).toEqual(['first last', 0])
    })

    it('that wait for their output to end are ended by a signal or the time limit', async () => {
      const leaver = b.programs.leaver('first', ' last', 60_000)
      const ended = await run(box.guest, leaver, { untilOutputEnds: true })
      await ended.until((reader) => reader.text() === 'first')
      await box.guest.processes.signal(ended.info.id, 'SIGKILL', true)
      // Whether the signal still met the program itself or only the child is a matter of moments.
      expect((await ended.end()).exit).toMatchObject({ timedOut: false })
      expect(ended.text()).toBe('first')
      const limited = await (await run(box.guest, leaver, { untilOutputEnds: true, timeoutMs: 700 })).end()
      expect([limited.text(), limited.exit?.timedOut]).toEqual(['first', true])
    })

    it('that do not exist reject process_not_found', async () => {
      for (const ref of ['nobody-started-this', 'pid:999999']) {
        const unknown = { code: 'process_not_found' }
        await expect(box.guest.processes.get(ref)).rejects.toMatchObject(unknown)
        await expect(box.guest.processes.wait(ref)).rejects.toMatchObject(unknown)
        await expect(box.guest.processes.follow(ref, {})).rejects.toMatchObject(unknown)
        await expect(box.guest.processes.writeStdin(ref, Buffer.from('x'))).rejects.toMatchObject(unknown)
        await expect(box.guest.processes.signal(ref, 'SIGTERM', true)).rejects.toMatchObject(unknown)
      }
    })

    it('read what is written to stdin until it is closed', async () => {
      const reader = await run(box.guest, b.programs.cat(), { stdin: true })
      for (const text of ['one ', 'two ', 'three']) {
        await box.guest.processes.writeStdin(reader.info.id, Buffer.from(text))
      }
      await reader.until((r) => r.text() === 'one two three')
      await box.guest.processes.closeStdin(reader.info.id)
      expect((await reader.end()).exit?.code).toBe(0)
      expect(reader.text()).toBe('one two three')
      const late = box.guest.processes.writeStdin(reader.info.id, Buffer.from('late'))
      await expect(late).rejects.toMatchObject({ code: expect.stringMatching(/^(guest_error|process_not_found)$/) })
    })

    it('read an empty stdin unless asked otherwise', async () => {
      const reader = await (await run(box.guest, b.programs.cat())).end()
      expect(reader.text()).toBe('')
      expect(reader.exit?.code).toBe(0)
    })

    it('take a megabyte through stdin and give it back', async () => {
      const reader = await run(box.guest, b.programs.cat(), { stdin: true })
      const data = Buffer.from(Uint8Array.from({ length: 2 ** 20 }, (_, index) => index % 251))
      const feed = async () => {
        for (let at = 0; at < data.length; at += 100_000) {
          await box.guest.processes.writeStdin(reader.info.id, data.subarray(at, at + 100_000))
        }
        await box.guest.processes.closeStdin(reader.info.id)
      }
      await Promise.all([feed(), reader.end()])
      expect(reader.bytes().equals(data)).toBe(true)
    })

    it('are followed by several readers, each with everything', async () => {
      const first = await run(box.guest, b.programs.spam(300_000, 1))
      const second = await follow(box.guest, first.info.id)
      const third = await follow(box.guest, `pid:${first.info.pid}`)
      for (const reader of await Promise.all([first, second, third].map((reader) => reader.end()))) {
        expect(reader.bytes()).toHaveLength(300_000)
        expect(firstWrongByte(reader.bytes())).toBe(-1)
        expect(reader.exit?.code).toBe(0)
      }
    })

    it('give megabytes to a reader that keeps up, without a gap', async () => {
      const reader = await (await run(box.guest, b.programs.spam(6_000_000))).end()
      expect(reader.gaps).toEqual([])
      expect(reader.bytes()).toHaveLength(6_000_000)
      expect(firstWrongByte(reader.bytes())).toBe(-1)
    })

    it('wait for a reader that falls behind for a while', async () => {
      const reader = await run(box.guest, b.programs.spam(4_000_000), { bufferBytes: 65_536 })
      await reader.step()
      await within(300, box.guest.processes.wait(reader.info.id))
      await reader.end()
      expect(reader.gaps).toEqual([])
      expect(firstWrongByte(reader.bytes())).toBe(-1)
      expect(reader.bytes()).toHaveLength(4_000_000)
    })

    it('can be followed from any byte that is still kept, also after their end', async () => {
      const { id } = await box.guest.processes.start(spec(b.programs.spam(200_000)))
      await box.guest.processes.wait(id)
      const reader = await (await follow(box.guest, id, { stdout: 150_001 })).end()
      expect(reader.bytes()).toHaveLength(49_999)
      expect(firstWrongByte(reader.bytes(), 150_001)).toBe(-1)
      const atEnd = await (await follow(box.guest, id, 'now')).end()
      expect(atEnd.bytes()).toHaveLength(0)
    })

    it('give what is there to who wants no more, also while they run on', async () => {
      const keptOf = async (id: string, from?: { stdout: number } | 'now') => {
        const reader = new Reader(await box.guest.processes.follow(id, { kept: true, ...(from && { from }) }), from)
        while (await reader.step());
        return reader
      }
      const first = await run(box.guest, b.programs.cat(), { stdin: true })
      expect((await keptOf(first.info.id)).bytes()).toHaveLength(0)
      await box.guest.processes.writeStdin(first.info.id, Buffer.alloc(300_000, 'x'))
      await first.until((r) => r.bytes().length === 300_000)
      const kept = await keptOf(first.info.id)
      expect(kept.bytes()).toHaveLength(300_000)
      expect(kept.exit).toBeNull()
      expect((await keptOf(first.info.id, { stdout: 299_999 })).text()).toBe('x')
      expect((await keptOf(first.info.id, 'now')).text()).toBe('')
      await box.guest.processes.closeStdin(first.info.id)
      await first.end()
      expect(await keptOf(first.info.id)).toMatchObject({ exit: { code: 0 } })
      const counter = await run(box.guest, b.programs.counter(), { stdin: true })
      await counter.until((r) => r.lines().length >= 3)
      expect((await keptOf(counter.info.id)).lines().slice(0, 3)).toEqual(['1', '2', '3'])
      await box.guest.processes.signal(counter.info.id, 'SIGKILL', true)
      await counter.end()
    })

    it('show a gap where the buffer has lost bytes', async () => {
      const { id } = await box.guest.processes.start(spec(b.programs.spam(500_000), { bufferBytes: 65_536 }))
      await box.guest.processes.wait(id)
      const reader = await (await follow(box.guest, id)).end()
      expect(reader.gaps).toHaveLength(1)
      const resumeAt = reader.gaps[0]?.resumeAt ?? 0
      expect(resumeAt).toBeGreaterThan(300_000)
      expect(resumeAt).toBeLessThanOrEqual(500_000 - 32_768)
      expect(resumeAt + reader.bytes().length).toBe(500_000)
      expect(firstWrongByte(reader.bytes(), resumeAt)).toBe(-1)
    })

    it('go on when a reader gives up', async () => {
      const { id } = await box.guest.processes.start(spec(b.programs.counter(), { stdin: true }))
      const gaveUp = new AbortController()
      const { output } = await box.guest.processes.follow(id, { signal: gaveUp.signal })
      const iterator = output[Symbol.asyncIterator]()
      await iterator.next()
      gaveUp.abort()
      // It may end or reject, at once or after what was on its way; it must not go on for ever.
      for (let more = true; more; )
        more = await iterator.next().then(
          ({ done }) => done !== true,
          () => false,
        )
      const other = await follow(box.guest, id, 'now')
      await other.until((reader) => reader.lines().length > 1)
      await other.stop()
      await box.guest.processes.signal(id, 'SIGKILL', true)
    })

    it.each([
      ['SIGKILL', 137, 'SIGKILL'],
      ['SIGTERM', 143, 'SIGTERM'],
      [2, 130, 'SIGINT'],
    ])('ended by signal %s exit with %i', async (signal, code, name) => {
      const { id } = await box.guest.processes.start(spec(b.programs.sleep(1000)))
      await box.guest.processes.signal(id, signal, true)
      expect(await box.guest.processes.wait(id)).toMatchObject({ code, signal: name, timedOut: false })
      expect((await box.guest.processes.get(id)).exit).toMatchObject({ code, signal: name })
    })

    it('may handle a signal themselves', async () => {
      const reader = await run(box.guest, b.programs.trap('SIGUSR1'))
      await reader.line('ready')
      await box.guest.processes.signal(reader.info.id, 'SIGUSR1', false)
      await reader.line('got SIGUSR1')
      expect((await box.guest.processes.get(reader.info.id)).exit).toBeNull()
      await box.guest.processes.signal(reader.info.id, 'SIGKILL', true)
      await reader.end()
    })

    it('are ended at their time limit', async () => {
      const { id } = await box.guest.processes.start(spec(b.programs.sleep(1000), { timeoutMs: 100 }))
      expect(await box.guest.processes.wait(id)).toMatchObject({ code: 137, signal: 'SIGKILL', timedOut: true })
    })

    it('can be waited for by many, and no longer by one who gave up', async () => {
      const { id } = await box.guest.processes.start(spec(b.programs.cat(), { stdin: true }))
      const gaveUp = new AbortController()
      const waits = [box.guest.processes.wait(id), box.guest.processes.wait(id)]
      const given = box.guest.processes.wait(id, gaveUp.signal)
      gaveUp.abort()
      await expect(given).rejects.toThrow()
      await box.guest.processes.closeStdin(id)
      const [first, second] = await Promise.all(waits)
      expect(first?.code).toBe(0)
      expect(second).toEqual(first)
      expect(await box.guest.processes.wait(id)).toEqual(first)
    })

    it('have a terminal when asked, which can change its size', async () => {
      const reader = await run(box.guest, b.programs.terminalSize(), { pty: { cols: 80, rows: 24 }, stdin: true })
      expect(reader.info.pty).toBe(true)
      await reader.line('80x24', 'pty')
      await box.guest.processes.resize(reader.info.id, { cols: 132, rows: 50 })
      await reader.line('132x50', 'pty')
      await box.guest.processes.signal(reader.info.id, 'SIGKILL', true)
      await reader.end()
      expect(reader.text('stdout')).toBe('')
    })

    it('read what is typed at their terminal', async () => {
      const reader = await run(box.guest, b.programs.cat(), { pty: { cols: 80, rows: 24 }, stdin: true })
      await box.guest.processes.writeStdin(reader.info.id, Buffer.from('typed\n'))
      // Once from the echo of the terminal, once from the program.
      await reader.until((r) => r.lines('pty').filter((line) => line.trimEnd() === 'typed').length === 2)
      await box.guest.processes.signal(reader.info.id, 'SIGKILL', true)
      await reader.end()
    })
  })

  describe('shutdown', () => {
    it('ends all processes, by force those that ignore the request', async () => {
      const b = bench()
      const box = await b.boot()
      const stubborn = await run(box.guest, b.programs.trap('SIGTERM'))
      await stubborn.line('ready')
      const willing = await box.guest.processes.start(spec(b.programs.sleep(1000)))
      const ends = Promise.all([box.guest.processes.wait(willing.id), stubborn.end()])
      const from = performance.now()
      await box.guest.shutdown(300)
      const [exit] = await ends
      // A little less, as clocks inside and outside need not agree to the millisecond.
      expect(performance.now() - from).toBeGreaterThan(280)
      expect(exit).toMatchObject({ code: 143, signal: 'SIGTERM' })
      expect(stubborn.lines()).toContain('got SIGTERM')
      expect(stubborn.exit).toMatchObject({ code: 137, signal: 'SIGKILL' })
      await b.drop(box)
    })
  })
}
