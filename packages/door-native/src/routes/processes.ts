import type { Guest, ProcessInfo, ProcessOutput } from '@spawnpoint/core'
import { bodyChunks, collectOutput, PATIENT_MS, roomFor, wholeOutput } from '@spawnpoint/door-kit'
import { holdActive } from '@spawnpoint/gateway'
import { z } from 'zod'
import type { DoorContext } from '../door-context.ts'
import { attachOptions, processSpec } from '../process-spec.ts'
import { type AnyRoute, idParams, route, STREAMED } from '../route.ts'
import * as schemas from '../schemas/index.ts'
import { query } from '../schemas/index.ts'
import { ndjsonItem, sendItems, streamItems } from '../streams.ts'
import { exitJson, outputJson, processJson } from '../translate.ts'

const tag = 'processes'
const processParams = idParams.extend({ process: schemas.processRef })
const REACH = ['not_found', 'wrong_state', 'stale_incarnation', 'guest_unresponsive'] as const

export function processRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  return [
    route({
      method: 'POST',
      path: '/sandboxes/{id}/processes',
      operationId: 'startProcess',
      tag,
      summary: 'Run a program',
      description:
        'Waits for its end and answers with its output, unless `background` is true or the output is asked for as a stream of lines. A client that goes away does not end the process. `Idempotency-Key` has no effect here.',
      params: idParams,
      query: schemas.startProcessQuery,
      body: schemas.startProcessBody,
      responses: {
        200: {
          description: 'It ended; or its output as it comes',
          schema: schemas.finishedProcess,
          also: { 'application/x-ndjson': schemas.outputLine },
        },
        201: { description: 'Started in the background', schema: schemas.processInfo },
      },
      errors: [...REACH, 'guest_error'],
      handle: async (call) => {
        const { body, by } = call
        const { sandbox, guest } = await api.sandboxes.guest(by, call.params.id)
        const asLines =
          call.query.stream === 'ndjson' || /\bapplication\/x-ndjson\b/.test(call.request.headers.accept ?? '')
        const gatherMs = body.gatherMs ?? (asLines ? 0 : PATIENT_MS)
        const spec = processSpec(body, body.stdin !== undefined && body.stdin !== false, gatherMs)
        if (body.background) {
          const info = await guest.processes.start(spec)
          if (typeof body.stdin === 'string') void feed(guest, info, body.stdin)
          const location = `/v1/sandboxes/${sandbox.id}/processes/${encodeURIComponent(info.id)}`
          return { status: 201, body: processJson(info), headers: { location } }
        }
        using _ = holdActive(api, by, sandbox.id)
        const { info, output } = await guest.processes.startAndFollow(spec, call.signal)
        if (typeof body.stdin === 'string') void feed(guest, info, body.stdin)
        if (asLines) {
          const now = wholeOutput(output)
          if (now.whole === null) await streamItems(context, call, 'ndjson', lines(info, now.output))
          else sendItems(call, 'ndjson', startedLine(info) + now.whole.map(outputLine).join(''))
          return STREAMED
        }
        const { exit, ...collected } = await collectOutput(output, sandbox.id, roomFor(call))
        const ended = exitJson(exit)
        return { status: 200, body: { process: { ...processJson(info), exit: ended }, exit: ended, ...collected } }
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/{id}/processes',
      operationId: 'listProcesses',
      tag,
      summary: 'Processes started through the agent',
      params: idParams,
      responses: { 200: { description: 'All of them', schema: schemas.processList } },
      errors: [...REACH],
      handle: async (call) => {
        const { guest } = await api.sandboxes.guest(call.by, call.params.id)
        return { status: 200, body: { items: (await guest.processes.list(roomFor(call))).map(processJson) } }
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/{id}/processes/{process}',
      operationId: 'getProcess',
      tag,
      summary: 'One process',
      params: processParams,
      responses: { 200: { description: 'The process', schema: schemas.processInfo } },
      errors: [...REACH, 'process_not_found'],
      handle: async (call) => {
        const { guest } = await api.sandboxes.guest(call.by, call.params.id)
        return { status: 200, body: processJson(await guest.processes.get(call.params.process)) }
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/{id}/processes/{process}/output',
      operationId: 'followProcess',
      tag,
      summary: 'Follow the output of a process',
      description:
        'From the beginning as far as it is kept, from an offset of each stream, or from now; then, unless `follow` is false, what comes, to the end.',
      params: processParams,
      query: schemas.outputQuery,
      responses: { 200: { description: 'Output as it comes', also: { 'application/x-ndjson': schemas.outputLine } } },
      errors: [...REACH, 'process_not_found'],
      handle: async (call) => {
        const { sandbox, guest } = await api.sandboxes.guest(call.by, call.params.id)
        using _ = holdActive(api, call.by, sandbox.id)
        const followed = await guest.processes.follow(call.params.process, attachOptions(call.query, call.signal))
        await streamItems(context, call, 'ndjson', lines(followed.info, followed.output))
        return STREAMED
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/{id}/processes/{process}/wait',
      operationId: 'waitForProcess',
      tag,
      summary: 'Answer when the process has ended',
      params: processParams,
      responses: { 200: { description: 'How it ended', schema: schemas.processExit } },
      errors: [...REACH, 'process_not_found'],
      handle: async (call) => {
        const { sandbox, guest } = await api.sandboxes.guest(call.by, call.params.id)
        using _ = holdActive(api, call.by, sandbox.id)
        return { status: 200, body: exitJson(await guest.processes.wait(call.params.process, call.signal)) }
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/{id}/processes/{process}/stdin',
      operationId: 'writeProcessStdin',
      tag,
      summary: 'Write bytes to stdin or the terminal',
      description: 'The body as it is, of any size, at the pace the program reads.',
      params: processParams,
      query: z.strictObject({ close: query.flag.optional().describe('`true`: close stdin afterwards') }),
      rawBody: true,
      responses: { 204: { description: 'All of it is in the pipe' } },
      errors: [...REACH, 'process_not_found', 'guest_error'],
      handle: async (call) => {
        const { sandbox, guest } = await api.sandboxes.guest(call.by, call.params.id)
        using _ = holdActive(api, call.by, sandbox.id)
        for await (const chunk of bodyChunks(call)) await guest.processes.writeStdin(call.params.process, chunk)
        if (call.query.close) await guest.processes.closeStdin(call.params.process)
        return { status: 204, body: undefined }
      },
    }),
    route({
      method: 'DELETE',
      path: '/sandboxes/{id}/processes/{process}/stdin',
      operationId: 'closeProcessStdin',
      tag,
      summary: 'Close stdin',
      params: processParams,
      responses: { 204: { description: 'Closed' } },
      errors: [...REACH, 'process_not_found', 'guest_error'],
      handle: async (call) => {
        const { guest } = await api.sandboxes.guest(call.by, call.params.id)
        await guest.processes.closeStdin(call.params.process)
        return { status: 204, body: undefined }
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/{id}/processes/{process}/signal',
      operationId: 'signalProcess',
      tag,
      summary: 'Send a signal',
      params: processParams,
      body: schemas.signalBody,
      responses: { 204: { description: 'Sent' } },
      errors: [...REACH, 'process_not_found', 'guest_error'],
      handle: async (call) => {
        const { guest } = await api.sandboxes.guest(call.by, call.params.id)
        await guest.processes.signal(call.params.process, call.body.signal, call.body.group)
        return { status: 204, body: undefined }
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/{id}/processes/{process}/resize',
      operationId: 'resizeProcess',
      tag,
      summary: 'Change the size of the terminal',
      params: processParams,
      body: schemas.ptySize,
      responses: { 204: { description: 'Changed' } },
      errors: [...REACH, 'process_not_found', 'guest_error'],
      handle: async (call) => {
        const { guest } = await api.sandboxes.guest(call.by, call.params.id)
        await guest.processes.resize(call.params.process, call.body)
        return { status: 204, body: undefined }
      },
    }),
  ]
}

/** Writes text to stdin and closes it, beside reading the output: a full pipe on one side must not block the other. */
async function feed(guest: Guest, info: ProcessInfo, text: string): Promise<void> {
  try {
    if (text !== '') await guest.processes.writeStdin(info.id, Buffer.from(text))
    await guest.processes.closeStdin(info.id)
  } catch {
    // Harmless: the process ended without reading everything, which is its right.
  }
}

async function* lines(info: ProcessInfo, output: AsyncIterable<ProcessOutput>): AsyncIterable<string> {
  yield startedLine(info)
  let exited = false
  for await (const item of output) {
    exited = item.type === 'exit'
    yield outputLine(item)
  }
  // Output that was not to be followed ends before the process does.
  if (!exited) yield ndjsonItem({ type: 'end' })
}

const startedLine = (info: ProcessInfo) => ndjsonItem({ type: 'started', process: processJson(info) })
const outputLine = (item: ProcessOutput) => ndjsonItem(outputJson(item))
