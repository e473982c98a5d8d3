import type { Readable } from 'node:stream'
import { type FileInfo, invalidArgument } from '@spawnpoint/core'
import { parseRange, streamBytes } from '@spawnpoint/door-kit'
import { defined } from './defined.ts'
import { problemOf } from './problem.ts'
import { type Call, STREAMED } from './route.ts'
import * as schemas from './schemas/index.ts'

/** Where the bytes are, in a sandbox or in a snapshot. */
export interface ContentSource {
  stat(): Promise<FileInfo>
  read(range: { offset?: number; length?: number }): Promise<{ info: FileInfo; body: Readable }>
}

export const CONTENT_RESPONSES = {
  200: { description: 'All of it', also: { 'application/octet-stream': null } },
  206: { description: 'The range asked for', also: { 'application/octet-stream': null } },
  416: { description: 'The range begins beyond the end; `Content-Range` tells the size', schema: schemas.problem },
} as const

/** Answers with a file, or the range of it that is asked for. */
export async function answerContent(call: Call, source: ContentSource) {
  const range = parseRange(call.request.headers.range)
  const asked =
    range !== null && 'suffix' in range
      ? { offset: Math.max(0, (await source.stat()).sizeBytes - range.suffix), length: range.suffix }
      : range
  const { info, body } = await source.read(defined({ offset: asked?.offset, length: asked?.length ?? undefined }))
  const headers = {
    'content-type': 'application/octet-stream',
    'x-content-type-options': 'nosniff',
    'accept-ranges': 'bytes',
    'last-modified': info.modifiedAt.toUTCString(),
  }
  if (asked === null) {
    // What the kernel makes up (/proc, /sys, devices) claims to be empty: only its end tells how long it is.
    const length = info.type === 'file' && info.sizeBytes > 0 ? info.sizeBytes : null
    await streamBytes(call, 200, headers, body, length)
    return STREAMED
  }
  const length = Math.min(asked.length ?? Number.MAX_SAFE_INTEGER, info.sizeBytes - asked.offset)
  if (length <= 0) {
    body.destroy()
    const error = invalidArgument('Range', `The file ends at ${info.sizeBytes}`)
    const problem = problemOf(error, call.request.id, 416)
    const type = { 'content-type': 'application/problem+json', 'content-range': `bytes */${info.sizeBytes}` }
    return { status: 416 as const, body: problem, headers: type }
  }
  const place = `bytes ${asked.offset}-${asked.offset + length - 1}/${info.sizeBytes}`
  await streamBytes(call, 206, { ...headers, 'content-range': place }, body, length)
  return STREAMED
}
