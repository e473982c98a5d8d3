import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, type Box, hold, run, within } from './bench.ts'
import { PORT, pattern } from './ports.ts'
import { counted, firstWrongByte } from './reader.ts'

/** Long enough to see that something waits that would otherwise have come long before. */
const WAITS_MS = 150

export function holdSuite(bench: () => Bench): void {
  describe('hold and pause', () => {
    let b: Bench
    let box: Box
    beforeAll(async () => {
      b = bench()
      box = await b.boot()
      await (await run(box.guest, b.programs.tcpEcho(PORT))).line('ready')
    })
    afterAll(() => b.drop(box))

    /** What a snapshot does to a running sandbox, without the snapshot. */
    async function standStill() {
      await hold(box.guest)
      await b.runtime.pause(box.id)
      await b.runtime.resume(box.id)
      await box.guest.release()
    }

    it('report hooks and culprits, of which there are none here', async () => {
      expect(await hold(box.guest)).toEqual({ hooks: [], culprits: [] })
      await box.guest.release()
    })

    it('tell what runs and which ports are listened on', async () => {
      const sleeping = await box.guest.processes.start({ args: b.programs.cat(), env: {}, stdin: true })
      const census = await box.guest.census({ sync: true })
      const process = census?.processes.find(({ pid }) => pid === sleeping.pid)
      expect(process?.memoryBytes).toBeGreaterThan(0)
      expect(process?.startTicks).toBeGreaterThanOrEqual(0)
      expect(process?.command).not.toBe('')
      const listening = census?.ports.find(({ port }) => port === PORT)
      expect(census?.processes.map(({ pid }) => pid)).toContain(listening?.pid)
      const options = { hooks: false, hookTimeoutMs: 0, sync: false, findCulprits: false, census: true }
      const held = (await box.guest.hold(options)).census
      await box.guest.release()
      expect(held?.processes.find(({ pid }) => pid === sleeping.pid)).toMatchObject({
        ...{ command: process?.command, startTicks: process?.startTicks, user: process?.user },
      })
      await box.guest.processes.signal(sleeping.id, 'SIGKILL', true)
      await box.guest.processes.wait(sleeping.id)
      const after = await box.guest.census({ sync: false })
      expect(after?.processes.map(({ pid }) => pid)).not.toContain(sleeping.pid)
    })

    it('make calls wait until the release, which may be repeated', async () => {
      await hold(box.guest)
      const call = box.guest.metrics()
      expect(await within(WAITS_MS, call)).toBe('pending')
      await box.guest.release()
      expect((await call).processes).toBeGreaterThan(0)
      await box.guest.release()
    })

    it('neither lose nor double a byte of output in flight', async () => {
      const reader = await run(box.guest, b.programs.spam(3_000_000, 1))
      for (let time = 1; time <= 3; time += 1) {
        await reader.until((r) => r.position() > time * 300_000)
        await standStill()
      }
      await reader.end()
      expect(reader.gaps).toEqual([])
      expect(reader.bytes()).toHaveLength(3_000_000)
      expect(firstWrongByte(reader.bytes())).toBe(-1)
    })

    it('neither lose nor double a byte of input in flight', async () => {
      const reader = await run(box.guest, b.programs.cat(), { stdin: true })
      const data = pattern(800_000, 7)
      const feed = async () => {
        for (let at = 0; at < data.length; at += 40_000) {
          await box.guest.processes.writeStdin(reader.info.id, data.subarray(at, at + 40_000))
        }
        await box.guest.processes.closeStdin(reader.info.id)
      }
      const stops = async () => {
        for (let time = 0; time < 3; time += 1) await standStill()
      }
      await Promise.all([feed(), stops(), reader.end()])
      expect(reader.bytes().equals(data)).toBe(true)
    })

    it('neither lose nor double a byte of a connection', async () => {
      const stream = await box.guest.connectPort(PORT)
      const data = pattern(1_500_000, 5)
      const back: Buffer[] = []
      let received = 0
      stream.on('data', (chunk: Buffer) => {
        back.push(chunk)
        received += chunk.length
      })
      const ended = once(stream, 'end')
      stream.write(data.subarray(0, 700_000))
      await once(stream, 'data')
      await standStill()
      stream.write(data.subarray(700_000))
      await standStill()
      stream.end()
      await ended
      expect(received).toBe(data.length)
      expect(Buffer.concat(back).equals(data)).toBe(true)
    })

    it('carry nothing over a connection until the release', async () => {
      const stream = await box.guest.connectPort(PORT)
      await hold(box.guest)
      const answer = once(stream, 'data')
      stream.write('ping')
      expect(await within(WAITS_MS, answer)).toBe('pending')
      await box.guest.release()
      expect(String((await answer)[0])).toBe('ping')
      stream.destroy()
    })

    it('stop the clocks of programs while paused', async () => {
      const reader = await run(box.guest, b.programs.counter(), { stdin: true })
      await reader.until((r) => counted(r).length > 0)
      const value = async () => {
        const known = answers().length
        await box.guest.processes.writeStdin(reader.info.id, Buffer.from('\n'))
        await reader.until(() => answers().length > known)
        return Number(answers().at(-1)?.slice('value '.length))
      }
      const answers = () => reader.lines().filter((line) => line.startsWith('value '))
      const from = performance.now()
      const before = await value()
      await hold(box.guest)
      await b.runtime.pause(box.id)
      const paused = performance.now()
      await within(500, new Promise(() => {}))
      const pausedMs = performance.now() - paused
      await b.runtime.resume(box.id)
      await box.guest.release()
      const after = await value()
      // It counts every 50 ms at most, however busy the machine is.
      const ranMs = performance.now() - from - pausedMs
      expect(after - before).toBeLessThanOrEqual(ranMs / 50 + 2)
      await box.guest.processes.signal(reader.info.id, 'SIGKILL', true)
    })

    it('show as paused, stop the output, and end without a trace', async () => {
      const reader = await run(box.guest, b.programs.counter())
      await reader.until((r) => counted(r).length >= 3)
      await hold(box.guest)
      for (let time = 0; time < 2; time += 1) await b.runtime.pause(box.id)
      expect(await b.listed(box.id)).toEqual({ id: box.id, paused: true })
      // What was on its way when the hold began may still come, on a busy machine a good deal; after that, nothing.
      let next = reader.step()
      for (let more = 0; more < 100 && (await within(WAITS_MS, next)) !== 'pending'; more += 1) next = reader.step()
      expect(await within(WAITS_MS, next)).toBe('pending')
      for (let time = 0; time < 2; time += 1) await b.runtime.resume(box.id)
      expect(await b.listed(box.id)).toEqual({ id: box.id, paused: false })
      await box.guest.release()
      await next
      const before = counted(reader).length
      await reader.until((r) => counted(r).length >= before + 3)
      expect(counted(reader)).toEqual(counted(reader).map((_, index) => index + 1))
      await box.guest.processes.signal(reader.info.id, 'SIGKILL', true)
    })
  })
}
