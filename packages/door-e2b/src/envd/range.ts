import type { IncomingHttpHeaders } from 'node:http'

/** Part of a file: `start` to `end`, the last byte included. */
export interface Range {
  start: number
  end: number
}

/**
 * What of a file a request wants: all of it, a part, nothing because the client has it already, or nothing because it is
 * not what the client expects or has no such part (RFC 9110, 13 and 14). A file's time is all that tells its versions apart.
 */
export type Wanted = 'whole' | Range | 'not_modified' | 'precondition_failed' | 'unsatisfiable'

export function isConditional(headers: IncomingHttpHeaders): boolean {
  return (
    headers.range !== undefined ||
    headers['if-modified-since'] !== undefined ||
    headers['if-unmodified-since'] !== undefined ||
    headers['if-match'] !== undefined ||
    headers['if-none-match'] !== undefined
  )
}

export function wantedOf(headers: IncomingHttpHeaders, file: { sizeBytes: number; modifiedAt: Date }): Wanted {
  const modified = seconds(file.modifiedAt.getTime())
  // There are no entity tags: `*` matches whatever is there, a tag nothing.
  if (headers['if-match'] !== undefined && headers['if-match'] !== '*') return 'precondition_failed'
  const unmodifiedSince = timeOf(headers['if-unmodified-since'])
  if (headers['if-match'] === undefined && unmodifiedSince !== null && modified > unmodifiedSince)
    return 'precondition_failed'
  if (headers['if-none-match'] === '*') return 'not_modified'
  const modifiedSince = timeOf(headers['if-modified-since'])
  if (headers['if-none-match'] === undefined && modifiedSince !== null && modified <= modifiedSince)
    return 'not_modified'
  const ifRange = headers['if-range']
  if (headers.range === undefined) return 'whole'
  if (typeof ifRange === 'string' && timeOf(ifRange) !== modified) return 'whole'
  return rangeOf(headers.range, file.sizeBytes)
}

/** Several ranges at once are answered with the whole, which is always allowed. */
function rangeOf(header: string, size: number): Wanted {
  const [, first = '', last = ''] = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/.exec(header) ?? []
  if (first === '' && last === '') return 'whole'
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return 'whole'
  if (start >= size) return 'unsatisfiable'
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
}

function timeOf(header: string | undefined): number | null {
  const time = header === undefined ? Number.NaN : Date.parse(header)
  return Number.isNaN(time) ? null : seconds(time)
}

/** HTTP dates have no fractions. */
function seconds(ms: number): number {
  return Math.floor(ms / 1000)
}
