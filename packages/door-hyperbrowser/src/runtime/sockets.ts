import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Principal, SpawnpointError, toSpawnpointError } from '@spawnpoint/core'
import { closeReason, InputQueue } from '@spawnpoint/door-kit'
import { holdActive, refuseUpgrade } from '@spawnpoint/gateway'
import { WebSocket, WebSocketServer } from 'ws'
import { z } from 'zod'
import type { DoorContext } from '../context.ts'
import { refusal } from '../errors.ts'
import { bearerOf, isRuntimeToken } from '../runtime-token.ts'
import { listens } from './listens.ts'
import { chunkJson, ptyJson } from './process-json.ts'
import type { PtySizes } from './pty-sizes.ts'
import type { Recorder } from './recorder.ts'
import type { Watch } from './watches.ts'

const MESSAGE_MAX_BYTES = 1024 * 1024
/** Bytes to the client beyond which no more is sent until it has taken some */
const WINDOW_BYTES = 1024 * 1024
const DRAIN_MS = 20

const PTY = /^\/sandbox\/([0-9a-f]{24})\/pty\/([^/?]{1,128})\/ws$/
// Python's client may ask for either.
const WATCH = /^\/sandbox\/([0-9a-f]{24})\/files\/watch\/([^/?]{1,64})\/(?:ws|stream)$/

const message = z.union([
  z.object({ type: z.literal('input'), data: z.string(), encoding: z.enum(['utf8', 'base64']).optional() }),
  z.object({
    type: z.literal('resize'),
    rows: z.number().int().min(1).max(10_000),
    cols: z.number().int().min(1).max(10_000),
  }),
])

/** WebSockets of terminals and of watches, which are all there are. */
export class Sockets {
  readonly #context: DoorContext
  readonly #sizes: PtySizes
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_MAX_BYTES, perMessageDeflate: false })

  constructor(context: DoorContext, sizes: PtySizes) {
    this.#context = context
    this.#sizes = sizes
  }

  /** Takes over an upgrade whose path begins with `/sandbox/`. Never throws. */
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer, url: string): void {
    // Harmless: a socket that breaks is closed, and `close` is what everybody listens for.
    socket.on('error', () => {})
    this.#route(req, socket, head, url).catch((thrown: unknown) => {
      const error = toSpawnpointError(thrown)
      if (error.code === 'internal') this.#context.log.error({ err: thrown }, 'an upgrade failed')
      refuse(socket, error)
    })
  }

  close(): void {
    for (const client of this.#server.clients) client.close(1001)
  }

  async #route(req: IncomingMessage, socket: Duplex, head: Buffer, url: string): Promise<void> {
    const { api, recorders, watches } = this.#context
    const [path = '', query = ''] = url.split('?', 2)
    const [, sandbox = '', id = ''] = PTY.exec(path) ?? WATCH.exec(path) ?? []
    if (sandbox === '')
      throw new SpawnpointError('not_found', 'There is no WebSocket here', { resource: 'route', ref: path })
    if (!isRuntimeToken(api, sandbox, bearerOf(req.headers.authorization)))
      throw new SpawnpointError('unauthenticated', 'The runtime token is missing or invalid', {})
    const reached = await api.sandboxes.reach(sandbox)
    if (reached === null)
      throw new SpawnpointError('not_found', 'No such sandbox', { resource: 'sandbox', ref: sandbox })
    const cursor = Number(new URLSearchParams(query).get('cursor') ?? 0)
    if (!Number.isInteger(cursor) || cursor < 0)
      throw new SpawnpointError('invalid_argument', 'cursor: a whole number', {
        issues: [{ path: 'cursor', message: 'a whole number' }],
      })
    if (PTY.test(path)) {
      const recorder = await recorders.get(reached.by, sandbox, id)
      // Before anything is accepted: later there is only the end of the connection to say it.
      recorder.checkKept(cursor)
      const ws = await this.#accept(req, socket, head)
      await this.#terminal(ws, reached.by, sandbox, recorder, cursor)
    } else {
      const watch = watches.get(sandbox, id)
      const ws = await this.#accept(req, socket, head)
      await this.#watch(ws, watch, cursor)
    }
  }

  #accept(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<WebSocket> {
    return new Promise((resolve) => this.#server.handleUpgrade(req, socket, head, resolve))
  }

  async #terminal(ws: WebSocket, by: Principal, sandbox: string, recorder: Recorder, cursor: number): Promise<void> {
    const { api, recorders, log } = this.#context
    const closed = new AbortController()
    using _ = holdActive(api, by, sandbox)
    const { id } = recorder.info
    ws.on('error', () => ws.terminate())
    ws.on('close', () => closed.abort())
    const input = new InputQueue(ws, (error) => {
      log.warn({ err: error, sandbox }, 'a message of a terminal was not understood, or came too late')
      ws.close(1008)
    })
    ws.on('message', (data) => {
      const text = String(data)
      const asked = messageOf(text)
      // At once: a client that has sent it may ask for the size on another connection.
      if (asked?.type === 'resize') this.#sizes.set(sandbox, id, asked)
      input.add(text.length, async () => {
        if (asked === null) throw new Error('no message of a terminal')
        const { processes } = await recorders.guest(by, sandbox)
        if (asked.type === 'input') await processes.writeStdin(id, Buffer.from(asked.data, asked.encoding ?? 'utf8'))
        else await processes.resize(id, asked)
      })
    })
    await listens(ws)
    try {
      for await (const chunk of recorder.follow(cursor === 0 ? 0 : cursor + 1, closed.signal)) {
        await send(ws, { type: 'output', ...chunkJson(chunk) })
      }
      if (recorder.over)
        await send(ws, { type: 'exit', status: ptyJson(recorder, this.#sizes.get(sandbox, id), false) })
      ws.close(1000)
    } catch (error) {
      ws.close(1011, closeReason(toSpawnpointError(error).message))
    }
  }

  async #watch(ws: WebSocket, watch: Watch, cursor: number): Promise<void> {
    const closed = new AbortController()
    ws.on('error', () => ws.terminate())
    ws.on('close', () => closed.abort())
    await listens(ws)
    try {
      for await (const event of watch.follow(cursor, closed.signal)) await send(ws, { type: 'event', event })
    } catch (error) {
      const { code, message } = refusal(toSpawnpointError(error)).body
      // Without a type: clients know an error by this field.
      await send(ws, { error: message, code })
    }
    // Its end alone says that it is over: callbacks of Python's client take whatever else comes for an event.
    ws.close(1000)
  }
}

function messageOf(text: string): z.output<typeof message> | null {
  try {
    return message.parse(JSON.parse(text))
  } catch {
    return null // whoever sent it is told by the end of the connection
  }
}

async function send(ws: WebSocket, value: object): Promise<void> {
  if (ws.readyState !== WebSocket.OPEN) return
  ws.send(JSON.stringify(value))
  while (ws.bufferedAmount > WINDOW_BYTES && ws.readyState === WebSocket.OPEN) await pause(DRAIN_MS)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function refuse(socket: Duplex, error: SpawnpointError): void {
  const { status, body } = refusal(error)
  const headers = { 'X-Request-Id': randomUUID() }
  refuseUpgrade(socket, { status, headers }, { type: 'application/json', body: JSON.stringify(body) })
}
