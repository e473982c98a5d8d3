import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { toSpawnpointError } from '@spawnpoint/core'
import type { DoorContext } from './door-context.ts'
import { problemOf } from './problem.ts'
import type { Call } from './route.ts'
import { untilAborted } from './until-aborted.ts'

const HEARTBEAT_MS = 15_000

interface Format {
  contentType: string
  heartbeat: string
  /** Last item of a stream that broke */
  failure(problem: object): string
}

const FORMATS = {
  ndjson: {
    contentType: 'application/x-ndjson',
    heartbeat: '{"type":"heartbeat"}\n',
    failure: (problem) => `${JSON.stringify({ type: 'error', error: problem })}\n`,
  },
  /** For items that have no `type` of ours: a blank line is the heartbeat */
  plainNdjson: {
    contentType: 'application/x-ndjson',
    heartbeat: '\n',
    failure: (problem) => `${JSON.stringify({ type: 'error', error: problem })}\n`,
  },
  sse: {
    contentType: 'text/event-stream; charset=utf-8',
    heartbeat: ': heartbeat\n\n',
    failure: (problem) => sseItem('error', problem),
  },
} as const satisfies Record<string, Format>

export function ndjsonItem(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}

/** `JSON.stringify` leaves no line break, so one `data:` line is enough. */
export function sseItem(event: string, data: unknown, id?: string | number): string {
  const lines = id === undefined ? '' : `id: ${id}\n`
  return `${lines}event: ${event.replace(/[\r\n]/g, ' ')}\ndata: ${JSON.stringify(data)}\n\n`
}

/**
 * Writes items as they come, at the client's pace, with heartbeats. Ends when `items` ends; if they break off, the last item
 * says why. Ends at once when the client goes away.
 */
export async function streamItems(
  context: DoorContext,
  call: Call,
  format: keyof typeof FORMATS,
  items: AsyncIterable<string>,
): Promise<void> {
  const { contentType, heartbeat, failure } = FORMATS[format]
  const out = takeOver(call, 200, {
    'content-type': contentType,
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  out.flushHeaders()
  const pulse = setInterval(() => {
    if (!out.writableNeedDrain) out.write(heartbeat)
  }, HEARTBEAT_MS)
  try {
    for await (const text of untilAborted(items, call.signal)) {
      if (!out.write(text)) await drained(out, call.signal)
    }
  } catch (thrown) {
    if (!call.signal.aborted) {
      const error = toSpawnpointError(thrown)
      if (error.code === 'internal') context.log.error({ err: thrown, requestId: call.request.id }, 'stream failed')
      out.write(failure(problemOf(error, call.request.id)))
    }
  } finally {
    clearInterval(pulse)
    out.end()
  }
}

/**
 * Writes the bytes of `body`. With `length` exactly so many: what a guest sends beyond is cut and what it owes breaks the
 * connection, so it cannot write into the answer to the client's next request.
 */
export async function streamBytes(
  call: Call,
  status: number,
  headers: Record<string, string>,
  body: Readable,
  length: number | null,
): Promise<void> {
  const out = takeOver(call, status, length === null ? headers : { ...headers, 'content-length': String(length) })
  out.flushHeaders()
  call.signal.addEventListener('abort', () => body.destroy(), { once: true })
  let left = length ?? Number.POSITIVE_INFINITY
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      const part = chunk.length > left ? chunk.subarray(0, left) : chunk
      left -= part.length
      if (!out.write(part)) await drained(out, call.signal)
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

function takeOver(call: Call, status: number, headers: Record<string, string>): ServerResponse {
  const out = call.reply.raw
  call.reply.hijack()
  // Harmless: writing to a client that has gone; `close` aborts the signal.
  out.on('error', () => {})
  out.writeHead(status, { ...(call.reply.getHeaders() as Record<string, string>), ...headers })
  return out
}

async function drained(out: ServerResponse, signal: AbortSignal): Promise<void> {
  try {
    if (!out.destroyed) await once(out, 'drain', { signal })
  } catch {
    // Harmless: the client went away, which the caller sees by the signal.
  }
}

/** Aborts when the client goes away before the answer is complete, or when the server closes. */
export function signalOf(context: DoorContext, out: ServerResponse): AbortSignal {
  const controller = new AbortController()
  if (out.destroyed) {
    controller.abort()
    return controller.signal
  }
  context.openStreams.add(controller)
  out.once('close', () => {
    context.openStreams.delete(controller)
    if (!out.writableFinished) controller.abort()
  })
  return controller.signal
}
