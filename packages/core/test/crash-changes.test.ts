import { expect } from 'vitest'
import { type Scenario, walk } from './crash-walk.ts'
import { GIB } from './world.ts'

const RULE = {
  name: 'api',
  hosts: ['api.example.com'],
  headers: [{ name: 'Authorization', template: 'Bearer {API_KEY}' }],
}

const withVolume: Scenario['prepare'] = async (w, c) => {
  await c.volumes.create(w.by, { name: 'data', sizeBytes: GIB })
  await (await c.sandboxes.create(w.by, { image: 'base', volumes: [{ volume: 'data', path: '/data' }] })).done
}

walk([
  {
    name: 'a volume',
    run: (w, c) => c.volumes.create(w.by, { name: 'data' }),
    after: ['running'],
  },
  {
    name: 'a volume of another size',
    prepare: withVolume,
    run: (w, c) => c.volumes.resize(w.by, 'data', { sizeBytes: 2 * GIB }),
    after: ['running'],
  },
  {
    name: 'a volume of a smaller size',
    prepare: withVolume,
    run: (w, c) => c.volumes.resize(w.by, 'data', { sizeBytes: GIB / 2 }),
    after: ['running'],
  },
  {
    name: 'a volume that goes',
    prepare: async (w, c) => void (await c.volumes.create(w.by, { name: 'data' })),
    run: (w, c) => c.volumes.delete(w.by, 'data'),
    after: ['running'],
  },
  {
    name: 'a larger disk while it runs',
    run: (w, c, o) => c.sandboxes.update(w.by, o.id, { resources: { diskBytes: 8 * GIB } }),
    after: ['running'],
  },
  {
    name: 'a larger disk of a stopped one, which starts',
    prepare: async (w, c, o) => void (await (await c.sandboxes.stop(w.by, o.id)).done),
    run: async (w, c, o) => {
      await c.sandboxes.update(w.by, o.id, { resources: { diskBytes: 8 * GIB } })
      await (await c.sandboxes.start(w.by, o.id)).done
    },
    after: ['stopped', 'running'],
  },
  {
    name: 'a narrower network while it runs',
    run: (w, c, o) => c.sandboxes.update(w.by, o.id, { network: { internet: false } }),
    after: ['running'],
    follows: true,
  },
  {
    name: 'a secret that is another',
    prepare: async (w, c) => {
      await c.secrets.set(w.by, 'API_KEY', { value: 'sk-1' })
      for (const _ of 'two') await (await c.sandboxes.create(w.by, { image: 'base', credentials: [RULE] })).done
    },
    run: (w, c) => c.secrets.set(w.by, 'API_KEY', { value: 'sk-2' }),
    after: ['running'],
    async and(w, c) {
      await (await c.sandboxes.create(w.by, { image: 'base', credentials: [RULE] })).done
      const sent = [...w.host.incarnations.values()].flatMap(({ credentials }) =>
        credentials.flatMap(({ headers }) => headers.map(({ value }) => value)),
      )
      expect(sent).toHaveLength(4)
      expect(new Set(sent).size).toBe(1)
    },
  },
])
