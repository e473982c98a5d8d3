import { newId, type OperationId, type TeamId } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { freshTeam, type LedgerBench } from './bench.ts'

export function idempotencySuite(bench: LedgerBench): void {
  describe('idempotency', () => {
    const record = (teamId: TeamId, key: string, requestHash = 'h1') => ({
      teamId,
      key,
      requestHash,
      operationId: null,
      response: null,
      createdAt: new Date(1_700_000_000_042),
    })

    it('keeps the first claim, then its response exactly', async () => {
      const teamId = freshTeam()
      const first = record(teamId, 'k')
      expect(await bench.ledger.read.idempotent(teamId, 'k')).toBeNull()
      expect(await bench.ledger.transact((tx) => tx.claimIdempotency(first))).toBeNull()
      expect(await bench.ledger.transact((tx) => tx.claimIdempotency(record(teamId, 'k', 'h2')))).toEqual(first)
      expect(await bench.ledger.transact((tx) => tx.claimIdempotency(record(freshTeam(), 'k')))).toBeNull()
      const response = { status: 201, body: { z: 1, a: ['\u0000\ud800', null, 1.5], nested: { y: {}, b: 'ü' } } }
      await bench.put((tx) => tx.finishIdempotency(teamId, 'k', response))
      const found = await bench.ledger.read.idempotent(teamId, 'k')
      expect(found).toEqual({ ...first, response })
      // A repeated response is the same bytes, order of fields included.
      expect(JSON.stringify(found?.response?.body)).toBe(JSON.stringify(response.body))
      expect(await bench.ledger.transact((tx) => tx.claimIdempotency(first))).toEqual({ ...first, response })
    })

    it('keeps the first operation that is tied to a claimed key', async () => {
      const teamId = freshTeam()
      const [operationId, other] = [newId<OperationId>(), newId<OperationId>()]
      await bench.put((tx) => tx.tieIdempotency(teamId, 'k', operationId))
      expect(await bench.ledger.read.idempotent(teamId, 'k')).toBeNull()
      const first = record(teamId, 'k')
      await bench.put(async (tx) => {
        await tx.claimIdempotency(first)
        await tx.claimIdempotency(record(teamId, 'other'))
      })
      await bench.put((tx) => tx.tieIdempotency(teamId, 'k', operationId))
      await bench.put((tx) => tx.tieIdempotency(teamId, 'k', other))
      expect(await bench.ledger.read.idempotent(teamId, 'k')).toEqual({ ...first, operationId })
      expect((await bench.ledger.read.idempotent(teamId, 'other'))?.operationId).toBeNull()
      await bench.put(async (tx) => {
        await tx.releaseIdempotency(teamId, 'k')
        await tx.claimIdempotency(first)
      })
      expect(await bench.ledger.read.idempotent(teamId, 'k')).toEqual(first)
    })

    it.each([[null], ['text'], [0], [false]])('keeps a body of %j', async (body) => {
      const teamId = freshTeam()
      await bench.put(async (tx) => {
        await tx.claimIdempotency(record(teamId, 'k'))
        await tx.finishIdempotency(teamId, 'k', { status: 204, body })
      })
      expect((await bench.ledger.read.idempotent(teamId, 'k'))?.response).toEqual({ status: 204, body })
    })

    it('finds what was answered under keys that begin alike, newest first', async () => {
      const teamId = freshTeam()
      const keys = ['p:1', 'p:2', 'p:\u{1f600}', 'p:open', 'p', 'q:1']
      const claimed = keys.map((key, n) => ({ ...record(teamId, key), createdAt: new Date(1_700_000_000_000 + n) }))
      await bench.put(async (tx) => {
        for (const one of claimed) await tx.claimIdempotency(one)
        await tx.claimIdempotency(record(freshTeam(), 'p:other'))
        for (const key of keys.filter((key) => key !== 'p:open'))
          await tx.finishIdempotency(teamId, key, { status: 200, body: key })
      })
      const under = async (prefix: string, limit: number) =>
        (await bench.ledger.read.idempotentUnder(teamId, prefix, limit)).map(({ response }) => response?.body)
      expect(await under('p:', 10)).toEqual(['p:\u{1f600}', 'p:2', 'p:1'])
      expect(await under('p:', 2)).toEqual(['p:\u{1f600}', 'p:2'])
      expect(await under('p:1', 2)).toEqual(['p:1'])
      expect(await under('x', 10)).toEqual([])
    })

    it('can be claimed anew after release', async () => {
      const teamId = freshTeam()
      await bench.put((tx) => tx.claimIdempotency(record(teamId, 'k')))
      await bench.put((tx) => tx.releaseIdempotency(teamId, 'k'))
      expect(await bench.ledger.read.idempotent(teamId, 'k')).toBeNull()
      expect(await bench.ledger.transact((tx) => tx.claimIdempotency(record(teamId, 'k', 'h2')))).toBeNull()
    })

    it('is claimed by exactly one of many', async () => {
      const teamId = freshTeam()
      const claim = (n: number) => bench.ledger.transact((tx) => tx.claimIdempotency(record(teamId, 'k', `h${n}`)))
      const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => claim(n)))
      expect(answers.filter((answer) => answer === null)).toHaveLength(1)
      const winner = (await bench.ledger.read.idempotent(teamId, 'k'))?.requestHash
      expect(new Set(answers.filter((a) => a !== null).map((a) => a.requestHash))).toEqual(new Set([winner]))
    })

    it('is free again when the claiming transaction fails', async () => {
      const teamId = freshTeam()
      const failed = bench.ledger.transact(async (tx) => {
        await tx.claimIdempotency(record(teamId, 'k'))
        throw new Error('no')
      })
      await expect(failed).rejects.toThrow('no')
      expect(await bench.ledger.transact((tx) => tx.claimIdempotency(record(teamId, 'k')))).toBeNull()
    })
  })
}
