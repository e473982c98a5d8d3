import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { Refusal } from './refusal.ts'

/** Jupyter itself takes messages of no more than 10 MiB. */
const BODY_MAX_BYTES = 8 * 2 ** 20
const VARIABLES_MAX = 1_000

const language = z
  .string()
  .transform((text) => text.trim().toLowerCase())
  .pipe(z.string().regex(/^[a-z0-9+#._-]{1,32}$/, 'not a language'))
  .transform((name) => SHORT.get(name) ?? name)

const SHORT: ReadonlyMap<string, string> = new Map([
  ['js', 'javascript'],
  ['ts', 'typescript'],
  ['py', 'python'],
  ['python3', 'python'],
  ['sh', 'bash'],
])

const variable = z.string().regex(/^[^=\0]{1,256}$/, 'not a name of a variable')
const value = z.string().refine((text) => !text.includes('\0'), 'holds a NUL')

export const executeBody = z
  .object({
    code: z.string(),
    context_id: z.string().max(256).nullish(),
    language: language.nullish(),
    env_vars: z
      .record(variable, value)
      .refine((vars) => Object.keys(vars).length <= VARIABLES_MAX, `more than ${VARIABLES_MAX}`)
      .nullish(),
  })
  .refine((body) => !(body.context_id && body.language), 'Only one of context_id or language can be provided')

export const createContextBody = z.object({
  language: language.nullish(),
  cwd: z
    .string()
    .min(1)
    .max(4_096)
    .refine((text) => !text.includes('\0'), 'holds a NUL')
    .nullish(),
})

/** The body as the schema has it; an absent one is an empty object. Rejects 400 and 413. */
export async function readBody<T>(req: IncomingMessage, schema: z.ZodType<T>): Promise<T> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of req) {
    bytes += chunk.length
    if (bytes > BODY_MAX_BYTES) throw new Refusal(413, `The request is larger than ${BODY_MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString('utf8')
  const parsed = schema.safeParse(text === '' ? {} : jsonOf(text))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const path = issue?.path.join('.') ?? ''
  throw new Refusal(400, `${path === '' ? '' : `${path}: `}${issue?.message ?? 'invalid request'}`)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Refusal(400, 'The request is not JSON', { cause: error })
  }
}
