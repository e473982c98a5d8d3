import type { BuildLogEntry } from '@spawnpoint/core'
import { z } from 'zod'
import { bytes, id, pageQuery, query, ref, tagName, time } from './common.ts'
import { component } from './registry.ts'

export const listNamesQuery = z.strictObject(pageQuery)

const tag = z.object({
  tag: tagName,
  imageId: id.nullable(),
  snapshotId: id.nullable(),
  createdAt: time.describe('When it was set to what it points to now'),
})

export const nameWithTags = component(
  'Name',
  z.object({
    id: id.describe('Stays while what the tags point to changes; a ref of images and snapshots'),
    name: z.string(),
    tags: z.array(tag).describe('Latest set first; `default` is what the bare name means'),
    createdAt: time,
  }),
)

export const tagParams = z.object({
  name: ref.describe('The name, or its id'),
  tag: tagName,
})

export const setTagBody = component(
  'SetTag',
  z
    .strictObject({ image: ref.optional(), snapshot: ref.optional() })
    .refine(
      (given) => (given.image === undefined) !== (given.snapshot === undefined),
      'Give one of image and snapshot',
    ),
  { description: 'What the tag is to point to', examples: [{ image: 'base' }] },
)

export const blobParams = z.object({
  key: z.string().min(1).max(200).describe('`sha256:` and 64 hex digits, or another prefix and key'),
})

export const blobPresence = component('BlobPresence', z.object({ key: z.string(), present: z.boolean() }))
export const storedBlob = component('StoredBlob', z.object({ key: z.string(), sizeBytes: bytes }))

export const buildLogQuery = z.strictObject({
  offset: query.integer(0, 1_000_000_000).optional().describe('Number of the first entry; 0 if absent'),
  limit: query.integer(1, 1000).optional().describe('How many entries, 1 to 1000; 100 if absent'),
})

const levels = ['debug', 'info', 'warn', 'error'] as const satisfies readonly BuildLogEntry['level'][]

export const buildLog = component(
  'BuildLog',
  z.object({
    entries: z.array(
      z.object({
        at: time,
        level: z.enum(levels),
        step: z.string().nullable().describe('`base`, the number of a step counted from 1, or `finalize`'),
        message: z.string(),
      }),
    ),
    nextOffset: z.number().int().describe('`offset` of the request for what comes after these'),
  }),
)
