import type { MessageInitShape } from '@bufbuild/protobuf'
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect'
import {
  type Guest,
  isCode,
  type ProcessExit,
  type ProcessInfo,
  type ProcessOutput,
  type ProcessSpec,
} from '@spawnpoint/core'
import { ownEnv, withoutOwnEnv } from './environment.ts'
import {
  type ConnectRequest,
  Process,
  type ProcessEventSchema,
  type ProcessInput,
  type ProcessSelector,
  type PTY,
  Signal,
  type StartRequest,
  type StreamInputRequest,
} from './gen/process_pb.ts'
import { withKeepalive } from './keepalive.ts'
import { callOf, type RpcCall } from './rpc-call.ts'

/** Milliseconds that a finished process can still be asked about. */
const KEPT_MS = 30_000

type Event = NonNullable<MessageInitShape<typeof ProcessEventSchema>['event']>

/** `process.Process`: what the agent started, of whichever protocol, and nothing else that runs. */
export function processRoutes(router: ConnectRouter): void {
  router.service(Process, {
    start: (request, context) => start(request, context),
    connect: (request, context) => connect(request, context),
    async list(_request, context) {
      const call = callOf(context)
      const { guest } = await call.guest()
      const processes = (await guest.processes.list(call)).filter((info) => info.exit === null)
      return { processes: processes.map(shown) }
    },
    async sendInput({ process, input }, context) {
      const { guest } = await callOf(context).guest()
      await write(guest, await find(guest, process), input)
      return {}
    },
    async streamInput(requests, context) {
      await streamInput(requests, callOf(context))
      return {}
    },
    async sendSignal({ process, signal }, context) {
      const name = signal === Signal.SIGTERM ? 'SIGTERM' : signal === Signal.SIGKILL ? 'SIGKILL' : null
      if (name === null) throw new ConnectError(`invalid signal: ${signal}`, Code.InvalidArgument)
      const { guest } = await callOf(context).guest()
      // The group: what a shell has started for the command goes with it.
      await guest.processes.signal((await find(guest, process)).id, name, true)
      return {}
    },
    async update({ process, pty }, context) {
      const { guest } = await callOf(context).guest()
      const { id } = await find(guest, process)
      const size = sizeOf(pty)
      if (size !== undefined) await guest.processes.resize(id, size)
      return {}
    },
    async closeStdin({ process }, context) {
      const { guest } = await callOf(context).guest()
      const { id, pty } = await find(guest, process)
      if (pty) throw new ConnectError('cannot close stdin of a PTY process, send Ctrl+D (0x04) instead', Code.Internal)
      await guest.processes.closeStdin(id)
      return {}
    },
  })
}

/** A process outlives its stream: it ends by itself, by a signal or at its time limit, not with the client. */
async function* start(request: StartRequest, context: HandlerContext) {
  const call = callOf(context)
  const { process: config } = request
  if (config === undefined || config.cmd === '') throw new ConnectError('cmd is missing', Code.InvalidArgument)
  const { sandbox, guest } = await call.guest()
  const limitMs = context.timeoutMs()
  const pty = sizeOf(request.pty)
  const spec = {
    args: [config.cmd, ...config.args],
    env: { ...ownEnv(sandbox, await call.templateId()), ...config.envs },
    stdin: request.stdin ?? true,
    untilOutputEnds: true,
    ...(config.cwd ? { cwd: config.cwd } : {}),
    ...(call.user === undefined ? {} : { user: call.user }),
    ...(pty === undefined ? {} : { pty }),
    ...(request.tag === undefined ? {} : { tag: request.tag }),
    ...(limitMs === undefined ? {} : { timeoutMs: Math.max(1, Math.ceil(limitMs)) }),
  }
  const { info, output } = await startIn(guest, spec, context.signal)
  yield* events(info, output, call, context.signal)
}

/** The shell that the clients run commands and terminals with, and the one that every image has */
const CLIENTS_SHELL = '/bin/bash'
const ANY_SHELL = '/bin/sh'

/** Where the image has not got the clients' shell, in the one that it has. */
async function startIn(guest: Guest, spec: ProcessSpec, signal: AbortSignal) {
  try {
    return await guest.processes.startAndFollow(spec, signal)
  } catch (error) {
    const [program, ...args] = spec.args
    if (program !== CLIENTS_SHELL || !isMissing(error)) throw error
    return guest.processes.startAndFollow({ ...spec, args: [ANY_SHELL, ...args] }, signal)
  }
}

function isMissing(error: unknown): boolean {
  if (!isCode(error, 'guest_error')) return false
  const { errno, what } = error.context
  return what === 'program' && errno === 'ENOENT'
}

async function* connect({ process }: ConnectRequest, context: HandlerContext) {
  const call = callOf(context)
  const { guest } = await call.guest()
  const { id } = await find(guest, process, KEPT_MS)
  const { info, output } = await guest.processes.follow(id, { from: 'now', signal: context.signal })
  yield* events(info, output, call, context.signal)
}

async function* events(
  info: ProcessInfo,
  output: AsyncIterable<ProcessOutput>,
  call: RpcCall,
  signal: AbortSignal,
): AsyncGenerator<{ event: { event: Event } }> {
  const said = (event: Event) => ({ event: { event } })
  yield said({ case: 'start', value: { pid: info.pid } })
  const ticking = withKeepalive<ProcessOutput | null>(output, call.keepaliveSeconds * 1000, () => null, signal)
  for await (const item of ticking) {
    if (item === null) yield said({ case: 'keepalive', value: {} })
    else if (item.type === 'data') {
      yield said({ case: 'data', value: { output: { case: item.stream, value: item.data } } })
    } else if (item.type === 'exit') {
      // A sandbox that is stopped ends its programs first: that is not told as if it were theirs.
      if (item.exit.signal !== null && !item.exit.timedOut && (await call.ending())) {
        call.breakOff()
        throw new ConnectError('the sandbox has ended', Code.Unavailable)
      }
      yield said({ case: 'end', value: ended(item.exit) })
      return
    } else {
      // Nothing in the protocol says that bytes are missing, and a client that is not told takes the rest for the whole.
      const lost = item.resumeAt - item.offset
      throw new ConnectError(`${lost} bytes of ${item.stream} were lost: they were not read in time`, Code.DataLoss)
    }
  }
}

function ended({ code, signal, timedOut }: ProcessExit) {
  if (timedOut) throw new ConnectError('the process ran out of time', Code.DeadlineExceeded)
  if (signal !== null) {
    const status = `signal: ${SIGNAL_WORDS[signal] ?? signal}`
    return { exitCode: -1, exited: false, status, error: status }
  }
  const status = `exit status ${code}`
  return code === 0 ? { exitCode: 0, exited: true, status } : { exitCode: code, exited: true, status, error: status }
}

/** As the system's own words for signals are. */
const SIGNAL_WORDS: Record<string, string> = {
  SIGHUP: 'hangup',
  SIGINT: 'interrupt',
  SIGQUIT: 'quit',
  SIGILL: 'illegal instruction',
  SIGTRAP: 'trace/breakpoint trap',
  SIGABRT: 'aborted',
  SIGBUS: 'bus error',
  SIGFPE: 'floating point exception',
  SIGKILL: 'killed',
  SIGUSR1: 'user defined signal 1',
  SIGSEGV: 'segmentation fault',
  SIGUSR2: 'user defined signal 2',
  SIGPIPE: 'broken pipe',
  SIGALRM: 'alarm clock',
  SIGTERM: 'terminated',
}

/** The youngest process that is meant and runs, or ended at most so many milliseconds ago. */
async function find(guest: Guest, selector: ProcessSelector | undefined, endedMs = 0): Promise<ProcessInfo> {
  const by = selector?.selector
  const found =
    by?.case === 'pid' ? await byPid(guest, by.value) : by?.case === 'tag' ? await byTag(guest, by.value) : null
  const meant = by?.case === undefined ? 'unspecified process' : `process with ${by.case} ${by.value}`
  if (by?.case === undefined) throw new ConnectError(`${meant}: give a pid or a tag`, Code.InvalidArgument)
  const kept = found?.exit == null || Date.now() - found.exit.at.getTime() < endedMs
  if (found === null || !kept) throw new ConnectError(`${meant} not found`, Code.NotFound)
  return found
}

async function byPid(guest: Guest, pid: number): Promise<ProcessInfo | null> {
  try {
    return await guest.processes.get(`pid:${pid}`)
  } catch (error) {
    if (isCode(error, 'process_not_found')) return null
    throw error
  }
}

async function byTag(guest: Guest, tag: string): Promise<ProcessInfo | null> {
  const tagged = (await guest.processes.list()).filter((info) => info.tag === tag)
  return tagged.findLast((info) => info.exit === null) ?? tagged.at(-1) ?? null
}

async function write(guest: Guest, { id, pty }: ProcessInfo, input: ProcessInput | undefined): Promise<void> {
  const given = input?.input
  if (given?.case === undefined) throw new ConnectError('input is missing', Code.InvalidArgument)
  if (given.case === 'stdin' && pty) throw new ConnectError('a PTY takes pty input, not stdin', Code.Internal)
  if (given.case === 'pty' && !pty) throw new ConnectError('the process has no PTY', Code.Internal)
  try {
    await guest.processes.writeStdin(
      id,
      Buffer.from(given.value.buffer, given.value.byteOffset, given.value.byteLength),
    )
  } catch (error) {
    if (isCode(error, 'guest_error') && error.context.errno === 'EPIPE')
      throw new ConnectError('stdin not enabled or closed', Code.Internal)
    throw error
  }
}

async function streamInput(requests: AsyncIterable<StreamInputRequest>, call: RpcCall): Promise<void> {
  const { guest } = await call.guest()
  let target: ProcessInfo | null = null
  for await (const { event } of requests) {
    if (event.case === 'start') target = await find(guest, event.value.process)
    else if (event.case === 'data') {
      if (target === null) throw new ConnectError('the first event must be start', Code.InvalidArgument)
      await write(guest, target, event.value.input)
    }
  }
}

const SIZE_MAX = 65_535

function sizeOf(pty: PTY | undefined): { cols: number; rows: number } | undefined {
  if (pty?.size === undefined) return pty === undefined ? undefined : { cols: 80, rows: 24 }
  const { cols, rows } = pty.size
  if (cols > SIZE_MAX || rows > SIZE_MAX)
    throw new ConnectError('cols and rows are at most 65535', Code.InvalidArgument)
  return { cols, rows }
}

function shown({ args, env, cwd, pid, tag }: ProcessInfo) {
  const [cmd = '', ...rest] = args
  return { config: { cmd, args: rest, envs: withoutOwnEnv(env), cwd }, pid, ...(tag === null ? {} : { tag }) }
}
