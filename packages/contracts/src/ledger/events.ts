import { newId } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { sampleEvent } from '../ledger-samples.ts'
import { freshTeam, type LedgerBench } from './bench.ts'

export function eventsSuite(bench: LedgerBench): void {
  describe('events', () => {
    it('come oldest first, after a number, at most so many, of one team or sandbox', async () => {
      const teamId = freshTeam()
      const sandboxId = newId<never>()
      const events = [
        sampleEvent(teamId, { type: 'a', sandboxId }),
        sampleEvent(teamId, { type: 'b', snapshotId: newId(), data: { text: 'nul \u0000', list: [1] } }),
        sampleEvent(teamId, { type: 'c', sandboxId, imageId: newId() }),
      ]
      for (const event of events) await bench.put((tx) => tx.addEvent(event))
      await bench.put((tx) => tx.addEvent(sampleEvent(freshTeam())))
      const all = await bench.ledger.read.events({ teamId }, 0, 10)
      expect(all).toEqual(events.map((event) => ({ ...event, seq: expect.any(Number) })))
      const seqs = all.map((event) => event.seq)
      expect(seqs).toEqual([...seqs].sort((a, b) => a - b))
      expect(new Set(seqs).size).toBe(3)
      expect((await bench.ledger.read.events({ teamId }, seqs[0] ?? 0, 10)).map((e) => e.type)).toEqual(['b', 'c'])
      expect((await bench.ledger.read.events({ teamId }, 0, 2)).map((e) => e.type)).toEqual(['a', 'b'])
      expect((await bench.ledger.read.events({ teamId, sandboxId }, 0, 10)).map((e) => e.type)).toEqual(['a', 'c'])
      expect(await bench.ledger.read.events({ teamId }, seqs[2] ?? 0, 10)).toEqual([])
      expect(await bench.ledger.read.latestEvent(teamId)).toBe(seqs[2])
      expect(await bench.ledger.read.latestEvent(freshTeam())).toBe(0)
    })

    it.each([
      [-1, 10],
      [0.5, 10],
      [Number.NaN, 10],
      [0, 0],
      [0, -1],
      [0, 1.5],
    ])('refuse after %s with limit %s', async (after, limit) => {
      const refused = bench.ledger.read.events({ teamId: freshTeam() }, after, limit)
      await expect(refused).rejects.toMatchObject({ code: 'invalid_argument' })
    })

    it('never appear behind a reader that follows by number', async () => {
      const teamId = freshTeam()
      const [writers, rounds] = [6, 8]
      let writing = true
      const seen: { seq: number; type: string }[] = []
      const follow = async () => {
        for (;;) {
          const last = !writing
          const batch = await bench.ledger.read.events({ teamId }, seen.at(-1)?.seq ?? 0, 5)
          for (const { seq, type } of batch) seen.push({ seq, type })
          if (last && batch.length === 0) return
          if (batch.length === 0) await new Promise((resume) => setImmediate(resume))
        }
      }
      const write = async (writer: number) => {
        for (let round = 0; round < rounds; round += 1) {
          await bench.put(async (tx) => {
            await tx.addEvent(sampleEvent(teamId, { type: `${writer}.${round}.first` }))
            // Between the two numbers others write and commit.
            for (let n = 0; n <= writer; n += 1) await tx.sandbox(newId())
            await tx.addEvent(sampleEvent(teamId, { type: `${writer}.${round}.second` }))
          })
        }
      }
      const following = follow()
      try {
        await Promise.all(Array.from({ length: writers }, (_, n) => write(n)))
      } finally {
        writing = false
        await following
      }
      expect(seen).toEqual(
        (await bench.ledger.read.events({ teamId }, 0, 1000)).map(({ seq, type }) => ({ seq, type })),
      )
      expect(new Set(seen.map((event) => event.type)).size).toBe(writers * rounds * 2)
      expect(seen).toHaveLength(writers * rounds * 2)
    })
  })
}
