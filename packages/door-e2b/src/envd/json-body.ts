import type { IncomingMessage } from 'node:http'
import type { z } from 'zod'
import { HttpError } from './http-error.ts'

const LIMIT_BYTES = 1024 * 1024

/** The body of a request as JSON of that shape. Rejects with 400 or 413. */
export async function readJson<T extends z.ZodType>(req: IncomingMessage, schema: T): Promise<z.output<T>> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of req as AsyncIterable<Buffer>) {
    length += piece.length
    if (length > LIMIT_BYTES) throw new HttpError(413, `the body is larger than ${LIMIT_BYTES} bytes`)
    pieces.push(piece)
  }
  let value: unknown
  try {
    value = JSON.parse(Buffer.concat(pieces).toString('utf8'))
  } catch (error) {
    throw new HttpError(400, 'the body is not JSON', { cause: error })
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new HttpError(400, `${issue?.path.join('.')}: ${issue?.message}`)
}
