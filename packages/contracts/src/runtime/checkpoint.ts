import { newId, type SnapshotId } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ask,
  type Bench,
  type Box,
  contextOf,
  follow,
  hold,
  type MemorySnapshot,
  pieces,
  readText,
  run,
  spec,
} from './bench.ts'
import { echoed, PORT } from './ports.ts'
import { counted, Reader } from './reader.ts'

const upTo = (numbers: number[]) => numbers.map((_, index) => index + 1)

export function checkpointSuite(bench: () => Bench): void {
  describe('checkpoint and restore', () => {
    let b: Bench
    let origin: Box
    let snapshot: MemorySnapshot
    /** Follows the counter of the origin over the capture. */
    let originCounter: Reader
    let capturedAt: number

    beforeAll(async () => {
      b = bench()
      origin = await b.boot({ identity: { hostname: 'origin', env: { WHO: 'origin' } } })
      const { guest } = origin
      originCounter = new Reader(
        await guest.processes.startAndFollow(spec(b.programs.counter(), { id: 'counter', stdin: true })),
      )
      const holder = await run(guest, b.programs.holder('at start'), { id: 'holder', stdin: true })
      await holder.line('ready')
      await (await run(guest, b.programs.tcpEcho(PORT), { id: 'echo' })).line('ready')
      await guest.processes.writeStdin('holder', Buffer.from('captured\n'))
      expect(await ask(guest, 'holder')).toBe('captured')
      await guest.files.write('/root/on-disk', pieces('captured'))
      for (const dir of b.subject.traits.memoryDirs) await guest.files.write(`${dir}/in-memory`, pieces('captured'))
      await originCounter.until((reader) => counted(reader).length >= 4)
      capturedAt = counted(originCounter).length
      snapshot = await b.capture(origin)
      await guest.processes.writeStdin('holder', Buffer.from('origin went on\n'))
      await guest.files.write('/root/on-disk', pieces('origin went on'))
    })
    afterAll(() => b.drop(origin))

    it('say whether a restore could be before one is tried, and keep the agent that it needs', async () => {
      const { runtime } = b.subject
      const needs = snapshot.requirements
      await runtime.checkRestore(needs, { agent: false })
      const others = [
        { ...needs, runtime: 'other' },
        { ...needs, runtimeVersion: `${needs.runtimeVersion}.1` },
        { ...needs, cpuFeatures: [...needs.cpuFeatures, 'a_feature_of_no_cpu'] },
        { ...needs, agentDigest: 'e'.repeat(64) },
      ]
      for (const other of others) {
        await expect(runtime.checkRestore(other, { agent: false })).rejects.toMatchObject({ code: 'incompatible' })
      }
      await runtime.checkRestore({ ...needs, agentDigest: 'e'.repeat(64) }, { agent: true })
      const file = await runtime.agents.file(needs.agentDigest ?? '')
      expect(await runtime.agents.add(file ?? '')).toBe(needs.agentDigest)
      expect(await runtime.agents.file('e'.repeat(64))).toBeNull()
      expect(await runtime.agents.file('../../etc/passwd')).toBeNull()
    })

    it('let the origin go on as if nothing had been', async () => {
      await originCounter.until((reader) => counted(reader).length >= capturedAt + 5)
      expect(counted(originCounter)).toEqual(upTo(counted(originCounter)))
      expect(originCounter.gaps).toEqual([])
      expect(await ask(origin.guest, 'holder')).toBe('origin went on')
      expect(await readText(origin.guest, '/root/on-disk')).toBe('origin went on')
      expect((await echoed(await origin.guest.connectPort(PORT), Buffer.from('hello'))).toString()).toBe('hello')
    })

    it('give a clone that goes on from the captured memory, files and listeners', async () => {
      const clone = await b.spawn(snapshot)
      expect(await b.listed(clone.id)).toEqual({ id: clone.id, paused: false })
      expect(await ask(clone.guest, 'holder')).toBe('captured')
      expect(await readText(clone.guest, '/root/on-disk')).toBe('captured')
      for (const dir of b.subject.traits.memoryDirs) {
        expect(await readText(clone.guest, `${dir}/in-memory`)).toBe('captured')
      }
      // Its counter has printed what the origin's had, and goes on from there without a jump.
      const counter = await follow(clone.guest, 'counter')
      await counter.until((reader) => counted(reader).length >= capturedAt + 5)
      expect(counted(counter)).toEqual(upTo(counted(counter)))
      await counter.stop()
      expect((await echoed(await clone.guest.connectPort(PORT), Buffer.from('hello'))).toString()).toBe('hello')
      const ids = async (box: Box) => (await box.guest.processes.list()).map(({ id, pid }) => ({ id, pid }))
      expect(await ids(clone)).toEqual(await ids(origin))
      await b.drop(clone)
    })

    it('give a clone an identity of its own', async () => {
      const clone = await b.spawn(snapshot, { hostname: 'clone', env: { WHO: 'clone' }, generation: 5 })
      for (const [box, name, generation] of [
        [origin, 'origin', '0'],
        [clone, 'clone', '5'],
      ] as const) {
        const seen = await contextOf(await run(box.guest, b.programs.context()))
        expect(seen).toMatchObject({ hostname: name, env: { WHO: name } })
        expect((await readText(box.guest, '/run/spawnpoint/generation')).trim()).toBe(generation)
      }
      await b.drop(clone)
    })

    it('keep clones and origin apart', async () => {
      const [one, two] = [await b.spawn(snapshot), await b.spawn(snapshot)]
      await one.guest.processes.writeStdin('holder', Buffer.from('one\n'))
      await one.guest.files.write('/root/on-disk', pieces('one'))
      expect(await ask(one.guest, 'holder')).toBe('one')
      expect(await ask(two.guest, 'holder')).toBe('captured')
      expect(await readText(two.guest, '/root/on-disk')).toBe('captured')
      expect(await ask(origin.guest, 'holder')).toBe('origin went on')
      await b.drop(one)
      expect(await ask(two.guest, 'holder')).toBe('captured')
      await b.drop(two)
    })

    it('restore three at a time', async () => {
      const clones = await Promise.all(Array.from({ length: 3 }, (_, n) => b.spawn(snapshot, { generation: n + 1 })))
      const answers = clones.map(async ({ guest }, n) => {
        await guest.processes.writeStdin('holder', Buffer.from(`clone ${n}\n`))
        return await ask(guest, 'holder')
      })
      expect(await Promise.all(answers)).toEqual(['clone 0', 'clone 1', 'clone 2'])
      await b.drop(...clones)
    })

    it('work on a clone as on its origin', async () => {
      const child = await b.spawn(snapshot)
      await child.guest.processes.writeStdin('holder', Buffer.from('child\n'))
      expect(await ask(child.guest, 'holder')).toBe('child')
      const second = await b.capture(child)
      await b.drop(child)
      const grandchild = await b.spawn(second)
      expect(await ask(grandchild.guest, 'holder')).toBe('child')
      await b.drop(grandchild)
    })

    it('leave the incarnation paused and alive, also when they fail', async () => {
      const id = newId<SnapshotId>()
      const { memoryDir } = await b.pool.stageSnapshot(id)
      await hold(origin.guest)
      await b.runtime.pause(origin.id)
      expect((await b.runtime.checkpoint(origin.id, memoryDir)).memoryBytes).toBeGreaterThan(0)
      expect(await b.listed(origin.id)).toEqual({ id: origin.id, paused: true })
      // The directory is not empty any more: the second one fails.
      await expect(b.runtime.checkpoint(origin.id, memoryDir)).rejects.toMatchObject({ code: 'runtime_failed' })
      expect(await b.listed(origin.id)).toEqual({ id: origin.id, paused: true })
      await b.runtime.resume(origin.id)
      await origin.guest.release()
      expect(await ask(origin.guest, 'holder')).toBe('origin went on')
      await b.pool.deleteSnapshot(id)
    })

    it('do not restore what this host cannot, and leave nothing behind', async () => {
      const { requirements } = snapshot
      const root = await b.root({ from: 'snapshot', id: snapshot.id })
      for (const unmet of [
        { ...requirements, runtime: 'another-runtime' },
        { ...requirements, runtimeVersion: '0.0-none' },
        { ...requirements, cpuFeatures: [...requirements.cpuFeatures, 'no_such_feature'] },
      ]) {
        const wanted = b.spec(root)
        const restored = b.runtime.restore(wanted, { ...b.memory(snapshot), requirements: unmet })
        await expect(restored).rejects.toMatchObject({ code: 'incompatible' })
        expect(await b.listed(wanted.id)).toBeUndefined()
      }
      await b.pool.deleteRoot(root)
    })

    it('do not restore where there is no memory, and leave nothing behind', async () => {
      const filesOnly = await b.captureFiles(origin)
      const root = await b.root({ from: 'snapshot', id: filesOnly })
      const wanted = b.spec(root)
      const restored = b.runtime.restore(wanted, { ...b.memory(snapshot), dir: b.pool.memoryDir(filesOnly) })
      await expect(restored).rejects.toMatchObject({ code: 'runtime_failed' })
      expect(await b.listed(wanted.id)).toBeUndefined()
      // The root was not touched: it can still be booted.
      const box = await b.boot({ root })
      expect(await readText(box.guest, '/root/on-disk')).toBe('origin went on')
      for (const dir of b.subject.traits.memoryDirs) {
        await expect(box.guest.files.stat(`${dir}/in-memory`)).rejects.toMatchObject({ code: 'guest_error' })
      }
      await b.drop(box)
    })

    it('outlive their origin and the server', async () => {
      const short = await b.boot()
      const holder = await run(short.guest, b.programs.holder('kept'), { id: 'holder', stdin: true })
      await holder.line('ready')
      const kept = await b.capture(short)
      await b.drop(short)
      await b.subject.reopen()
      origin = { ...origin, guest: await b.runtime.attach(origin.id) }
      const clone = await b.spawn(kept)
      expect(await ask(clone.guest, 'holder')).toBe('kept')
      await b.drop(clone)
    })
  })
}
