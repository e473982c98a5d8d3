import type { World } from '../e2e/world.ts'
import { walk } from './walk.ts'

/** Built in a moment. */
const buildSmall = (w: World) => w.client.images.build({ name: 'small', source: { type: 'tar', path: 'small.tar' } })

await walk([
  {
    name: 'image build',
    kinds: ['image.build'],
    also: ['pool.createImage.staged', 'pool.createImage.filled', 'pool.createImage.synced'],
    run: buildSmall,
    after: ['running'],
  },
  {
    name: 'delete an image',
    kinds: ['image.delete'],
    run: async (w) => w.client.images.delete((await buildSmall(w)).id),
    after: ['running'],
  },
  {
    name: 'create',
    kinds: ['sandbox.create'],
    run: (w) => w.client.sandboxes.create({ image: 'base' }),
    after: ['running'],
  },
  { name: 'spawn', kinds: ['sandbox.create'], run: (_w, _o, point) => point.spawn(), after: ['running'] },
  { name: 'fork', kinds: ['sandbox.fork'], run: (_w, o) => o.fork(2), after: ['running'] },
])
