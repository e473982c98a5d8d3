import { randomBytes } from 'node:crypto'
import {
  type Guest,
  isCode,
  type ProcessOutput,
  type ProcessSpec,
  type SpawnpointApi,
  SpawnpointError,
  toSpawnpointError,
} from '@spawnpoint/core'
import {
  type AnyRoute,
  ARGUMENT_MAX_BYTES,
  type Call,
  collectOutput,
  type Log,
  noNul,
  optional,
  PATIENT_MS,
  roomFor,
  route,
  STREAMED,
  streamItems,
  variables,
} from '@spawnpoint/door-kit'
import { holdActive } from '@spawnpoint/gateway'
import { z } from 'zod'
import { idParam, ok } from '../envelope.ts'
import { guestOf } from '../status.ts'

const DEFAULT_TIMEOUT_S = 30
/** As `timeout` of coreutils says that the time was over. */
const TIMED_OUT = 124

const params = z.object({ id: idParam('sandbox') })
const common = {
  timeout_seconds: optional(z.number().int().min(1).max(300)),
  cwd: optional(noNul.min(1).max(4096)),
  env: optional(variables),
  stream: optional(z.boolean()),
}
type Common = z.output<z.ZodObject<typeof common>>

const INTERPRETERS = {
  python: { program: 'python3', ending: 'py' },
  node: { program: 'node', ending: 'js' },
} as const

export function execRoutes(api: SpawnpointApi, log: Log): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/sandboxes/:id/exec',
      params,
      body: z.object({ cmd: noNul.min(1), ...common }),
      handle: async (call) => {
        const guest = await guestOf(api, call.by, call.params.id, 'run commands')
        const { cmd } = call.body
        const say = 'Exec completed'
        if (Buffer.byteLength(cmd) <= ARGUMENT_MAX_BYTES)
          return run(call, guest, ['/bin/sh', '-c', cmd], call.body, say)
        return fromFile(guest, 'sh', cmd, (path) => run(call, guest, ['/bin/sh', path], call.body, say))
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/:id/code',
      params,
      body: z.object({ language: z.enum(['python', 'node']), code: z.string(), ...common }),
      handle: async (call) => {
        const { language, code } = call.body
        const guest = await guestOf(api, call.by, call.params.id, 'run code')
        const { program, ending } = INTERPRETERS[language]
        return fromFile(guest, ending, code, (path) => run(call, guest, [program, path], call.body, 'Code completed'))
      },
    }),
  ]

  async function run(
    call: Call<z.output<typeof params>>,
    guest: Guest,
    args: string[],
    options: Common,
    message: string,
  ) {
    const { id } = call.params
    using _ = holdActive(api, call.by, id)
    const spec: ProcessSpec = {
      args,
      env: options.env ?? {},
      cwd: options.cwd ?? '/',
      user: 'root',
      stdin: false,
      ...(options.stream ? {} : { gatherMs: PATIENT_MS }),
      timeoutMs: (options.timeout_seconds ?? DEFAULT_TIMEOUT_S) * 1000,
    }
    const began = performance.now()
    const duration = () => Math.round(performance.now() - began)
    const { output } = await start(guest, spec, call.signal)
    if (options.stream) {
      await streamItems(call, format(log), frames(output, duration))
      return STREAMED
    }
    const { stdout, stderr, encoding, exit, truncated } = await collectOutput(output, id, roomFor(call))
    const text = (data: string) => (encoding === 'utf8' ? data : Buffer.from(data, 'base64').toString())
    const exit_code = exit.timedOut ? TIMED_OUT : exit.code
    const result = { stdout: text(stdout), stderr: text(stderr), exit_code, duration_ms: duration() }
    return ok(truncated.stdout || truncated.stderr ? { ...result, truncated } : result, message)
  }
}

/** With the code in a file, which is there while it runs. */
async function fromFile<T>(guest: Guest, ending: string, code: string, work: (path: string) => Promise<T>): Promise<T> {
  const path = `/tmp/.code-${randomBytes(8).toString('hex')}.${ending}`
  await guest.files.write(path, only(Buffer.from(code)), { user: 'root' })
  try {
    return await work(path)
  } finally {
    // A sandbox that has ended meanwhile has no such file any more.
    await guest.files.remove(path, { user: 'root' }).catch(() => {})
  }
}

async function start(guest: Guest, spec: ProcessSpec, signal: AbortSignal) {
  try {
    return await guest.processes.startAndFollow(spec, signal)
  } catch (error) {
    if (!isCode(error, 'guest_error') || error.context.what !== 'cwd') throw error
    const message = `Working directory does not exist: ${spec.cwd}`
    throw new SpawnpointError('invalid_argument', message, { issues: [{ path: 'cwd', message }] })
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

async function* only(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

/** In ASCII: clients decode what they have read so far, which may end in the middle of a character. */
function frame(value: object): string {
  const json = JSON.stringify(value).replace(/[\u0080-\uffff]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return `data: ${json}\n\n`
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
