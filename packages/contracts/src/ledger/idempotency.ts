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
