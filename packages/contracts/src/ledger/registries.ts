import { newId, type Registry } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { sampleRegistry } from '../ledger-samples.ts'
import { freshTeam, type LedgerBench } from './bench.ts'

/** Registries and their sealed passwords. */
export function registriesSuite(bench: LedgerBench): void {
  const put = (registry: Registry, sealed: string | null = null) =>
    bench.ledger.transact((tx) => tx.putRegistry(registry, sealed))

  describe('registries', () => {
    it('come back as they were put, the password apart from the rest', async () => {
      const registry = sampleRegistry(freshTeam())
      await put(registry, 'c2VhbGVk')
      expect(await bench.ledger.read.registry(registry.id)).toEqual(registry)
      expect(await bench.ledger.read.sealedPassword(registry.id)).toBe('c2VhbGVk')
      const changed = { ...registry, name: 'theirs', username: null }
      await put(changed)
      expect(await bench.ledger.transact((tx) => tx.lockRegistry(registry.id))).toEqual(changed)
      expect(await bench.ledger.read.sealedPassword(registry.id)).toBeNull()
    })

    it('bear a name once in a team', async () => {
      const teamId = freshTeam()
      const registry = sampleRegistry(teamId)
      await put(registry)
      await expect(put(sampleRegistry(teamId))).rejects.toMatchObject({
        code: 'name_taken',
        context: { resource: 'registry', name: 'ours' },
      })
      await put(registry)
      await put(sampleRegistry(freshTeam()))
      await put(sampleRegistry(teamId, { name: 'Ours' }))
    })

    it('are listed newest first, by name, by part of a name, in pages', async () => {
      const teamId = freshTeam()
      const made = ['one', 'two', 'Another'].map((name) => sampleRegistry(teamId, { name }))
      for (const registry of made) await put(registry)
      const names = async (filter: { name?: string; nameContains?: string }) =>
        (await bench.ledger.read.registries({ teamId, ...filter }, { limit: 10 })).items.map(({ name }) => name)
      expect(await names({})).toEqual(['Another', 'two', 'one'])
      expect(await names({ name: 'two' })).toEqual(['two'])
      expect(await names({ nameContains: 'NO' })).toEqual(['Another'])
      expect(await names({ nameContains: 't%' })).toEqual([])
      const first = await bench.ledger.read.registries({ teamId }, { limit: 2 })
      const rest = await bench.ledger.read.registries({ teamId }, { limit: 2, after: first.next ?? '' })
      expect([...first.items, ...rest.items]).toEqual(made.toReversed())
      expect(rest.next).toBeNull()
    })

    it('go for good, and may be deleted twice', async () => {
      const registry = sampleRegistry(freshTeam())
      await put(registry, 'sealed')
      for (let time = 0; time < 2; time += 1) await bench.ledger.transact((tx) => tx.deleteRegistry(registry.id))
      expect(await bench.ledger.read.registry(registry.id)).toBeNull()
      expect(await bench.ledger.read.sealedPassword(registry.id)).toBeNull()
      await put({ ...registry, id: newId() })
    })
  })
}
