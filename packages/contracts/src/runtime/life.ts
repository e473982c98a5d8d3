import { type IncarnationExit, type IncarnationId, newId } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { type Bench, follow, hold, pieces, run, spec, within } from './bench.ts'
import { PORT } from './ports.ts'
import { counted } from './reader.ts'

/** Ends, expected and not, and the restart of the server. */
export function lifeSuite(bench: () => Bench): void {
  describe('kill', () => {
    it('ends everything at once, and everyone who waits learns of it', async () => {
      const b = bench()
      const { id, root, guest } = await b.boot()
      const stale = { code: 'stale_incarnation' }
      const reader = await run(guest, b.programs.counter(), { id: 'counter' })
      await reader.until((r) => counted(r).length > 0)
      await (await run(guest, b.programs.tcpEcho(PORT))).line('ready')
      const stream = await guest.connectPort(PORT)
      const closed = new Promise<void>((resolve) => {
        stream.on('error', () => {})
        stream.on('close', resolve)
        stream.resume()
      })
      const waiting = expect(guest.processes.wait('counter')).rejects.toMatchObject(stale)
      const reading = expect(reader.end()).rejects.toMatchObject(stale)
      await b.runtime.kill(id)
      await guest.gone
      await Promise.all([waiting, reading, closed])
      expect(await b.listed(id)).toBeUndefined()
      await expect(guest.metrics()).rejects.toMatchObject(stale)
      await expect(guest.files.write('/root/late', pieces('x'))).rejects.toMatchObject(stale)
      await expect(guest.processes.start(spec(b.programs.echo('x')))).rejects.toMatchObject(stale)
      await expect(guest.connectPort(PORT)).rejects.toMatchObject(stale)
      await expect(b.runtime.attach(id)).rejects.toMatchObject(stale)
      await b.pool.deleteRoot(root)
      await b.runtime.kill(id)
    })

    it('lets nothing more be written to the root', async () => {
      const b = bench()
      const box = await b.boot()
      await (await run(box.guest, b.programs.writer('/root/written'))).line('ready')
      await b.runtime.kill(box.id)
      const next = await b.boot({ root: box.root })
      const { sizeBytes } = await next.guest.files.stat('/root/written')
      expect(sizeBytes).toBeGreaterThan(0)
      await within(200, new Promise(() => {}))
      expect((await next.guest.files.stat('/root/written')).sizeBytes).toBe(sizeBytes)
      await b.drop(next)
    })

    it('of what never was succeeds', async () => {
      await bench().runtime.kill(newId())
    })

    it('cuts off a start under way, which leaves nothing', async () => {
      const b = bench()
      const starts = await Promise.all(
        [0, 20, 100].map(async (pauseMs) => {
          const root = await b.root()
          const plan = b.spec(root)
          const starting = b.runtime.start(plan).then(
            () => 'started',
            (error) => error.code,
          )
          await within(pauseMs, new Promise(() => {}))
          await b.runtime.kill(plan.id)
          return { root, id: plan.id, outcome: await starting }
        }),
      )
      for (const { root, id, outcome } of starts) {
        expect(['started', 'stale_incarnation']).toContain(outcome)
        expect(await b.listed(id)).toBeUndefined()
        await b.pool.deleteRoot(root)
      }
    })

    it('reaches the paused and the held', async () => {
      const b = bench()
      const box = await b.boot()
      await hold(box.guest)
      await b.runtime.pause(box.id)
      await b.runtime.kill(box.id)
      await box.guest.gone
      expect(await b.listed(box.id)).toBeUndefined()
      await b.pool.deleteRoot(box.root)
    })
  })

  describe('an incarnation that is not there', () => {
    it('is stale to every call', async () => {
      const b = bench()
      const id = newId<IncarnationId>()
      const stale = { code: 'stale_incarnation' }
      await expect(b.runtime.attach(id)).rejects.toMatchObject(stale)
      await expect(b.runtime.pause(id)).rejects.toMatchObject(stale)
      await expect(b.runtime.resume(id)).rejects.toMatchObject(stale)
      await expect(b.runtime.usage(id)).rejects.toMatchObject(stale)
      await expect(
        b.runtime.setNetwork(id, { internet: false, allow: [], deny: [], allowDomains: [], precedence: 'deny' }),
      ).rejects.toMatchObject(stale)
    })
  })

  describe('a crash inside', () => {
    it('is told once; a kill is not', async () => {
      const b = bench()
      const exits: IncarnationExit[] = []
      const told = Promise.withResolvers<void>()
      const [killed, crashed] = [await b.boot(), await b.boot()]
      b.runtime.onExit((exit) => {
        exits.push(exit)
        if (exit.id === crashed.id) told.resolve()
      })
      await b.drop(killed)
      const { id } = await crashed.guest.processes.start(spec(b.programs.sleep(1000)))
      const waiting = expect(crashed.guest.processes.wait(id)).rejects.toMatchObject({ code: 'stale_incarnation' })
      await b.subject.crash(crashed.id)
      await told.promise
      await crashed.guest.gone
      await waiting
      expect(await b.listed(crashed.id)).toBeUndefined()
      await expect(crashed.guest.metrics()).rejects.toMatchObject({ code: 'stale_incarnation' })
      // Clean-up after a crash is the same call, and tells nobody anything new.
      await b.drop(crashed)
      expect(exits).toEqual([{ id: crashed.id, reason: 'runtime_exited', detail: expect.any(String) }])
    })
  })

  describe('a restart of the server', () => {
    it('leaves incarnations running; attach reaches them', async () => {
      const b = bench()
      const box = await b.boot()
      const before = await run(box.guest, b.programs.counter(), { id: 'counter' })
      await before.until((reader) => counted(reader).length >= 3)
      await b.subject.reopen()
      await box.guest.gone
      await expect(box.guest.metrics()).rejects.toMatchObject({ code: 'stale_incarnation' })
      await expect(before.end()).rejects.toMatchObject({ code: 'stale_incarnation' })
      expect(await b.listed(box.id)).toEqual({ id: box.id, paused: false })
      const guest = await b.runtime.attach(box.id)
      const after = await follow(guest, 'counter', { stdout: before.position() })
      const last = counted(before).at(-1) ?? 0
      await after.until((reader) => counted(reader).length >= 3)
      expect(counted(after)[0]).toBe(last + 1)
      await after.stop()
      const told = Promise.withResolvers<IncarnationExit>()
      b.runtime.onExit(told.resolve)
      await b.subject.crash(box.id)
      expect(await told.promise).toMatchObject({ id: box.id })
      await guest.gone
      await b.drop(box)
    })

    it('in the middle of a capture leaves what can be resumed and released', async () => {
      const b = bench()
      const box = await b.boot()
      await hold(box.guest)
      await b.runtime.pause(box.id)
      await b.subject.reopen()
      expect(await b.listed(box.id)).toEqual({ id: box.id, paused: true })
      await b.runtime.resume(box.id)
      const guest = await b.runtime.attach(box.id)
      await guest.release()
      expect((await (await run(guest, b.programs.echo('alive'))).end()).text()).toBe('alive\n')
      await b.drop(box)
    })

    it('in the middle of a capture leaves what can be killed', async () => {
      const b = bench()
      const box = await b.boot()
      await hold(box.guest)
      await b.runtime.pause(box.id)
      await b.subject.reopen()
      await b.drop(box)
      expect(await b.listed(box.id)).toBeUndefined()
    })
  })

  describe('from the host', () => {
    it('usage, metrics and network policy can be seen and set', async () => {
      const b = bench()
      const box = await b.boot()
      const usage = await b.runtime.usage(box.id)
      expect(usage.cpuMs).toBeGreaterThanOrEqual(0)
      expect(usage.memoryBytes).toBeGreaterThan(0)
      expect(usage.memoryCacheBytes).toBeGreaterThanOrEqual(0)
      const metrics = await box.guest.metrics()
      expect(metrics.memoryTotalBytes).toBeGreaterThan(0)
      expect(metrics.memoryUsedBytes).toBeLessThanOrEqual(metrics.memoryTotalBytes)
      expect(metrics.diskTotalBytes).toBeGreaterThan(0)
      await b.runtime.setNetwork(box.id, {
        internet: true,
        allow: ['192.0.2.0/24'],
        deny: ['192.0.2.7/32'],
        allowDomains: [],
        precedence: 'deny',
      })
      await b.runtime.setNetwork(box.id, { internet: false, allow: [], deny: [], allowDomains: [], precedence: 'deny' })
      expect((await (await run(box.guest, b.programs.echo('alive'))).end()).text()).toBe('alive\n')
      await b.drop(box)
    })

    it('another environment holds for programs that start from now on', async () => {
      const b = bench()
      const box = await b.boot()
      const seen = async () => (await (await run(box.guest, b.programs.context())).end()).text().split('\0')
      await box.guest.setEnv({ FRESH: 'a b', EMPTY: '' })
      expect(await seen()).toEqual(expect.arrayContaining(['FRESH=a b', 'EMPTY=']))
      await box.guest.setEnv({ OTHER: '1' })
      expect(await seen()).toContain('OTHER=1')
      expect((await seen()).filter((part) => /^(FRESH|EMPTY)=/.test(part))).toEqual([])
      await b.drop(box)
    })

    it('what the runtime can and has is told', () => {
      const { name, version, host } = bench().runtime.info
      expect(name).not.toBe('')
      expect(version).not.toBe('')
      expect(host.cpus).toBeGreaterThan(0)
      expect(host.memoryBytes).toBeGreaterThan(0)
    })
  })
}
