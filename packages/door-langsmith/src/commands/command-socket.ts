import {
  type Guest,
  isCode,
  type ProcessInfo,
  type ProcessSpec,
  type Sandbox,
  toSpawnpointError,
} from '@spawnpoint/core'
import { ClientSocket, InputQueue, type Log, parseMessage, reasonOf, untilAborted } from '@spawnpoint/door-kit'
import type { WebSocket } from 'ws'
import { z } from 'zod'
import { comeBack, type Followed } from './come-back.ts'
import { type Execute, executeSchema, followedSpec, withShell } from './command.ts'
import type { Leases } from './leases.ts'
import { termsOf } from './terms.ts'
import { Utf8Stream } from './utf8-stream.ts'

const START_WITHIN_MS = 30_000
/** Bytes for a command that is not there yet beyond which no more is taken from the client */
const EARLY_WINDOW_BYTES = 256 * 1024
const NORMAL = 1000

const position = z.number().int().min(0).default(0)
const firstMessage = z.discriminatedUnion('type', [
  executeSchema.extend({ type: z.literal('execute') }),
  z.object({
    type: z.literal('reconnect'),
    command_id: z.string().min(1).max(256),
    stdout_offset: position,
    stderr_offset: position,
  }),
])
const laterMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('input'), data: z.string() }),
  z.object({ type: z.literal('close_stdin') }),
  z.object({ type: z.literal('kill') }),
])

type Offsets = { stdout: number; stderr: number }

/** One WebSocket that follows one command, which it has started or come back to. */
export class CommandSocket {
  readonly #ws: WebSocket
  readonly #client: ClientSocket
  readonly #guest: Guest
  readonly #sandbox: Sandbox
  readonly #leases: Leases
  readonly #prepare: (message: Execute) => Promise<Execute>
  /** Aborted when the connection has closed */
  readonly #gone: AbortSignal
  readonly #log: Log
  #process: ProcessInfo | null = null
  #begun = false
  /** What came before the command was there: a client that comes back may say that its input is over before it says so */
  #early: Buffer[] = []
  #earlyBytes = 0
  #killed = false
  /** Writes to stdin in order */
  readonly #stdin: InputQueue

  constructor(
    ws: WebSocket,
    { guest, sandbox }: { guest: Guest; sandbox: Sandbox },
    leases: Leases,
    prepare: (message: Execute) => Promise<Execute>,
    gone: AbortSignal,
    log: Log,
  ) {
    this.#ws = ws
    this.#guest = guest
    this.#sandbox = sandbox
    this.#leases = leases
    this.#prepare = prepare
    this.#gone = gone
    this.#log = log
    this.#stdin = new InputQueue(ws, (thrown) => this.#report(thrown))
    this.#client = new ClientSocket(ws, {
      firstWithinMs: START_WITHIN_MS,
      late: () => this.#end('CommandError', 'No message in time'),
      message: (data) => {
        if (this.#process !== null) this.#later(data)
        else if (this.#begun || !(parsed(laterMessage, data) instanceof z.ZodError)) this.#keep(data)
        else void this.#first(data)
      },
    })
  }

  async #first(data: Buffer): Promise<void> {
    this.#begun = true
    this.#client.begun()
    const message = parsed(firstMessage, data)
    if (message instanceof z.ZodError) return this.#end('CommandError', reasonOf(message))
    try {
      const { command_id: id } = message
      if (message.type === 'execute') await this.#show(await this.#start(message), id, { stdout: 0, stderr: 0 })
      else
        await this.#show(await comeBack(this.#guest, message.command_id, { signal: this.#gone }), id, {
          stdout: message.stdout_offset,
          stderr: message.stderr_offset,
        })
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  /** One that is there already is followed from its beginning: the client may not have heard that it began. */
  async #start(message: Execute): Promise<Followed> {
    const spec: ProcessSpec = followedSpec(this.#sandbox, await this.#prepare(message))
    return withShell(spec, message, (one) => this.#guest.processes.startAndFollow(one, this.#gone))
  }

  async #show({ info, output }: Followed, commandId: string | undefined, from: Offsets): Promise<void> {
    this.#process = info
    const lease = this.#follow(info)
    const text = { stdout: new Utf8Stream(from.stdout), stderr: new Utf8Stream(from.stderr) }
    this.#client.send({ type: 'started', command_id: commandId ?? info.id, pid: info.pid })
    for (const data of this.#early.splice(0)) this.#later(data)
    if (this.#earlyBytes > EARLY_WINDOW_BYTES) this.#ws.resume()
    try {
      for await (const item of untilAborted(output, this.#gone)) {
        if (!this.#client.isOpen) return
        if (item.type === 'exit') {
          lease.ended()
          for (const stream of ['stdout', 'stderr'] as const) await this.#sendOutput(stream, text[stream].end())
          if (item.exit.timedOut && !this.#killed) this.#end('CommandTimeout', 'The command ran out of time')
          else this.#exit(item.exit.code)
          return
        }
        const stream = item.stream === 'stderr' ? 'stderr' : 'stdout'
        if (item.type === 'gap') text[stream].gap(item.resumeAt - item.offset)
        else await this.#sendOutput(stream, text[stream].push(item.data))
      }
      if (!this.#gone.aborted) this.#end('CommandError', 'The sandbox ended before the command did')
    } finally {
      lease[Symbol.dispose]()
    }
  }

  #follow({ id, tag, exit }: ProcessInfo) {
    const { processes } = this.#guest
    const lease = this.#leases.follow(`${this.#sandbox.id} ${id}`, termsOf(tag), () =>
      // Harmless: it has ended meanwhile, or its sandbox has.
      processes.signal(id, 'SIGKILL', true).catch(() => {}),
    )
    if (exit !== null) lease.ended()
    return lease
  }

  #sendOutput(type: 'stdout' | 'stderr', piece: { offset: number; data: string } | null): Promise<void> | undefined {
    if (piece === null) return undefined
    return this.#client.sendOutput(JSON.stringify({ type, ...piece }))
  }

  #keep(data: Buffer): void {
    this.#early.push(data)
    this.#earlyBytes += data.length
    if (this.#earlyBytes > EARLY_WINDOW_BYTES) this.#ws.pause()
  }

  #later(data: Buffer): void {
    const message = parsed(laterMessage, data)
    // What a newer client says is none of ours.
    if (message instanceof z.ZodError || this.#process === null) return
    const { id } = this.#process
    const { processes } = this.#guest
    const bytes = data.length
    if (message.type === 'input') this.#stdin.add(bytes, () => processes.writeStdin(id, Buffer.from(message.data)))
    else if (message.type === 'close_stdin') this.#stdin.add(bytes, () => processes.closeStdin(id))
    else {
      this.#killed = true
      processes.signal(id, 'SIGKILL', true).catch((thrown) => this.#report(thrown))
    }
  }

  /** A request that failed while the command goes on: this protocol has no word for it, clients take every error for the end. */
  #report(thrown: unknown): void {
    const error = toSpawnpointError(thrown)
    if (error.code === 'internal' && !this.#gone.aborted)
      this.#log.error({ err: thrown }, 'a request to a command failed')
  }

  #fail(thrown: unknown): void {
    if (this.#gone.aborted) return
    const error = toSpawnpointError(thrown)
    if (error.code === 'internal') this.#log.error({ err: thrown }, 'command socket failed')
    const type = isCode(error, 'process_not_found') ? 'CommandNotFound' : 'CommandError'
    this.#end(type, error.message)
  }

  #exit(code: number): void {
    this.#client.send({ type: 'exit', exit_code: code })
    this.#ws.close(NORMAL, 'The command ended')
  }

  #end(error_type: string, error: string): void {
    this.#client.send({ type: 'error', error_type, error })
    this.#ws.close(NORMAL, 'Over')
  }
}

function parsed<T extends z.ZodType>(schema: T, data: Buffer): z.output<T> | z.ZodError {
  const result = schema.safeParse(parseMessage(data))
  return result.success ? result.data : result.error
}
