import type { IncomingHttpHeaders } from 'node:http'
import { pipeline, type Readable } from 'node:stream'
import { Busboy, type BusboyInstance } from '@fastify/busboy'

/** A form that cannot be read; the message says why. */
export class MalformedForm extends Error {
  override readonly name = 'MalformedForm'
}

/** The field that carries files; others are passed over. */
const FILE_FIELD = 'file'
const LIMITS = { fields: 100, fieldSize: 64 * 1024, headerPairs: 100, parts: 10_000, headerSize: 16 * 1024 }

/** Files that are taken at a time. A file that waits is not read, and neither is what comes behind it. */
const AT_ONCE = 8

/**
 * Hands out each file of a form with its full name, directories included. Resolves with what was made of them, in their
 * order; at the first failure every file that is not whole breaks.
 */
export function eachFile<T>(
  headers: IncomingHttpHeaders,
  body: Readable,
  take: (name: string, content: Readable) => Promise<T>,
): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const form = openForm(headers['content-type'] ?? '')
    const open = new Set<Readable>()
    const taken: Promise<T>[] = []
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
      const place = taken[taken.length - AT_ONCE] ?? Promise.resolve()
      const done = place.then(() => take(name, content)).finally(() => open.delete(content))
      taken.push(done)
      done.catch(fail)
    })
    form.on('partsLimit', () => fail(new MalformedForm(`a form has at most ${LIMITS.parts} parts`)))
    form.on('finish', () => void Promise.all(taken).then(resolve, fail))
    form.on('error', (error: Error) => fail(new MalformedForm(`malformed form: ${error.message}`, { cause: error })))
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
    throw new MalformedForm(`malformed form: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}
