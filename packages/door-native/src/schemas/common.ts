import type { SnapshotKind } from '@spawnpoint/core'
import { z } from 'zod'
import { component } from './registry.ts'

/** Largest JSON body, in bytes. */
export const JSON_LIMIT_BYTES = 1024 * 1024

const LABELS_MAX = 64
const ENV_MAX = 256
const ENV_VALUE_MAX = 32 * 1024

export const time = z.iso.datetime().describe('ISO-8601, UTC')
export const nullableTime = z.iso.datetime().nullable()
export const milliseconds = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
export const bytes = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)

/** An id, a name, `NAME:TAG`, `NAME@ID`, each with a team before it or without; the core says which. */
export const ref = z.string().min(1).max(400)
export const id = z.string().max(24).describe('24 lowercase hex characters')

export const sandboxName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
    'Expected 1 to 128 letters, digits, ".", "_" or "-", beginning with a letter or digit',
  )
export const tagName = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/,
    'Expected 1 to 128 letters, digits, ".", "_" or "-", not beginning with "." or "-"',
  )
export const blobKey = z
  .string()
  .regex(
    /^(sha256:[0-9a-f]{64}|(?!sha256:)[a-z0-9]{1,32}:[A-Za-z0-9._-]{1,160})$/,
    'Expected "sha256:" and 64 hex digits, or another prefix and key',
  )
export const snapshotName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,127}$/,
    'Expected 1 to 128 lowercase letters, digits, ".", "_" or "-", beginning with a letter or digit',
  )
export const imageName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,63}$/,
    'Expected 1 to 64 lowercase letters, digits, ".", "_" or "-", beginning with a letter or digit',
  )

function atMost(count: number) {
  return (record: Record<string, string>): boolean => Object.keys(record).length <= count
}

export const labels = component(
  'Labels',
  z.record(z.string().min(1).max(128), z.string().max(1024)).refine(atMost(LABELS_MAX), `At most ${LABELS_MAX} labels`),
  {
    description: `Free-form \`key: value\` pairs; at most ${LABELS_MAX}, keys 1 to 128 characters, values up to 1,024`,
    examples: [{ project: 'demo', owner: 'ana' }],
  },
)

export const env = component(
  'Env',
  z
    .record(
      z
        .string()
        .min(1)
        .max(256)
        .regex(/^[^=\0]+$/, 'A variable name has no "=" and no NUL'),
      z
        .string()
        .max(ENV_VALUE_MAX)
        .regex(/^[^\0]*$/, 'A value has no NUL'),
    )
    .refine(atMost(ENV_MAX), `At most ${ENV_MAX} variables`),
  {
    description: `Environment variables; at most ${ENV_MAX}, values up to 32 KiB`,
    examples: [{ NODE_ENV: 'test' }],
  },
)

/** Query parameters arrive as text. */
export const query = {
  flag: z.enum(['true', 'false']).transform((text) => text === 'true'),
  time: z.iso
    .datetime({ offset: true })
    .max(40)
    .transform((text) => new Date(text)),
  integer: (min: number, max: number) =>
    z
      .string()
      .max(16)
      .regex(/^\d+$/, 'Expected a whole number')
      .transform(Number)
      .pipe(z.number().int().min(min).max(max)),
  /** A parameter that may be given once or several times. */
  many: <S extends z.ZodType>(item: S, max: number) =>
    z.preprocess((given) => (typeof given === 'string' ? [given] : given), z.array(item).min(1).max(max)),
}

export const pageQuery = {
  limit: query.integer(1, 500).optional().describe('How many items, 1 to 500; 50 if absent'),
  cursor: z.string().min(1).max(512).optional().describe('`nextCursor` of the page before'),
}

export const waitQuery = {
  wait: query.flag.optional().describe('`false`: answer 202 once the work is accepted and recorded'),
}

export const labelQuery = query
  .many(
    z
      .string()
      .max(1200)
      .regex(/^[^:]{1,128}:/, 'Expected key:value'),
    LABELS_MAX,
  )
  .optional()
  .describe('`key:value`; given several times, all must match')

export function pageOf<S extends z.ZodType>(item: S) {
  return z.object({
    items: z.array(item),
    nextCursor: z.string().nullable().describe('Pass as `cursor` for the next page; `null` at the end'),
  })
}

export const snapshotKind = z.enum(['memory', 'filesystem'] as const satisfies readonly SnapshotKind[])
