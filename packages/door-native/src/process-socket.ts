import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  type Guest,
  type Principal,
  type ProcessInfo,
  type ProcessOutput,
  type ProcessStream,
  type SpawnpointApi,
  SpawnpointError,
  toSpawnpointError,
} from '@spawnpoint/core'
import {
  ClientSocket,
  closeReason,
  closeSockets,
  InputQueue,
  parseMessage,
  reasonOf,
  untilAborted,
} from '@spawnpoint/door-kit'
import { holdActiveWhileOpen } from '@spawnpoint/gateway'
import { type WebSocket, WebSocketServer } from 'ws'
import type { z } from 'zod'
import type { Log } from './log.ts'
import { problemOf } from './problem.ts'
import { attachOptions, processSpec } from './process-spec.ts'
import { connectQuery, controlMessage, startMessage } from './schemas/index.ts'
import { exitJson, processJson } from './translate.ts'

const SUBPROTOCOL = 'spawnpoint.v1'
const MESSAGE_MAX_BYTES = 1024 * 1024
const START_WITHIN_MS = 10_000

const STREAM_NUMBERS: { readonly [S in ProcessStream]: number } = { stdout: 1, stderr: 2, pty: 3 }

/** Close codes of RFC 6455, 7.4.1 */
const NORMAL = 1000
const NOT_OURS = 1003
const REFUSED = 1008
const FAILED = 1011

type Followed = { info: ProcessInfo; output: AsyncIterable<ProcessOutput> }

/** WebSockets that show one process each. The process never ends because its WebSocket does. */
export class ProcessSockets {
  readonly #api: SpawnpointApi
  readonly #log: Log
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_MAX_BYTES,
    perMessageDeflate: false,
    // A key offered as subprotocol must not be echoed.
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  })

  constructor(api: SpawnpointApi, log: Log) {
    this.#api = api
    this.#log = log
  }

  /** Rejects, before the handshake, what plain HTTP can still say: bad queries, no such sandbox, no such process. */
  async accept(
    by: Principal,
    ref: string,
    search: URLSearchParams,
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    const query = parseQuery(search)
    const { sandbox, guest } = await this.#api.sandboxes.guest(by, ref)
    const gone = new AbortController()
    socket.once('close', () => gone.abort())
    if (socket.destroyed) return
    const attached =
      query.process === undefined
        ? null
        : await guest.processes.follow(query.process, attachOptions(query, gone.signal))
    holdActiveWhileOpen(socket, this.#api, by, sandbox.id)
    this.#server.handleUpgrade(req, socket, head, (ws) => {
      const shown = new ProcessSocket(ws, guest, gone.signal, this.#log)
      if (attached !== null) void shown.show(attached)
    })
    if (socket.destroyed) gone.abort()
  }

  close(): Promise<void> {
    return closeSockets(this.#server)
  }
}

function parseQuery(search: URLSearchParams): z.output<typeof connectQuery> {
  const result = connectQuery.safeParse(Object.fromEntries(search))
  if (result.success) return result.data
  const issues = result.error.issues.map((issue) => ({
    path: ['query', ...issue.path].join('.'),
    message: issue.message,
  }))
  throw new SpawnpointError('invalid_argument', `${issues[0]?.path}: ${issues[0]?.message}`, { issues })
}

class ProcessSocket {
  readonly #ws: WebSocket
  readonly #client: ClientSocket
  readonly #guest: Guest
  /** Aborted when the connection has closed */
  readonly #gone: AbortSignal
  readonly #log: Log
  #process: ProcessInfo | null = null
  #starting = false
  /** Writes to stdin in order */
  readonly #stdin: InputQueue
  #stdinBroken = false

  constructor(ws: WebSocket, guest: Guest, gone: AbortSignal, log: Log) {
    this.#ws = ws
    this.#guest = guest
    this.#gone = gone
    this.#log = log
    this.#stdin = new InputQueue(ws, (thrown) => this.#report(thrown))
    this.#client = new ClientSocket(ws, {
      firstWithinMs: START_WITHIN_MS,
      late: () => this.#refuse(REFUSED, 'No start message in time'),
      message: (data, isBinary) => {
        if (this.#process === null) this.#start(data, isBinary)
        else if (isBinary) this.#writeStdin(data)
        else this.#control(data)
      },
    })
  }

  #start(data: Buffer, isBinary: boolean): void {
    this.#client.begun()
    if (isBinary) {
      this.#refuse(REFUSED, 'The first message must be a JSON start message')
      return
    }
    if (this.#starting) {
      this.#refuse(REFUSED, 'Wait for the started message')
      return
    }
    const message = this.#understood(startMessage, data)
    if (message === null) return
    this.#starting = true
    this.#guest.processes.startAndFollow(processSpec(message, message.stdin), this.#gone).then(
      (followed) => this.show(followed),
      (thrown) => this.#fail(thrown),
    )
  }

  /** A message, `null` if it was refused. */
  #understood<T extends z.ZodType>(schema: T, data: Buffer): z.output<T> | null {
    const json = parseMessage(data)
    const message = schema.safeParse(json)
    if (message.success) return message.data
    if (json === undefined) this.#refuse(NOT_OURS, 'Not JSON')
    else this.#refuse(REFUSED, reasonOf(message.error))
    return null
  }

  async show({ info, output }: Followed): Promise<void> {
    this.#client.begun()
    this.#process = info
    this.#client.send({ type: 'started', process: processJson(info) })
    try {
      for await (const item of untilAborted(output, this.#gone)) {
        if (!this.#client.isOpen) return
        if (item.type === 'data') await this.#sendOutput(item.stream, item.offset, item.data)
        else if (item.type === 'gap')
          this.#client.send({ type: 'gap', stream: item.stream, offset: item.offset, resumeAt: item.resumeAt })
        else {
          this.#client.send({ type: 'exit', exit: exitJson(item.exit) })
          this.#ws.close(NORMAL, 'The process ended')
        }
      }
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  #sendOutput(stream: ProcessStream, offset: number, data: Buffer): Promise<void> | undefined {
    const frame = Buffer.allocUnsafe(9 + data.length)
    frame.writeUInt8(STREAM_NUMBERS[stream], 0)
    frame.writeBigUInt64BE(BigInt(offset), 1)
    data.copy(frame, 9)
    return this.#client.sendOutput(frame)
  }

  #writeStdin(data: Buffer): void {
    const ref = this.#process?.id ?? ''
    this.#stdin.add(data.length, async () => {
      try {
        if (!this.#stdinBroken) await this.#guest.processes.writeStdin(ref, data)
      } catch (thrown) {
        // Said once: what follows would fail alike.
        this.#stdinBroken = true
        throw thrown
      }
    })
  }

  #control(data: Buffer): void {
    const message = this.#understood(controlMessage, data)
    if (message === null) return
    const { processes } = this.#guest
    const ref = this.#process?.id ?? ''
    switch (message.type) {
      case 'closeStdin':
        this.#stdin.add(data.length, () => processes.closeStdin(ref))
        break
      case 'resize':
        this.#try(processes.resize(ref, { cols: message.cols, rows: message.rows }))
        break
      case 'signal':
        this.#try(processes.signal(ref, message.signal, message.group))
    }
  }

  #try(work: Promise<void>): void {
    work.catch((thrown) => this.#report(thrown))
  }

  /** Tells the client of a request that failed; the stream goes on. */
  #report(thrown: unknown): void {
    const error = toSpawnpointError(thrown)
    const requestId = randomUUID()
    if (error.code === 'internal' && !this.#gone.aborted) {
      this.#log.error({ err: thrown, requestId }, 'process socket request failed')
    }
    this.#client.send({ type: 'error', error: problemOf(error, requestId) })
  }

  /** Tells the client why the stream is over. */
  #fail(thrown: unknown): void {
    if (this.#gone.aborted) return
    this.#report(thrown)
    const { code } = toSpawnpointError(thrown)
    this.#ws.close(code === 'internal' ? FAILED : REFUSED, code)
  }

  #refuse(code: number, reason: string): void {
    this.#ws.close(code, closeReason(reason))
  }
}
