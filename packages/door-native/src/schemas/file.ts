import type { FileEvent, FileType } from '@spawnpoint/core'
import { z } from 'zod'
import { query, time } from './common.ts'
import { component } from './registry.ts'

const path = z
  .string()
  .min(1)
  .max(4096)
  .regex(/^[^\0]*$/, 'NUL is not allowed')
  .describe("In the sandbox; relative ones start at the user's home")
const user = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[^\0]*$/, 'NUL is not allowed')
  .describe('Name or `uid[:gid]`; decides home, ownership and permissions')
const modeText = z.string().regex(/^[0-7]{1,4}$/, 'Expected permission bits in octal, such as 0644')
const mode = modeText.describe('Permission bits in octal: `0644`')

export const fileType = z.enum([
  'file',
  'directory',
  'symlink',
  'fifo',
  'socket',
  'char',
  'block',
] as const satisfies readonly FileType[])

export const fileInfo = component(
  'File',
  z.object({
    path: z.string(),
    name: z.string(),
    type: fileType,
    sizeBytes: z.number(),
    mode: z.string().describe('Permission bits in octal'),
    uid: z.number().int(),
    gid: z.number().int(),
    owner: z.string(),
    group: z.string(),
    modifiedAt: time,
    symlinkTarget: z.string().nullable(),
  }),
)

export const pathQuery = z.strictObject({ path, user: user.optional() })
export const onlyPathQuery = z.strictObject({ path })
export const listFilesQuery = z.strictObject({
  path,
  user: user.optional(),
  depth: query.integer(1, 64).optional().describe("Levels below; 1, the default, is the directory's own entries"),
  limit: query.integer(1, 10_000).optional().describe('1 to 10,000; 1,000 if absent'),
})
export const fileList = z.object({
  items: z.array(fileInfo),
  truncated: z.boolean().describe('There are more than `limit`'),
})
export const writeFileQuery = z.strictObject({
  path,
  user: user.optional(),
  mode: mode.optional(),
  exclusive: query.flag.optional().describe('`true`: refuse if the path exists'),
  append: query.flag.optional().describe('`true`: add at the end instead of replacing'),
})
export const removeFileQuery = z.strictObject({ path, user: user.optional(), recursive: query.flag.optional() })
export const watchQuery = z.strictObject({ path, user: user.optional(), recursive: query.flag.optional() })

export const mkdirBody = component(
  'MakeDirectory',
  z.strictObject({ path, user: user.optional(), mode: mode.optional(), parents: z.boolean().default(true) }),
  { examples: [{ path: '/srv/data' }] },
)
export const moveBody = component('MoveFile', z.strictObject({ from: path, to: path, user: user.optional() }), {
  examples: [{ from: '/tmp/a', to: '/srv/a' }],
})
export const chmodBody = component('ChangeMode', z.strictObject({ path, mode }), {
  examples: [{ path: '/srv/run', mode: '0755' }],
})
export const chownBody = component('ChangeOwner', z.strictObject({ path, owner: user }), {
  examples: [{ path: '/srv/run', owner: 'user' }],
})

const attributes = z.record(z.string().min(1).max(255), z.string().max(64 * 1024))
export const xattrBody = component(
  'FileAttributes',
  z.strictObject({
    attributes: attributes.refine((given) => Object.keys(given).length <= 256, 'At most 256 attributes'),
  }),
  { examples: [{ attributes: { 'user.origin': 'import' } }] },
)
export const xattrs = z.object({ attributes: z.record(z.string(), z.string()) })

export const fileEvent = component(
  'FileEvent',
  z.object({
    type: z.enum([
      'created',
      'modified',
      'removed',
      'renamed',
      'attributes',
    ] as const satisfies readonly FileEvent['type'][]),
    path: z.string(),
    fileType: fileType.nullable(),
  }),
)
