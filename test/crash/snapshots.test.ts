import { walk } from './walk.ts'

await walk([
  {
    name: 'memory snapshot',
    kinds: ['snapshot.create'],
    run: (_w, o) => o.snapshot({ kind: 'memory' }),
    after: ['running'],
  },
  {
    name: 'filesystem snapshot',
    kinds: ['snapshot.create'],
    run: (_w, o) => o.snapshot({ kind: 'filesystem' }),
    after: ['running'],
  },
  {
    name: 'delete a snapshot',
    kinds: ['snapshot.delete'],
    run: async (_w, o) => (await o.snapshot({ kind: 'filesystem' })).delete({ permanent: true }),
    after: ['running'],
  },
  { name: 'roll back', kinds: ['sandbox.rollback'], run: (_w, o, point) => o.rollback(point), after: ['running'] },
])
