import type { IncomingHttpHeaders } from 'node:http'
import { HttpError } from './http-error.ts'

/** Extended attributes that hold what clients say of a file. */
export const METADATA_PREFIX = 'user.e2b.'
const HEADER_PREFIX = 'x-metadata-'

/** Linux allows 255 bytes for a name, the prefix included. */
const KEY_MAX_BYTES = 246
const TOTAL_MAX_BYTES = 4096
const PRINTABLE = /^[\x20-\x7e]*$/

/** Metadata of an upload, as attributes. Rejects with 400 what no file can hold. */
export function metadataFrom(headers: IncomingHttpHeaders): Record<string, string> {
  const attributes: Record<string, string> = {}
  let total = 0
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(HEADER_PREFIX) || typeof value !== 'string') continue
    const key = name.slice(HEADER_PREFIX.length)
    if (key === '' || key.length > KEY_MAX_BYTES)
      throw new HttpError(400, `invalid metadata key '${key.slice(0, 80)}': 1 to ${KEY_MAX_BYTES} bytes`)
    if (!PRINTABLE.test(value))
      throw new HttpError(400, `invalid metadata value of '${key.slice(0, 80)}': printable ASCII only`)
    total += METADATA_PREFIX.length + key.length + value.length
    attributes[METADATA_PREFIX + key] = value
  }
  if (total > TOTAL_MAX_BYTES) throw new HttpError(400, `metadata is larger than ${TOTAL_MAX_BYTES} bytes`)
  return attributes
}

export function metadataOf(xattrs: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(xattrs)
      .filter(([name]) => name.startsWith(METADATA_PREFIX))
      .map(([name, value]) => [name.slice(METADATA_PREFIX.length), value]),
  )
}
