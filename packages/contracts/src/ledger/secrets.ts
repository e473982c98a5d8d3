import { newId, type Secret } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { sampleSecret } from '../ledger-samples.ts'
import { freshTeam, type LedgerBench } from './bench.ts'

/** Secrets of teams and their sealed values. */
export function secretsSuite(bench: LedgerBench): void {
  const put = (secret: Secret, sealed = 'c2VhbGVk') => bench.ledger.transact((tx) => tx.putSecret(secret, sealed))

  describe('secrets', () => {
    it('come back as they were put, the values apart from the rest', async () => {
      const teamId = freshTeam()
      const secret = sampleSecret(teamId)
      await put(secret)
      const { read } = bench.ledger
      expect((await read.secrets({ teamId }, { limit: 10 })).items).toEqual([secret])
      const changed = { ...secret, hosts: [], labels: {}, version: 4, updatedAt: new Date(1_700_000_000_044) }
      await put(changed, 'bmV3')
      expect(await read.sealedSecrets(teamId, [secret.name, 'NONE'])).toEqual([
        { secret: changed, sealedValue: 'bmV3' },
      ])
      expect(await read.sealedSecrets(freshTeam(), [secret.name])).toEqual([])
      expect(await read.sealedSecrets(teamId, [])).toEqual([])
    })

    it('bear a name once in a team', async () => {
      const teamId = freshTeam()
      await put(sampleSecret(teamId))
      await expect(put(sampleSecret(teamId))).rejects.toMatchObject({
        code: 'name_taken',
        context: { resource: 'secret', name: 'API_KEY' },
      })
      await put(sampleSecret(freshTeam()))
    })

    it('are listed newest first, by name, by part of a name, in pages', async () => {
      const teamId = freshTeam()
      const made = ['ONE', 'TWO', 'Another'].map((name) => sampleSecret(teamId, { name }))
      for (const secret of made) await put(secret)
      const { read } = bench.ledger
      const names = async (filter: { name?: string; nameContains?: string }) =>
        (await read.secrets({ teamId, ...filter }, { limit: 10 })).items.map(({ name }) => name)
      expect(await names({})).toEqual(['Another', 'TWO', 'ONE'])
      expect(await names({ name: 'TWO' })).toEqual(['TWO'])
      expect(await names({ nameContains: 'no' })).toEqual(['Another'])
      expect((await read.secrets({ teamId, id: made[1]?.id }, { limit: 10 })).items).toEqual([made[1]])
      const first = await read.secrets({ teamId }, { limit: 2 })
      const rest = await read.secrets({ teamId }, { limit: 2, after: first.next ?? '' })
      expect([...first.items, ...rest.items]).toEqual(made.toReversed())
    })

    it('go for good, and may be deleted twice', async () => {
      const secret = sampleSecret(freshTeam())
      await put(secret)
      for (let time = 0; time < 2; time += 1) await bench.ledger.transact((tx) => tx.deleteSecret(secret.id))
      expect(await bench.ledger.read.sealedSecrets(secret.teamId, [secret.name])).toEqual([])
      await put({ ...secret, id: newId() })
    })
  })
}
