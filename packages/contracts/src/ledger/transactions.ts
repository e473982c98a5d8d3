import { type LedgerTx, newId, type Sandbox } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import {
  sampleAudit,
  sampleEvent,
  sampleImage,
  sampleKey,
  sampleOperation,
  sampleSandbox,
  sampleSnapshot,
} from '../ledger-samples.ts'
import { freshTeam, type LedgerBench } from './bench.ts'

export function transactionsSuite(bench: LedgerBench): void {
  describe('transactions', () => {
    it('return what the work returns', async () => {
      expect(await bench.ledger.transact(async () => 42)).toBe(42)
    })

    it('roll everything back when the work rejects, with its error', async () => {
      const sandbox = sampleSandbox(freshTeam())
      const before = { ...sandbox, state: 'stopped' as const }
      const added = sampleSnapshot(sandbox.teamId)
      await bench.put((tx) => tx.putSandbox(before))
      const cause = new Error('no')
      const attempt = bench.ledger.transact(async (tx) => {
        await tx.putSandbox(sandbox)
        await tx.putSnapshot(added)
        await tx.addEvent(sampleEvent(sandbox.teamId))
        throw cause
      })
      await expect(attempt).rejects.toBe(cause)
      expect(await bench.ledger.read.sandbox(sandbox.id)).toEqual(before)
      expect(await bench.ledger.read.snapshot(added.id)).toBeNull()
      expect(await bench.ledger.read.events({ teamId: sandbox.teamId }, 0, 10)).toEqual([])
    })

    it('that need not be durable yet are seen at once, and roll back like any other', async () => {
      const sandbox = sampleSandbox(freshTeam())
      const later = { durability: 'later' } as const
      await bench.ledger.transact((tx) => tx.putSandbox(sandbox), later)
      expect(await bench.ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
      const cause = new Error('no')
      const attempt = bench.ledger.transact(async (tx) => {
        await tx.putSandbox({ ...sandbox, state: 'stopped' })
        throw cause
      }, later)
      await expect(attempt).rejects.toBe(cause)
      expect(await bench.ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
    })

    it('that swallowed a failure inside never claim success for writes that are lost', async () => {
      const sandbox = sampleSandbox(freshTeam())
      const hash = `hash-${newId()}`
      await bench.put((tx) => tx.putKey(sampleKey(sandbox.teamId), hash))
      const outcome = await bench.ledger
        .transact(async (tx) => {
          await tx.putSandbox(sandbox)
          // The port says nothing of going on after a failed call: a ledger may refuse, but must not lose silently.
          await tx.putKey(sampleKey(sandbox.teamId), hash).catch(() => undefined)
        })
        .then(
          () => 'acknowledged',
          () => 'refused',
        )
      const there = (await bench.ledger.read.sandbox(sandbox.id)) !== null
      expect(there).toBe(outcome === 'acknowledged')
    })

    it('tell why the first write was refused, whatever came after it', async () => {
      const teamId = freshTeam()
      const [holder, other] = [sampleSandbox(teamId, { name: 'mine' }), sampleSandbox(teamId)]
      await bench.put((tx) => tx.putSandbox(holder))
      const before = sampleSnapshot(teamId)
      const attempt = (rest: (tx: LedgerTx) => Promise<unknown>) =>
        bench.ledger.transact(async (tx) => {
          await tx.putSnapshot(before)
          await tx.putSandbox(sampleSandbox(teamId, { name: 'mine' }))
          await rest(tx)
        })
      const ways: ((tx: LedgerTx) => Promise<unknown>)[] = [
        async () => undefined,
        (tx) => tx.putSandbox(other),
        (tx) => tx.lockSandbox(holder.id),
        (tx) => tx.putKey(sampleKey(teamId), `hash-${newId()}`),
        (tx) => Promise.all([tx.sandbox(holder.id), tx.putSandbox(other), tx.addEvent(sampleEvent(teamId))]),
        () => Promise.reject(new Error('no')),
      ]
      for (const way of ways) await expect(attempt(way)).rejects.toMatchObject({ code: 'name_taken' })
      expect((await bench.ledger.read.sandboxes({ teamId }, { limit: 5 })).items).toEqual([holder])
      expect(await bench.ledger.read.snapshot(before.id)).toBeNull()
      expect(await bench.ledger.read.events({ teamId }, 0, 5)).toEqual([])
    })

    it('leave nothing behind when one of their writes cannot be stored as it is', async () => {
      const sandbox = sampleSandbox(freshTeam())
      const { teamId } = sandbox
      const unstorable: ((tx: LedgerTx) => Promise<unknown>)[] = [
        (tx) => tx.putAudit(sampleAudit(teamId, { target: 'nul \u0000' })),
        (tx) => tx.putSandbox(sampleSandbox(teamId, { name: 'nul \u0000' })),
      ]
      for (const write of unstorable) {
        const attempt = bench.ledger.transact(async (tx) => {
          await tx.putSandbox(sandbox)
          await write(tx)
          await tx.addEvent(sampleEvent(teamId))
        })
        await expect(attempt, String(write)).rejects.toMatchObject({ code: 'invalid_argument' })
        expect(await bench.ledger.read.sandbox(sandbox.id), String(write)).toBeNull()
      }
    })

    it('see their own writes, and nobody else does before they end', async () => {
      const sandbox = sampleSandbox(freshTeam())
      const { teamId } = sandbox
      await bench.put(async (tx) => {
        await tx.putSandbox(sandbox)
        await tx.addEvent(sampleEvent(teamId))
        expect(await tx.sandbox(sandbox.id)).toEqual(sandbox)
        expect((await tx.sandboxes({ teamId }, { limit: 5 })).items).toEqual([sandbox])
        expect(await tx.events({ teamId }, 0, 5)).toHaveLength(1)
        expect(await bench.ledger.read.sandbox(sandbox.id)).toBeNull()
        expect(await bench.ledger.read.events({ teamId }, 0, 5)).toEqual([])
      })
      expect(await bench.ledger.read.sandbox(sandbox.id)).toEqual(sandbox)
      expect(await bench.ledger.read.events({ teamId }, 0, 5)).toHaveLength(1)
    })

    it('may read outside themselves, many at once', async () => {
      const sandbox = sampleSandbox(freshTeam())
      await bench.put((tx) => tx.putSandbox(sandbox))
      const work = () =>
        bench.ledger.transact(async (tx) => [await tx.sandbox(sandbox.id), await bench.ledger.read.sandbox(sandbox.id)])
      const found = await Promise.all(Array.from({ length: 40 }, work))
      expect(found.flat()).toEqual(Array(80).fill(sandbox))
    })

    it('are of no use after their end', async () => {
      const sandbox = sampleSandbox(freshTeam())
      let leaked: LedgerTx | undefined
      await bench.put(async (tx) => {
        leaked = tx
      })
      const late: ((tx: LedgerTx) => Promise<unknown>)[] = [
        (tx) => tx.putSandbox(sandbox),
        (tx) => tx.addEvent(sampleEvent(sandbox.teamId)),
        (tx) => tx.putAudit(sampleAudit(sandbox.teamId)),
        (tx) => tx.putKey(sampleKey(sandbox.teamId), `hash-${newId()}`),
        (tx) => tx.lockSandbox(sandbox.id),
      ]
      for (const call of late) await expect(leaked && call(leaked), String(call)).rejects.toThrow()
      expect(await bench.ledger.read.sandbox(sandbox.id)).toBeNull()
    })

    it('claim a locked sandbox one after the other', async () => {
      const sandbox = sampleSandbox(freshTeam(), { state: 'running' })
      await bench.put((tx) => tx.putSandbox(sandbox))
      const claim = () =>
        bench.ledger.transact(async (tx) => {
          const found = await tx.lockSandbox(sandbox.id)
          if (found?.state !== 'running') return false
          await tx.putSandbox({ ...found, state: 'pausing', generation: found.generation + 1 })
          return true
        })
      const claims = await Promise.all(Array.from({ length: 12 }, claim))
      expect(claims.filter(Boolean)).toHaveLength(1)
      expect((await bench.ledger.read.sandbox(sandbox.id))?.generation).toBe(1)
    })

    it('lose no update under locks of sandboxes, snapshots and images', async () => {
      const teamId = freshTeam()
      const sandbox = sampleSandbox(teamId, { generation: 0 })
      const snapshot = sampleSnapshot(teamId, { generation: 0 })
      const image = sampleImage(teamId, { sizeBytes: 0 })
      await bench.put(async (tx) => {
        await tx.putSandbox(sandbox)
        await tx.putSnapshot(snapshot)
        await tx.putImage(image)
      })
      const step = () =>
        bench.put(async (tx) => {
          const a = (await tx.lockSandbox(sandbox.id)) ?? sandbox
          const b = (await tx.lockSnapshot(snapshot.id)) ?? snapshot
          const c = (await tx.lockImage(image.id)) ?? image
          await tx.putSandbox({ ...a, generation: a.generation + 1 })
          await tx.putSnapshot({ ...b, generation: b.generation + 1 })
          await tx.putImage({ ...c, sizeBytes: c.sizeBytes + 1 })
        })
      await Promise.all(Array.from({ length: 20 }, step))
      expect((await bench.ledger.read.sandbox(sandbox.id))?.generation).toBe(20)
      expect((await bench.ledger.read.snapshot(snapshot.id))?.generation).toBe(20)
      expect((await bench.ledger.read.image(image.id))?.sizeBytes).toBe(20)
    })

    it('find a locked operation as it was left by one that was on its way', async () => {
      const operation = sampleOperation(freshTeam())
      await bench.put((tx) => tx.putOperation(operation))
      const [written, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const late = bench.ledger.transact(async (tx) => {
        await tx.putOperation({ ...operation, phase: 'late' })
        await tx.operation(operation.id)
        written.resolve()
        await released.promise
      })
      await written.promise
      const found = bench.ledger.transact((tx) => tx.lockOperation(operation.id))
      expect(await bench.ledger.read.operation(operation.id)).toEqual(operation)
      released.resolve()
      await late
      expect((await found)?.phase).toBe('late')
      expect(await bench.ledger.transact((tx) => tx.lockOperation(newId<never>()))).toBeNull()
    })

    it('that lock in opposite orders all come through', async () => {
      const teamId = freshTeam()
      const pair = [sampleSandbox(teamId), sampleSandbox(teamId)]
      await bench.put(async (tx) => {
        for (const sandbox of pair) await tx.putSandbox(sandbox)
      })
      const step = (order: typeof pair) =>
        bench.put(async (tx) => {
          for (const { id } of order) {
            const found = await tx.lockSandbox(id)
            if (found) await tx.putSandbox({ ...found, generation: found.generation + 1 })
          }
        })
      await Promise.all(Array.from({ length: 6 }, (_, n) => step(n % 2 === 0 ? pair : [...pair].reverse())))
      for (const { id } of pair) expect((await bench.ledger.read.sandbox(id))?.generation).toBe(6)
    })

    it('open one exclusive operation per sandbox', async () => {
      const teamId = freshTeam()
      const sandboxId = newId<never>()
      const pause = sampleOperation(teamId, { kind: 'sandbox.pause', sandboxId })
      const stop = sampleOperation(teamId, { kind: 'sandbox.stop', sandboxId })
      await bench.put((tx) => tx.putOperation(pause))
      await bench.put((tx) => tx.putOperation({ ...pause, phase: 'freezing' }))
      await expect(bench.put((tx) => tx.putOperation(stop))).rejects.toMatchObject({
        code: 'operation_in_progress',
        context: { resource: 'sandbox', id: sandboxId },
      })
      expect(await bench.ledger.read.operation(stop.id)).toBeNull()
      // Snapshots and forks go on storing while the sandbox runs again, and a kill never waits.
      for (const kind of ['snapshot.create', 'snapshot.create', 'sandbox.fork', 'sandbox.kill'] as const) {
        await bench.put((tx) => tx.putOperation(sampleOperation(teamId, { kind, sandboxId })))
      }
      await bench.put(async (tx) => {
        await tx.putOperation({ ...pause, state: 'done', endedAt: new Date() })
        await tx.putOperation(stop)
      })
      expect(await bench.ledger.read.operation(stop.id)).toEqual(stop)
    })

    it('give a name to one living sandbox of a team, also when several try at once', async () => {
      const teamId = freshTeam()
      const named = (state: 'creating' | 'killed') => sampleSandbox(teamId, { name: 'mine', state })
      await bench.put((tx) => tx.putSandbox(named('killed')))
      const tries = Array.from({ length: 6 }, () => named('creating'))
      const outcomes = await Promise.allSettled(tries.map((sandbox) => bench.put((tx) => tx.putSandbox(sandbox))))
      const refused = outcomes.filter((outcome) => outcome.status === 'rejected').map((outcome) => outcome.reason)
      expect(refused).toHaveLength(5)
      for (const reason of refused) expect(reason).toMatchObject({ code: 'name_taken' })
      const holder = (await bench.ledger.read.sandboxes({ teamId, states: ['creating'] }, { limit: 10 })).items[0]
      await bench.put((tx) => tx.putSandbox({ ...(holder as Sandbox), state: 'killed' }))
      await bench.put((tx) => tx.putSandbox(named('creating')))
      await bench.put((tx) => tx.putSandbox(sampleSandbox(freshTeam(), { name: 'mine' })))
    })

    it('open one exclusive operation per sandbox also when several try at once', async () => {
      const teamId = freshTeam()
      const sandboxId = newId<never>()
      const open = () =>
        bench.put((tx) => tx.putOperation(sampleOperation(teamId, { kind: 'sandbox.pause', sandboxId })))
      const outcomes = await Promise.allSettled(Array.from({ length: 8 }, open))
      const refused = outcomes.filter((outcome) => outcome.status === 'rejected').map((outcome) => outcome.reason)
      expect(refused).toHaveLength(7)
      for (const reason of refused) expect(reason).toMatchObject({ code: 'operation_in_progress' })
      expect((await bench.ledger.read.operations({ teamId }, { limit: 10 })).items).toHaveLength(1)
    })
  })
}
