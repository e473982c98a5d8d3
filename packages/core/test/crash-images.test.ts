import { Readable } from 'node:stream'
import { tarOf } from '@spawnpoint/contracts'
import type { DockerfileSource, RecipeSource } from '../src/index.ts'
import { walk } from './crash-walk.ts'

const RECIPE = {
  type: 'recipe',
  from: 'base',
  steps: [
    { type: 'run', command: 'echo one > one' },
    { type: 'copy', blob: 'x:a', source: 'a', destination: '/srv/' },
    { type: 'copy', fromImage: 'base', source: '/etc/hostname', destination: '/srv/' },
  ],
  startCommand: 'sleep 1000',
  readyCommand: 'true',
} satisfies RecipeSource

const DOCKERFILE = {
  type: 'dockerfile',
  context: 'x:context',
  dockerfile: `
FROM base AS build
USER root
COPY a /srv/
RUN echo one > /one
FROM registry.example/other:v1 AS unused
FROM scratch
COPY --from=build /srv /srv
COPY --from=registry.example/tool:v2 /etc/hostname /srv/
`,
} satisfies DockerfileSource

walk([
  {
    name: 'image.build',
    run: async (w, c) => (await c.images.build(w.by, { name: 'other', source: { type: 'tar', path: 'x.tar' } })).done,
    after: ['running'],
  },
  {
    name: 'image.delete',
    prepare: async (w, c) =>
      void (await (
        await c.images.build(w.by, { name: 'other', source: { type: 'tar', path: 'x.tar' } })
      ).done),
    run: (w, c) => c.images.delete(w.by, 'other'),
    after: ['running'],
  },
  {
    name: 'archive.push',
    run: async (w, c) => (await c.archives.pushImage(w.by, 'base', { reference: 'registry.example/app' })).done,
    after: ['running'],
  },
  {
    name: 'archive.push of what is of a registry',
    prepare: async (w, c) => {
      const source = { type: 'oci' as const, reference: 'registry.example/other:v1' }
      await (await c.images.build(w.by, { name: 'other', source })).done
    },
    run: async (w, c) => (await c.archives.pushImage(w.by, 'other', { reference: 'registry.example/app' })).done,
    after: ['running'],
  },
  {
    name: 'archive.push to another registry than it is of',
    prepare: async (w, c) => {
      const source = { type: 'oci' as const, reference: 'registry.example/other:v1' }
      await (await c.images.build(w.by, { name: 'other', source })).done
    },
    run: async (w, c) => (await c.archives.pushImage(w.by, 'other', { reference: 'elsewhere.example/app' })).done,
    after: ['running'],
  },
  {
    name: 'archive.push of a snapshot',
    run: async (w, c, _, point) =>
      (await c.archives.pushSnapshot(w.by, point.id, { reference: 'registry.example/point' })).done,
    after: ['running'],
  },
  {
    name: 'archive.pull',
    prepare: async (w, c, origin) => {
      const taken = await c.snapshots.create(w.by, origin.id, { kind: 'memory' })
      const { id } = await taken.done
      await (await c.archives.pushSnapshot(w.by, id, { reference: 'registry.example/point' })).done
    },
    run: async (w, c) => (await c.archives.pullSnapshot(w.by, { reference: 'registry.example/point' })).done,
    after: ['running'],
  },
  {
    name: 'image.build of a recipe',
    prepare: async (w, c) => {
      await c.blobs.put(w.by, 'x:a', Readable.from([tarOf([{ name: 'a', data: 'a' }])]))
    },
    run: async (w, c) => (await c.images.build(w.by, { name: 'other', source: RECIPE, tags: ['default'] })).done,
    after: ['running'],
  },
  {
    name: 'image.build on layers of an earlier one',
    prepare: async (w, c) => {
      await c.blobs.put(w.by, 'x:a', Readable.from([tarOf([{ name: 'a', data: 'a' }])]))
      await (await c.images.build(w.by, { name: 'other', source: { ...RECIPE, startCommand: undefined } })).done
    },
    run: async (w, c) => {
      const steps = [...RECIPE.steps.slice(0, 2), { type: 'run' as const, command: 'echo more', force: true }]
      const source: RecipeSource = { type: 'recipe', from: 'base', steps }
      await (await c.images.build(w.by, { name: 'other', source })).done
    },
    after: ['running'],
  },
  {
    name: 'image.build of a Dockerfile',
    prepare: async (w, c) => {
      await c.blobs.put(w.by, 'x:context', Readable.from([tarOf([{ name: 'a', data: 'a' }])]))
    },
    run: async (w, c) => (await c.images.build(w.by, { name: 'other', source: DOCKERFILE, tags: ['default'] })).done,
    after: ['running'],
  },
  {
    name: 'image.delete of one with memory',
    prepare: async (w, c) => {
      const source: RecipeSource = { type: 'recipe', from: 'base', steps: [], readyCommand: 'true' }
      await (await c.images.build(w.by, { name: 'other', source })).done
    },
    run: (w, c) => c.images.delete(w.by, 'other'),
    after: ['running'],
  },
  {
    name: 'sandbox.create of an image with memory',
    prepare: async (w, c) => {
      const source: RecipeSource = { type: 'recipe', from: 'base', steps: [], readyCommand: 'true' }
      await (await c.images.build(w.by, { name: 'other', source })).done
    },
    run: async (w, c) => (await c.sandboxes.create(w.by, { image: 'other' })).done,
    after: ['running'],
  },
  {
    name: 'a build that is cancelled in the midst of a step',
    run: async (w, c) => {
      const steps = [{ type: 'run' as const, command: 'echo begun ; sleep 1000' }]
      const { value, done } = await c.images.build(w.by, {
        name: 'other',
        source: { type: 'recipe', from: 'base', steps },
      })
      const ended = done.catch(() => {}) // as it was asked to
      const begun = () => w.host.faults.log.filter(({ step }) => step === 'guest.processes.startAndFollow').length > 0
      let over = false
      void ended.then(() => {
        over = true
      })
      while (!begun() && !over) await new Promise((resolve) => setImmediate(resolve))
      // Whoever was not heard asks again.
      await c.images.cancel(w.by, value.id).catch(() => c.images.cancel(w.by, value.id))
      await ended
    },
    after: ['running'],
  },
])
