import type { IncomingHttpHeaders } from 'node:http'
import type { FileInfo } from '@spawnpoint/core'
import { parseRange } from '@spawnpoint/door-kit'

/** What of a file a request wants (RFC 9110, 13 and 14). `end` is the last byte. */
export type Wanted = 'whole' | { start: number; end: number } | 'not_modified' | 'precondition_failed' | 'unsatisfiable'

type File = Pick<FileInfo, 'sizeBytes' | 'modifiedAt'>

/** Tells versions of a file apart by their time, in milliseconds, and size. */
export function etagOf({ sizeBytes, modifiedAt }: File): string {
  return `"${modifiedAt.getTime().toString(36)}-${sizeBytes.toString(36)}"`
}

export function wantedOf(headers: IncomingHttpHeaders, file: File): Wanted {
  const etag = etagOf(file)
  const match = headers['if-match']
  if (match !== undefined && !isListed(match, etag)) return 'precondition_failed'
  const unmodifiedSince = timeOf(headers['if-unmodified-since'])
  if (match === undefined && unmodifiedSince !== null && seconds(file) > unmodifiedSince) return 'precondition_failed'
  const noneMatch = headers['if-none-match']
  if (noneMatch !== undefined && isListed(noneMatch, etag)) return 'not_modified'
  const modifiedSince = timeOf(headers['if-modified-since'])
  if (noneMatch === undefined && modifiedSince !== null && seconds(file) <= modifiedSince) return 'not_modified'
  const ifRange = headers['if-range']
  if (typeof ifRange === 'string' && ifRange !== etag && timeOf(ifRange) !== seconds(file)) return 'whole'
  return rangeOf(headers.range, file.sizeBytes)
}

function rangeOf(header: string | undefined, size: number): Wanted {
  const range = parseRange(header)
  if (range === null) return 'whole'
  if ('suffix' in range) {
    const length = Math.min(range.suffix, size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  if (range.offset >= size) return 'unsatisfiable'
  return {
    start: range.offset,
    end: range.length === null ? size - 1 : Math.min(range.offset + range.length, size) - 1,
  }
}

function isListed(header: string, etag: string): boolean {
  const listed = header.split(',').map((text) => text.trim().replace(/^W\//, ''))
  return listed.includes('*') || listed.includes(etag)
}

function timeOf(header: string | undefined): number | null {
  const time = header === undefined || header.startsWith('"') ? Number.NaN : Date.parse(header)
  return Number.isNaN(time) ? null : Math.floor(time / 1000)
}

/** HTTP dates have no fractions. */
function seconds({ modifiedAt }: File): number {
  return Math.floor(modifiedAt.getTime() / 1000)
}
