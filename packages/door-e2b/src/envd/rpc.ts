import type { IncomingMessage } from 'node:http'
import { Code, ConnectError, createConnectRouter, createContextValues, type Interceptor } from '@connectrpc/connect'
import { codeToString } from '@connectrpc/connect/protocol-connect'
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node'
import { isCode, type SandboxId, toSpawnpointError } from '@spawnpoint/core'
import { ANSWERS, BODIES } from '@spawnpoint/door-kit'
import type { ServiceCall } from '@spawnpoint/gateway'
import type { Log } from '../log.ts'
import { toConnectError } from './errors.ts'
import { filesystemRoutes } from './filesystem.ts'
import { processRoutes } from './process.ts'
import { CALL } from './rpc-call.ts'
import type { TemplateIds } from './template-ids.ts'
import { Watchers } from './watchers.ts'
import { userOf } from './who.ts'

/** Largest message of a client: input for a process comes in one. */
const MESSAGE_LIMIT_BYTES = 32 * 1024 * 1024

/** `process.Process` and `filesystem.Filesystem` in the Connect protocol, JSON or binary. */
export class Rpc {
  readonly #log: Log
  readonly #templates: TemplateIds
  readonly #isEnding: (id: SandboxId) => Promise<boolean>
  readonly #handlers = new Map<string, ReturnType<typeof createConnectRouter>['handlers'][number]>()

  constructor(log: Log, templates: TemplateIds, isEnding: (id: SandboxId) => Promise<boolean>) {
    this.#log = log
    this.#templates = templates
    this.#isEnding = isEnding
    const router = createConnectRouter({
      grpc: false,
      grpcWeb: false,
      readMaxBytes: MESSAGE_LIMIT_BYTES,
      jsonOptions: { ignoreUnknownFields: true },
      interceptors: [this.#errors],
    })
    processRoutes(router)
    filesystemRoutes(router, new Watchers())
    for (const handler of router.handlers) this.#handlers.set(handler.requestPath, handler)
  }

  has(path: string): boolean {
    return this.#handlers.has(path)
  }

  /** Answers a request for a path that it `has`. */
  async request(path: string, call: ServiceCall): Promise<void> {
    const handler = this.#handlers.get(path)
    if (handler === undefined) throw new Error(`There is no ${path}`)
    const { req, res } = call
    // First of all: who asks for a sandbox that does not run is answered by the gateway, in the words of no protocol.
    const found = await call.guest().catch((thrown: unknown) => {
      // But for this: the clients would take a plain 429 for a sandbox that is gone.
      if (isCode(thrown, 'quota_exceeded')) refuse(call, toConnectError(thrown))
      else throw thrown
    })
    if (found === undefined) return
    if (!BODIES.leaseFor(call.by.teamId, res).take(bodyBytes(req)))
      return refuse(call, new ConnectError('too much of what was sent is still under way', Code.ResourceExhausted))
    const values = createContextValues()
    values.set(CALL, {
      user: userOf(req),
      guest: async () => found,
      room: ANSWERS.leaseFor(call.by.teamId, res),
      templateId: () => this.#templates.of(call.by, found.sandbox),
      keepaliveSeconds: keepaliveOf(req.headers),
      ending: () => this.#isEnding(found.sandbox.id),
      breakOff: () => {
        if (res.headersSent) res.destroy()
      },
    })
    const request = universalRequestFromNodeRequest(req, res, undefined, values)
    // The library's own reading of the body would destroy the connection at the first frame that it cannot read.
    const answer = await handler({ ...request, body: req.iterator({ destroyOnReturn: false }) })
    if (!req.readableEnded) {
      // What the client still sends of a request that is answered already is not taken for the next one.
      res.setHeader('connection', 'close')
      req.resume()
    }
    try {
      await universalResponseToNodeResponse(answer, res)
    } catch (error) {
      // The client has gone, or the sandbox has ended and with it the connection.
      if (!res.destroyed) throw error
    }
  }

  /** Says every failure in the protocol's words. */
  readonly #errors: Interceptor = (next) => async (request) => {
    const failed = (thrown: unknown): ConnectError => {
      const call = request.contextValues.get(CALL)
      // Its time is over or the client has left, and whatever waited for it was cut off.
      const { aborted, reason } = request.signal
      if (aborted) return reason instanceof ConnectError ? reason : new ConnectError('canceled', Code.Canceled)
      const error = toConnectError(thrown, call?.user)
      // A stream that ends with its sandbox breaks off: that is how clients tell it from a failure of the call.
      if (request.stream && isCode(thrown, 'stale_incarnation')) call?.breakOff()
      if (!(thrown instanceof ConnectError) && isCode(toSpawnpointError(thrown), 'internal'))
        this.#log.error({ err: thrown, method: request.method.name }, 'a call of the agent failed')
      return error
    }
    try {
      const response = await next(request)
      if (!response.stream) return response
      const messages = response.message
      return {
        ...response,
        message: (async function* () {
          try {
            yield* messages
          } catch (error) {
            throw failed(error)
          }
        })(),
      }
    } catch (error) {
      throw failed(error)
    }
  }
}

/** What a request may come to take before it is looked at; a stream without an end is read message by message. */
function bodyBytes({ headers }: IncomingMessage): number {
  const said = headers['content-length']
  if (said !== undefined) return Math.min(Number(said), MESSAGE_LIMIT_BYTES)
  return headers['content-type']?.startsWith('application/connect+') ? 0 : MESSAGE_LIMIT_BYTES
}

/** Answers with an error before any handler has the call. */
function refuse({ req, res }: ServiceCall, { code, rawMessage }: ConnectError): void {
  const error = { code: codeToString(code), message: rawMessage }
  req.resume()
  const type = req.headers['content-type'] ?? ''
  if (!type.startsWith('application/connect+')) {
    const status = code === Code.ResourceExhausted ? 429 : 500
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(error))
    return
  }
  const body = Buffer.from(JSON.stringify({ error }))
  const head = Buffer.from([END_OF_STREAM, 0, 0, 0, 0])
  head.writeUInt32BE(body.length, 1)
  res.writeHead(200, { 'content-type': type }).end(Buffer.concat([head, body]))
}

/** Flag of the last message of a stream */
const END_OF_STREAM = 2

const DEFAULT_KEEPALIVE_SECONDS = 90

function keepaliveOf(headers: NodeJS.Dict<string | string[]>): number {
  const asked = headers['keepalive-ping-interval']
  const seconds = typeof asked === 'string' && /^\d{1,6}$/.test(asked) ? Number(asked) : 0
  return seconds >= 1 ? Math.min(seconds, 3600) : DEFAULT_KEEPALIVE_SECONDS
}
