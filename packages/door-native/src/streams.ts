import type { ServerResponse } from 'node:http'
import { toSpawnpointError } from '@spawnpoint/core'
import { sendItems as allInFormat, streamItems as inFormat } from '@spawnpoint/door-kit'
import type { DoorContext } from './door-context.ts'
import { problemOf } from './problem.ts'
import type { Call } from './route.ts'

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

/** As the kit's, in one of the formats of this door. */
export function streamItems(
  context: DoorContext,
  call: Call,
  format: keyof typeof FORMATS,
  items: AsyncIterable<string>,
): Promise<void> {
  const { contentType, heartbeat, failure } = FORMATS[format]
  const told = (thrown: unknown) => {
    const error = toSpawnpointError(thrown)
    if (error.code === 'internal') context.log.error({ err: thrown, requestId: call.request.id }, 'stream failed')
    return failure(problemOf(error, call.request.id))
  }
  return inFormat(call, { contentType, heartbeat, failure: told }, items)
}

/** As the kit's, in one of the formats of this door. */
export function sendItems(call: Call, format: keyof typeof FORMATS, items: string): void {
  allInFormat(call, FORMATS[format].contentType, items)
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
