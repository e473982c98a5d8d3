import type { IncomingHttpHeaders } from 'node:http'
import { pipeline, type Readable } from 'node:stream'
import { Busboy, type BusboyInstance } from '@fastify/busboy'
import { HttpError } from './http-error.ts'

/** The field that carries files; others are passed over. */
const FILE_FIELD = 'file'
const LIMITS = { fields: 100, fieldSize: 64 * 1024, headerPairs: 100, parts: 10_000, headerSize: 16 * 1024 }

/**
 * Hands out each file of a form with its full name, directories included. Resolves when all are taken; at the first failure
 * every file that is not whole breaks.
 */
export function eachFile(
  headers: IncomingHttpHeaders,
  body: Readable,
  take: (name: string, content: Readable) => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const form = openForm(headers['content-type'] ?? '')
    const open = new Set<Readable>()
    const taken: Promise<void>[] = []
    let failed = false
    const fail = (error: unknown) => {
      if (failed) return
      failed = true
      body.unpipe(form)
      const broken = error instanceof Error ? error : new Error(String(error))
      for (const content of open) content.destroy(broken)
      reject(error)
    }
    form.on('file', (_field, content, name) => {
      // Harmless: whoever reads the file meets the error there.
      content.on('error', () => {})
      if (failed) return void content.resume()
      open.add(content)
      const done = take(name, content).finally(() => open.delete(content))
      taken.push(done)
      done.catch(fail)
    })
    form.on('partsLimit', () => fail(new HttpError(400, `a form has at most ${LIMITS.parts} parts`)))
    form.on('finish', () => void Promise.all(taken).then(() => resolve(), fail))
    form.on('error', (error: Error) => fail(new HttpError(400, `malformed form: ${error.message}`, { cause: error })))
    pipeline(body, form, (error) => {
      if (error != null) fail(error)
    })
  })
}

function openForm(contentType: string): BusboyInstance {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      preservePath: true,
      isPartAFile: (field) => field === FILE_FIELD,
      limits: LIMITS,
    })
  } catch (error) {
    throw new HttpError(400, `malformed form: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}
