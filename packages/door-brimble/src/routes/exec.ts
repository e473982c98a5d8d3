import { type ProcessOutput, type ProcessSpec, type SpawnpointApi, toSpawnpointError } from '@spawnpoint/core'
import {
  type AnyRoute,
  type Call,
  collectOutput,
  type Log,
  optional,
  route,
  STREAMED,
  streamItems,
  untilAborted,
} from '@spawnpoint/door-kit'
import { holdActive } from '@spawnpoint/gateway'
import { z } from 'zod'
import { idParam, ok } from '../envelope.ts'

const DEFAULT_TIMEOUT_S = 30
/** As `timeout` of coreutils says that the time was over. */
const TIMED_OUT = 124

const params = z.object({ id: idParam('sandbox') })
const common = {
  timeout_seconds: optional(z.number().int().min(1).max(300)),
  cwd: optional(z.string().min(1).max(4096)),
  env: optional(z.record(z.string(), z.string())),
  stream: optional(z.boolean()),
}
type Common = z.output<z.ZodObject<typeof common>>

const INTERPRETERS = { python: ['python3', '-c'], node: ['node', '-e'] } as const

export function execRoutes(api: SpawnpointApi, log: Log): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/sandboxes/:id/exec',
      params,
      body: z.object({ cmd: z.string().min(1), ...common }),
      handle: (call) => run(call, call.params.id, ['/bin/sh', '-c', call.body.cmd], call.body),
    }),
    route({
      method: 'POST',
      path: '/sandboxes/:id/code',
      params,
      body: z.object({ language: z.enum(['python', 'node']), code: z.string(), ...common }),
      handle: (call) => run(call, call.params.id, [...INTERPRETERS[call.body.language], call.body.code], call.body),
    }),
  ]

  async function run(call: Call, id: string, args: string[], options: Common) {
    const { guest } = await api.sandboxes.guest(call.by, id)
    using _ = holdActive(api, call.by, id)
    const spec: ProcessSpec = {
      args,
      env: options.env ?? {},
      cwd: options.cwd ?? '/',
      user: 'root',
      stdin: false,
      timeoutMs: (options.timeout_seconds ?? DEFAULT_TIMEOUT_S) * 1000,
    }
    const began = performance.now()
    const duration = () => Math.round(performance.now() - began)
    const { output } = await guest.processes.startAndFollow(spec, call.signal)
    if (options.stream) {
      await streamItems(call, format(log), frames(output, duration))
      return STREAMED
    }
    const { stdout, stderr, encoding, exit } = await collectOutput(untilAborted(output, call.signal), id)
    const text = (data: string) => (encoding === 'utf8' ? data : Buffer.from(data, 'base64').toString())
    const exit_code = exit.timedOut ? TIMED_OUT : exit.code
    return ok({ stdout: text(stdout), stderr: text(stderr), exit_code, duration_ms: duration() })
  }
}

async function* frames(output: AsyncIterable<ProcessOutput>, duration: () => number): AsyncGenerator<string> {
  // Bytes may end in the middle of a character; each stream goes on with the rest.
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder(), pty: new TextDecoder() }
  yield ': open\n\n'
  for await (const item of output) {
    if (item.type === 'data') {
      const data = decoders[item.stream].decode(item.data, { stream: true })
      if (data !== '') yield frame({ type: item.stream === 'stderr' ? 'stderr' : 'stdout', data })
    } else if (item.type === 'exit') {
      yield frame({ type: 'done', exit_code: item.exit.timedOut ? TIMED_OUT : item.exit.code, duration_ms: duration() })
      return
    }
  }
  yield frame({ type: 'error', message: 'The sandbox ended before the command did' })
}

function frame(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`
}

function format(log: Log) {
  return {
    contentType: 'text/event-stream; charset=utf-8',
    heartbeat: ': ping\n\n',
    failure: (thrown: unknown) => {
      const error = toSpawnpointError(thrown)
      if (error.code === 'internal') log.error({ err: thrown }, 'stream failed')
      return frame({ type: 'error', message: error.message })
    },
  }
}
