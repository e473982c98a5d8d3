import { expect } from 'vitest'
import type { Core, Sandbox } from '../src/index.ts'
import { walk } from './crash-walk.ts'
import type { World } from './world.ts'

walk([
  {
    name: 'sandbox.create',
    run: async (w, c) => (await c.sandboxes.create(w.by, { image: 'base', name: 'new' })).done,
    after: ['running'],
  },
  {
    name: 'sandbox.create with a remote',
    prepare: async (w) => void w.host.repositories.set('https://git.test/a.git', { files: { a: '1' } }),
    run: async (w, c) => {
      const source = { type: 'git' as const, url: 'https://git.test/a.git', ref: null }
      const remotes = [{ name: 'a', path: '/mnt/a', source }]
      return (await c.sandboxes.create(w.by, { image: 'base', remotes })).done
    },
    after: ['running'],
  },
  {
    name: 'sandbox.rollback to its origin with a remote',
    prepare: async (w, c) => {
      w.host.repositories.set('https://git.test/a.git', { files: { a: '1' } })
      const source = { type: 'git' as const, url: 'https://git.test/a.git', ref: null }
      const remotes = [{ name: 'a', path: '/mnt/a', source }]
      await (await c.sandboxes.create(w.by, { image: 'base', name: 'other', remotes })).done
    },
    run: async (w, c) => (await c.sandboxes.rollback(w.by, 'other', { origin: true })).done,
    after: ['running'],
  },
  {
    name: 'spawn',
    run: async (w, c, _o, p) => (await c.sandboxes.create(w.by, { snapshot: p.id })).done,
    after: ['running'],
  },
  {
    name: 'snapshot.create memory',
    run: async (w, c, o) => (await c.snapshots.create(w.by, o.id, { kind: 'memory' })).done,
    after: ['running'],
  },
  {
    name: 'snapshot.create filesystem',
    run: async (w, c, o) => (await c.snapshots.create(w.by, o.id, { kind: 'filesystem' })).done,
    after: ['running'],
  },
  {
    name: 'snapshot.check',
    run: async (w, c, _o, p) => (await c.snapshots.check(w.by, p.id)).done,
    after: ['running'],
  },
  {
    name: 'snapshot.drill',
    run: async (w, c, _o, p) => (await c.snapshots.drill(w.by, p.id, {})).done,
    after: ['running'],
  },
  {
    name: 'snapshot.delete',
    run: (w, c, _o, p) => c.snapshots.delete(w.by, p.id, { permanent: true }),
    after: ['running'],
  },
  {
    name: 'a snapshot into the trash and back',
    prepare: async (w, c, _o, p) => {
      await c.names.ensure(w.by, 'app')
      await c.names.tag(w.by, 'app', ['stable'], { snapshotId: p.id })
    },
    run: async (w, c, _o, p) => {
      await c.snapshots.delete(w.by, p.id)
      await c.snapshots.undelete(w.by, p.id)
    },
    after: ['running'],
  },
  {
    name: 'snapshot.delete of one in the trash',
    prepare: async (w, c, _o, p) => void (await c.snapshots.delete(w.by, p.id)),
    run: (w, c, _o, p) => c.snapshots.delete(w.by, p.id, { permanent: true }),
    after: ['running'],
  },
  {
    name: 'sandbox.pause',
    run: async (w, c, o) => (await c.sandboxes.pause(w.by, o.id)).done,
    after: ['running', 'paused'],
  },
  {
    name: 'sandbox.resume',
    prepare: async (w, c, o) => void (await (await c.sandboxes.pause(w.by, o.id)).done),
    run: async (w, c, o) => (await c.sandboxes.resume(w.by, o.id)).done,
    after: ['paused', 'running'],
  },
  {
    name: 'sandbox.resume without memory',
    prepare: async (w, c, o) => void (await (await c.sandboxes.pause(w.by, o.id)).done),
    run: async (w, c, o) => (await c.sandboxes.resume(w.by, o.id, { cold: true })).done,
    after: ['paused', 'running'],
  },
  {
    name: 'sandbox.stop',
    run: async (w, c, o) => (await c.sandboxes.stop(w.by, o.id)).done,
    after: ['running', 'stopped'],
  },
  {
    name: 'sandbox.start',
    prepare: async (w, c, o) => void (await (await c.sandboxes.stop(w.by, o.id)).done),
    run: async (w, c, o) => (await c.sandboxes.start(w.by, o.id)).done,
    after: ['stopped', 'running'],
  },
  {
    name: 'sandbox.fork',
    run: async (w, c, o) => (await c.sandboxes.fork(w.by, o.id, { count: 2, mode: 'all_or_nothing' })).done,
    after: ['running'],
  },
  {
    name: 'sandbox.rollback',
    run: async (w, c, o, p) => (await c.sandboxes.rollback(w.by, o.id, { snapshot: p.id })).done,
    after: ['running'],
  },
  {
    name: 'sandbox.rollback of a paused one',
    prepare: async (w, c, o) => void (await (await c.sandboxes.pause(w.by, o.id)).done),
    run: async (w, c, o, p) => (await c.sandboxes.rollback(w.by, o.id, { snapshot: p.id })).done,
    after: ['paused', 'running'],
  },
  {
    name: 'sandbox.rollback to the image',
    run: async (w, c, o) => (await c.sandboxes.rollback(w.by, o.id, { origin: true })).done,
    after: ['running'],
  },
  {
    name: 'sandbox.rollback of a stopped one to the image',
    prepare: async (w, c, o) => void (await (await c.sandboxes.stop(w.by, o.id)).done),
    run: async (w, c, o) => (await c.sandboxes.rollback(w.by, o.id, { origin: true })).done,
    after: ['stopped', 'running'],
  },
  {
    name: 'a use that wakes a paused one',
    prepare: async (w, c, o) => {
      await c.sandboxes.update(w.by, o.id, { timeout: { autoResume: true } })
      await (await c.sandboxes.pause(w.by, o.id)).done
    },
    run: (w, c, o) => c.sandboxes.guest(w.by, o.id),
    after: ['paused', 'running'],
  },
  {
    name: 'an environment while it runs',
    run: (w, c, o) => c.sandboxes.update(w.by, o.id, { env: { NEW: '1' } }),
    after: ['running'],
  },
  { name: 'sandbox.kill', run: (w, c, o) => c.sandboxes.kill(w.by, o.id), after: ['running', 'killed'] },
  {
    name: 'sandbox.kill of a paused one',
    prepare: async (w, c, o) => void (await (await c.sandboxes.pause(w.by, o.id)).done),
    run: (w, c, o) => c.sandboxes.kill(w.by, o.id),
    after: ['paused', 'killed'],
  },
  {
    name: 'sandbox.kill of a stopped one',
    prepare: async (w, c, o) => void (await (await c.sandboxes.stop(w.by, o.id)).done),
    run: (w, c, o) => c.sandboxes.kill(w.by, o.id),
    after: ['stopped', 'killed'],
  },
  {
    name: 'sandbox.fork, as many as come up',
    run: async (w, c, o) => (await c.sandboxes.fork(w.by, o.id, { count: 2, mode: 'best_effort' })).done,
    after: ['running'],
  },
  {
    name: 'sandbox.rollback of one that has ended by itself',
    prepare: end,
    run: async (w, c, o, p) => (await c.sandboxes.rollback(w.by, o.id, { snapshot: p.id })).done,
    after: ['failed', 'running'],
  },
  {
    name: 'sandbox.start of one that has ended by itself',
    prepare: end,
    run: async (w, c, o) => (await c.sandboxes.start(w.by, o.id)).done,
    after: ['failed', 'stopped', 'running'],
  },
])

async function end(w: World, c: Core, { id, incarnationId }: Sandbox): Promise<void> {
  if (incarnationId !== null) w.host.crashIncarnation(incarnationId, 'out_of_memory')
  await expect.poll(async () => (await c.sandboxes.get(w.by, id)).state, { interval: 1 }).toBe('failed')
}
