import type { TreeSearchResult } from '@spawnpoint/core'
import { z } from 'zod'
import { bytes, pageQuery, query, ref, time } from './common.ts'
import { fileInfo } from './file.ts'
import { component } from './registry.ts'

export const treePath = z
  .string()
  .min(1)
  .max(4096)
  .regex(/^\/[^\0]*$/, 'Expected an absolute path without NUL')
  .describe('Absolute; links are followed inside the snapshot')

export const treePathQuery = z.strictObject({ path: treePath })
export const browseFilesQuery = z.strictObject({
  path: treePath,
  depth: query.integer(1, 64).optional().describe("Levels below; 1, the default, is the directory's own entries"),
  limit: query.integer(1, 10_000).optional().describe('1 to 10,000; 1,000 if absent'),
  // A cursor holds the last path.
  cursor: pageQuery.cursor
    .unwrap()
    .max(64 * 1024)
    .optional(),
})
export const searchFilesQuery = z.strictObject({
  path: treePath.optional().describe('Directory to search below; `/` if absent'),
  name: z.string().min(1).max(255).optional().describe('Pattern with `*`, `?` and `[…]`, or a part of the name'),
  content: z.string().min(1).max(1024).optional().describe('Text in files'),
  limit: query.integer(1, 1000).optional().describe('1 to 1,000; 100 if absent'),
})

export const fileMatches = component(
  'FileMatches',
  z.object({
    items: z.array(
      z.object({
        file: fileInfo,
        line: z.number().int().nullable().describe('Of the first line with the content, from 1'),
        text: z.string().nullable().describe('That line, at most 400 characters; `null` where it is no text'),
      }),
    ),
    incomplete: z
      .enum(['limit', 'time', 'bytes', 'depth'] as const satisfies readonly TreeSearchResult['incomplete'][])
      .nullable()
      .describe(
        'Why not everything was searched: 10 seconds, 2 GiB of files, or 400 levels were over; `null` if it was',
      ),
  }),
)

export const censusProcess = z.object({
  pid: z.number().int(),
  parentPid: z.number().int(),
  user: z.string(),
  command: z.string(),
  memoryBytes: bytes,
})
export const listeningPort = z.object({
  port: z.number().int(),
  address: z.string(),
  pid: z.number().int().nullable(),
})
export const census = component(
  'Census',
  z.object({
    at: time,
    processes: z.array(censusProcess),
    ports: z.array(listeningPort).describe('TCP ports that were listened on'),
    truncated: z.boolean().describe('There was more'),
  }),
  { description: 'What ran inside at one moment, as the sandbox itself tells it' },
)
export const maybeCensus = z.object({ census: census.nullable().describe('`null`: not known of this snapshot') })

const owner = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[^\0]*$/, 'NUL is not allowed')
export const copyFromBody = component(
  'CopyFromSnapshot',
  z.strictObject({
    snapshot: ref,
    path: treePath,
    destination: z
      .string()
      .min(1)
      .max(4096)
      .regex(/^[^\0]*$/, 'NUL is not allowed')
      .describe('In the sandbox: what it becomes; a file goes into it if it is a directory or ends with `/`'),
    owner: owner.optional().describe('Of all that is made, `user[:group]`; absent: who has it in the snapshot'),
  }),
  { examples: [{ snapshot: 'before-upgrade', path: '/etc/app', destination: '/etc/app' }] },
)
export const copied = z.object({ entries: z.number().int(), bytes })
