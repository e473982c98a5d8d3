import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { untilAborted } from './until-aborted.ts'

const HEARTBEAT_MS = 15_000

/** Where a stream goes. */
export interface StreamTarget {
  reply: FastifyReply
  /** Aborted when the client has gone or the server closes */
  signal: AbortSignal
}

export interface StreamFormat {
  contentType: string
  /** Written after each 15 s, so that nobody on the way takes a silent stream for a dead one */
  heartbeat: string
  /** Last item of a stream that broke */
  failure(thrown: unknown): string
}

/**
 * Writes items as they come, at the client's pace, with heartbeats. Ends when `items` ends; if they break off, the last item
 * says why. Ends at once when the client goes away.
 */
export async function streamItems(
  target: StreamTarget,
  { contentType, heartbeat, failure }: StreamFormat,
  items: AsyncIterable<string>,
): Promise<void> {
  const out = takeOver(target, 200, itemHeaders(contentType))
  // What there is to say at once goes out with them, in one piece.
  const headers = setImmediate(() => out.flushHeaders())
  const pulse = setInterval(() => {
    if (!out.writableNeedDrain) out.write(heartbeat)
  }, HEARTBEAT_MS)
  try {
    for await (const text of untilAborted(items, target.signal)) {
      if (!out.write(text)) await drained(out, target.signal)
    }
  } catch (thrown) {
    if (!target.signal.aborted) out.write(failure(thrown))
  } finally {
    clearImmediate(headers)
    clearInterval(pulse)
    out.end()
  }
}

/** Writes items that are all there, in one piece. */
export function sendItems(target: Pick<StreamTarget, 'reply'>, contentType: string, items: string): void {
  const headers = { ...itemHeaders(contentType), 'content-length': String(Buffer.byteLength(items)) }
  takeOver(target, 200, headers).end(items)
}

function itemHeaders(contentType: string): Record<string, string> {
  return { 'content-type': contentType, 'cache-control': 'no-store', 'x-accel-buffering': 'no' }
}

/**
 * Writes the bytes of `body`. With `length` exactly so many: what a guest sends beyond is cut and what it owes breaks the
 * connection, so it cannot write into the answer to the client's next request.
 */
export async function streamBytes(
  target: StreamTarget,
  status: number,
  headers: Record<string, string>,
  body: Readable,
  length: number | null,
): Promise<void> {
  const out = takeOver(target, status, length === null ? headers : { ...headers, 'content-length': String(length) })
  out.flushHeaders()
  target.signal.addEventListener('abort', () => body.destroy(), { once: true })
  let left = length ?? Number.POSITIVE_INFINITY
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      const part = chunk.length > left ? chunk.subarray(0, left) : chunk
      left -= part.length
      if (!out.write(part)) await drained(out, target.signal)
      if (left === 0) break
    }
  } catch {
    // The status line is out; a broken connection is the only way left to say that bytes are missing.
    out.destroy()
    return
  } finally {
    body.destroy()
  }
  if (length !== null && left > 0) out.destroy()
  else out.end()
}

function takeOver(
  { reply }: Pick<StreamTarget, 'reply'>,
  status: number,
  headers: Record<string, string>,
): ServerResponse {
  const out = reply.raw
  reply.hijack()
  // Harmless: writing to a client that has gone; `close` aborts the signal.
  out.on('error', () => {})
  out.writeHead(status, { ...(reply.getHeaders() as Record<string, string>), ...headers })
  return out
}

async function drained(out: ServerResponse, signal: AbortSignal): Promise<void> {
  try {
    if (!out.destroyed) await once(out, 'drain', { signal })
  } catch {
    // Harmless: the client went away, which the caller sees by the signal.
  }
}
