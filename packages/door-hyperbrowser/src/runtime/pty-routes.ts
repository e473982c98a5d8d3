import { type AnyRoute, commandText, noNul, optional, route, variables } from '@spawnpoint/door-kit'
import { holdActive } from '@spawnpoint/gateway'
import { z } from 'zod'
import type { DoorContext } from '../context.ts'
import { flag } from './flag.ts'
import { lateAnswer } from './late-answer.ts'
import { ptyJson, shellTerminalArgs } from './process-json.ts'
import { ended, limitOf, ok, placeAndUser } from './process-routes.ts'
import type { PtySizes } from './pty-sizes.ts'
import { signalName } from './signal-name.ts'

const params = z.object({ sandbox: z.string(), id: z.string().min(1).max(128) })
const side = z.number().int().min(1).max(10_000)
const TOLD_MS = 19_000

export function ptyRoutes({ api, recorders }: DoorContext, sizes: PtySizes): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/pty',
      params: z.object({ sandbox: z.string() }),
      body: z.object({
        command: commandText,
        args: optional(z.array(noNul).max(1000)),
        cwd: optional(noNul.max(4096)),
        env: optional(variables),
        useShell: optional(z.boolean()),
        rows: optional(side),
        cols: optional(side),
        timeoutMs: optional(z.number().min(0)),
        runAs: optional(z.string().max(256)),
      }),
      handle: async ({ by, params: { sandbox }, body }) => {
        const size = { cols: body.cols ?? 80, rows: body.rows ?? 24 }
        const { command, args = [] } = body
        const limit = limitOf(body)
        const recorder = await recorders.start(by, sandbox, {
          args: body.useShell ? shellTerminalArgs(command, args) : [command, ...args],
          env: { TERM: 'xterm-256color', ...body.env },
          stdin: true,
          pty: size,
          ...placeAndUser(body),
          ...(limit === null ? {} : { timeoutMs: Math.ceil(limit) }),
        })
        sizes.set(sandbox, recorder.info.id, size)
        return ok({ pty: ptyJson(recorder, size, false) })
      },
    }),
    route({
      method: 'GET',
      path: '/pty/:id',
      params,
      query: z.object({ includeOutput: flag }),
      handle: async ({ by, params: { sandbox, id }, query }) => {
        const recorder = await recorders.get(by, sandbox, id)
        return ok({ pty: ptyJson(recorder, sizes.get(sandbox, id), query.includeOutput ?? false) })
      },
    }),
    route({
      method: 'POST',
      path: '/pty/:id/wait',
      params,
      body: z.object({ timeoutMs: optional(z.number().min(0)), includeOutput: flag }),
      handle: async (call) => {
        const { sandbox, id } = call.params
        const { includeOutput = false } = call.body
        const timeoutMs = limitOf(call.body)
        const recorder = await recorders.get(call.by, sandbox, id)
        using _ = holdActive(api, call.by, sandbox)
        const work = ended(recorder, timeoutMs, call.signal).then(() => ({
          pty: ptyJson(recorder, sizes.get(sandbox, id), includeOutput),
        }))
        return timeoutMs !== null && timeoutMs <= TOLD_MS ? ok(await work) : lateAnswer(call, work)
      },
    }),
    route({
      method: 'POST',
      path: '/pty/:id/kill',
      params,
      body: z.object({ signal: optional(signalName) }),
      handle: async ({ by, params: { sandbox, id }, body: { signal = 'SIGKILL' } }) => {
        const recorder = await recorders.signal(by, sandbox, id, signal)
        return ok({ pty: ptyJson(recorder, sizes.get(sandbox, id), false) })
      },
    }),
    route({
      method: 'POST',
      path: '/pty/:id/resize',
      params,
      body: z.object({ rows: side, cols: side }),
      handle: async ({ by, params: { sandbox, id }, body }) => {
        const recorder = await recorders.get(by, sandbox, id)
        await (await recorders.guest(by, sandbox)).processes.resize(id, body)
        sizes.set(sandbox, id, body)
        return ok({ pty: ptyJson(recorder, body, false) })
      },
    }),
  ]
}
