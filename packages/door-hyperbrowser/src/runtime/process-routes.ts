import { invalidArgument, type Principal, type ProcessSpec, SpawnpointError, toSpawnpointError } from '@spawnpoint/core'
import {
  type Answer,
  type AnyRoute,
  commandText,
  noNul,
  optional,
  roomFor,
  route,
  STREAMED,
  streamItems,
  variables,
} from '@spawnpoint/door-kit'
import { holdActive } from '@spawnpoint/gateway'
import { z } from 'zod'
import type { DoorContext } from '../context.ts'
import { lateAnswer } from './late-answer.ts'
import { asciiJson, processJson, resultJson, shellArgs } from './process-json.ts'
import type { RecordedChunk, Recorder } from './recorder.ts'
import { signalName } from './signal-name.ts'

const params = z.object({ sandbox: z.string(), id: z.string().min(1).max(128) })
const sandboxParams = z.object({ sandbox: z.string() })
/** Up to here a wait that is over is told by its status; longer ones have begun to answer by then. */
const TOLD_MS = 19_000

const commandSchema = z.object({
  command: commandText,
  cwd: optional(noNul.max(4096)),
  env: optional(variables),
  timeoutMs: optional(z.number().min(0)),
  timeout_sec: optional(z.number().min(0)),
  runAs: optional(z.string().max(256)),
})
const waitSchema = z.object({ timeoutMs: optional(z.number().min(0)), timeout_sec: optional(z.number().min(0)) })

const STATUSES = ['queued', 'running', 'exited', 'failed', 'killed', 'timed_out']
const areStatuses = (text: string) => text.split(',').every((one) => STATUSES.includes(one))

/** Where a process is in a list: when it started, and its id. */
type Place = [startedAt: number, id: string]

function placeOf(cursor: string): Place | null {
  // Clients take numbers for cursors, too.
  if (cursor === '' || cursor === '0') return null
  const [, startedAt = '', id = ''] = /^(\d{1,16})\.(.{1,128})$/.exec(cursor) ?? []
  if (id === '') throw invalidArgument('cursor', 'is not one that was given out')
  return [Number(startedAt), id]
}

function inOrder([at, id]: Place, [otherAt, otherId]: Place): number {
  return at - otherAt || (id < otherId ? -1 : id > otherId ? 1 : 0)
}

export const NOT_BASE64 = { path: ['data'], message: 'not base64' }

/** Node's own reader would leave out what it cannot read. */
export function isInItsEncoding({ data, encoding }: { data?: string | undefined; encoding?: string | undefined }) {
  return encoding !== 'base64' || data === undefined || z.base64().safeParse(data).success
}

export function ok(body: unknown): Answer {
  return { status: 200, body }
}

/** Milliseconds, whichever way they were given; `null` for no limit, which 0 is too. */
export function limitOf({ timeoutMs = 0, timeout_sec = 0 }: Partial<z.output<typeof waitSchema>>): number | null {
  if (timeout_sec > 0) return timeout_sec * 1000
  return timeoutMs > 0 ? timeoutMs : null
}

/** Where a process runs and as whom, if that is said; nothing is what is said of the default. */
export function placeAndUser({ cwd = '', runAs = '' }: { cwd?: string | undefined; runAs?: string | undefined }) {
  return { ...(cwd === '' ? {} : { cwd }), ...(runAs === '' ? {} : { user: runAs }) }
}

export function processRoutes({ api, recorders }: DoorContext): AnyRoute[] {
  const specOf = (body: z.output<typeof commandSchema>): ProcessSpec => {
    const timeoutMs = limitOf(body)
    return {
      args: shellArgs(body.command),
      env: body.env ?? {},
      stdin: true,
      ...placeAndUser(body),
      ...(timeoutMs === null ? {} : { timeoutMs: Math.max(1, Math.ceil(timeoutMs)) }),
    }
  }
  return [
    route({
      method: 'POST',
      path: '/exec',
      params: sandboxParams,
      body: commandSchema,
      handle: async (call) => {
        const { sandbox } = call.params
        const recorder = await recorders.start(call.by, sandbox, { ...specOf(call.body), stdin: false })
        using _ = holdActive(api, call.by, sandbox)
        return lateAnswer(
          call,
          recorder.ended(null, call.signal).then(() => ({ result: resultJson(recorder) })),
        )
      },
    }),
    route({
      method: 'POST',
      path: '/processes',
      params: sandboxParams,
      body: commandSchema,
      handle: async (call) => {
        const { by, body } = call
        const { sandbox } = call.params
        const recorder = await recorders.start(by, sandbox, specOf(body))
        if (!call.request.headers.accept?.includes('text/event-stream')) return ok({ process: processJson(recorder) })
        using _ = holdActive(api, by, sandbox)
        await streamItems(call, SSE, startedEvents(recorder, call.signal))
        return STREAMED
      },
    }),
    route({
      method: 'GET',
      path: '/processes',
      params: sandboxParams,
      query: z.object({
        status: optional(z.string().max(200).refine(areStatuses, 'not a status of processes')),
        limit: optional(z.coerce.number().int().min(1).max(1000)),
        cursor: optional(z.string().max(160)),
        created_after: optional(z.coerce.number()),
        created_before: optional(z.coerce.number()),
      }),
      handle: async (call) => {
        const { by, params, query } = call
        const { status, limit = 100, cursor, created_after = 0, created_before = Number.POSITIVE_INFINITY } = query
        const wanted = status?.split(',')
        const after = cursor === undefined ? null : placeOf(cursor)
        const found = (await recorders.list(by, params.sandbox, roomFor(call).room))
          .filter(({ info }) => !info.pty)
          .map(processJson)
          .sort((one, other) => inOrder([one.started_at, one.id], [other.started_at, other.id]))
          .filter(
            (one) =>
              (wanted?.includes(one.status) ?? true) &&
              one.started_at >= created_after &&
              one.started_at <= created_before &&
              (after === null || inOrder(after, [one.started_at, one.id]) < 0),
          )
        const data = found.slice(0, limit)
        const last = data.at(-1)
        const more = found.length > limit && last !== undefined
        return ok({ data, next_cursor: more ? `${last.started_at}.${last.id}` : null })
      },
    }),
    route({
      method: 'GET',
      path: '/processes/:id',
      params,
      handle: async ({ by, params: { sandbox, id } }) =>
        ok({ process: processJson(await recorders.get(by, sandbox, id)) }),
    }),
    route({
      method: 'POST',
      path: '/processes/:id/wait',
      params,
      body: waitSchema,
      handle: async (call) => {
        const { sandbox, id } = call.params
        const recorder = await recorders.get(call.by, sandbox, id)
        using _ = holdActive(api, call.by, sandbox)
        const result = ended(recorder, limitOf(call.body), call.signal).then(() => ({ result: resultJson(recorder) }))
        const limit = limitOf(call.body)
        return limit !== null && limit <= TOLD_MS ? ok(await result) : lateAnswer(call, result)
      },
    }),
    route({
      method: 'POST',
      path: '/processes/:id/signal',
      params,
      body: z.object({ signal: signalName }),
      handle: ({ by, params: { sandbox, id }, body }) => signalled(by, sandbox, id, body.signal),
    }),
    route({
      method: 'DELETE',
      path: '/processes/:id',
      params,
      handle: ({ by, params: { sandbox, id } }) => signalled(by, sandbox, id, 'SIGKILL'),
    }),
    route({
      method: 'POST',
      path: '/processes/:id/stdin',
      params,
      body: z
        .object({
          data: optional(z.string()),
          encoding: optional(z.enum(['utf8', 'base64'])),
          eof: optional(z.boolean()),
        })
        .refine(isInItsEncoding, NOT_BASE64),
      handle: async ({ by, params: { sandbox, id }, body }) => {
        const guest = await recorders.guest(by, sandbox)
        if (body.data !== undefined)
          await guest.processes.writeStdin(id, Buffer.from(body.data, body.encoding ?? 'utf8'))
        if (body.eof) await guest.processes.closeStdin(id)
        return ok({ ok: true })
      },
    }),
    route({
      method: 'GET',
      path: '/processes/:id/stream',
      params,
      query: z.object({ from_seq: optional(z.coerce.number().int().min(0)) }),
      handle: async (call) => {
        const { sandbox, id } = call.params
        const recorder = await recorders.get(call.by, sandbox, id)
        const { signal } = call
        const chunks = recorder.follow(call.query.from_seq ?? 0, signal)[Symbol.asyncIterator]()
        // Whether the beginning is still there has to be known before anything is answered.
        const first = chunks.next()
        const refused = await Promise.race([
          first.then(
            () => null,
            (error: unknown) => error,
          ),
          soon(),
        ])
        if (refused instanceof SpawnpointError) throw refused
        using _ = holdActive(api, call.by, sandbox)
        await streamItems(call, SSE, events(recorder, first, chunks))
        return STREAMED
      },
    }),
  ]

  async function signalled(by: Principal, sandbox: string, id: string, signal: string | number) {
    return ok({ process: processJson(await recorders.signal(by, sandbox, id, signal)) })
  }
}

/** Rejects `timeout` if the process goes on for longer than that. */
export async function ended(recorder: Recorder, limitMs: number | null, signal: AbortSignal): Promise<void> {
  await recorder.ended(limitMs, signal)
  if (recorder.over || signal.aborted) return
  const timeoutMs = limitMs ?? 0
  throw new SpawnpointError('timeout', `The wait timed out after ${timeoutMs} ms`, { what: 'wait', timeoutMs })
}

const SSE = {
  contentType: 'text/event-stream; charset=utf-8',
  heartbeat: ': alive\n\n',
  failure: (thrown: unknown) => {
    const { message } = toSpawnpointError(thrown)
    return `event: error\ndata: ${asciiJson({ code: 'incomplete_output', error: message })}\n\n`
  },
}

/** All that a process writes, for who counts the pieces; it may go on without the client. */
async function* startedEvents(recorder: Recorder, signal: AbortSignal): AsyncGenerator<string> {
  const chunks = recorder.follow(1, signal, { paced: true })
  // Begins now: what the process writes at once is not to run ahead of it.
  const first = chunks.next()
  yield `event: started\ndata: ${asciiJson(processJson(recorder))}\n\n`
  for (let next = await first; !next.done; next = await chunks.next()) yield outputEvent(next.value)
  // Each piece was in its place: nothing is cut, whatever a result keeps.
  if (recorder.over) yield `event: done\ndata: ${asciiJson({ ...resultJson(recorder), output_truncated: false })}\n\n`
}

function outputEvent({ stream, seq, data, at }: RecordedChunk): string {
  return `event: output\ndata: ${asciiJson({ stream, seq, data: data.toString('utf8'), timestamp: at })}\n\n`
}

type Chunks = AsyncIterator<Awaited<ReturnType<ReturnType<Recorder['follow']>['next']>>['value'] & object, void>

async function* events(recorder: Recorder, first: ReturnType<Chunks['next']>, chunks: Chunks): AsyncGenerator<string> {
  for (let next = await first; !next.done; next = await chunks.next()) {
    yield outputEvent(next.value)
  }
  if (recorder.over) yield `event: done\ndata: ${asciiJson(resultJson(recorder))}\n\n`
}

/** A turn of the event loop: time enough for what needs no waiting. */
function soon(): Promise<null> {
  return new Promise((resolve) => setImmediate(() => resolve(null)))
}
