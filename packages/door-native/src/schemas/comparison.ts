import type { FileComparison, FileDifference, TextOutcome } from '@spawnpoint/core'
import { z } from 'zod'
import { censusProcess, listeningPort, treePath } from './browse.ts'
import { bytes, id, query, time } from './common.ts'
import { fileType } from './file.ts'
import { component } from './registry.ts'

export const compareQuery = z.strictObject({
  path: treePath.optional().describe('Only what is at or below this; `/` if absent'),
  limit: query.integer(1, 10_000).optional().describe('Most files of each kind of change; 1,000 if absent'),
})

const side = z.object({ snapshotId: id.nullable(), sandboxId: id.nullable(), at: time })

export const comparedFile = component(
  'ComparedFile',
  z.object({
    type: fileType,
    sizeBytes: bytes,
    mode: z.string().describe('Permission bits in octal'),
    uid: z.number().int(),
    gid: z.number().int(),
    modifiedAt: time,
    symlinkTarget: z.string().nullable(),
  }),
)

export const fileChange = component(
  'FileChange',
  z.object({
    path: z.string(),
    before: comparedFile.nullable(),
    after: comparedFile.nullable(),
    differs: z
      .array(
        z.enum([
          'type',
          'content',
          'mode',
          'owner',
          'target',
          'attributes',
        ] as const satisfies readonly FileDifference[]),
      )
      .describe('Empty for what was added or removed. A time alone is no difference'),
  }),
)

const count = z.number().int()
export const comparison = component(
  'Comparison',
  z.object({
    before: side,
    after: side,
    files: z.object({
      added: z.array(fileChange),
      removed: z.array(fileChange),
      changed: z.array(fileChange),
      counts: z.object({ added: count, removed: count, changed: count }),
      truncated: z.boolean().describe('The lists are shorter than the counts'),
      unread: count.describe('Files of equal size that were too much to read, and count as changed'),
      incomplete: z
        .enum(['time', 'entries', 'depth'] as const satisfies readonly FileComparison['incomplete'][])
        .nullable()
        .describe('Why not all was compared; `null` if it was'),
    }),
    processes: z.object({ started: z.array(censusProcess), ended: z.array(censusProcess) }).nullable(),
    ports: z.object({ opened: z.array(listeningPort), closed: z.array(listeningPort) }).nullable(),
    memory: z
      .array(
        z.object({
          pid: z.number().int(),
          command: z.string(),
          bytesBefore: bytes.nullable(),
          bytesAfter: bytes.nullable(),
        }),
      )
      .nullable()
      .describe('Largest change first'),
  }),
  {
    description:
      'What is different in `after`. What ran is `null` where it is not known of one of them: a sandbox that does not run, a snapshot taken by an earlier version. `/tmp`, `/var/tmp`, `/run` and `/dev/shm` are memory, not files.',
  },
)

export const textComparison = component(
  'TextComparison',
  z.object({
    path: z.string(),
    before: comparedFile.nullable(),
    after: comparedFile.nullable(),
    outcome: z
      .enum([
        'same',
        'text',
        'binary',
        'not_a_file',
        'too_large',
        'too_different',
      ] as const satisfies readonly TextOutcome[])
      .describe('With `text`, `unified` tells the difference'),
    unified: z.string().nullable().describe('In the unified format, with three lines of context'),
  }),
)
