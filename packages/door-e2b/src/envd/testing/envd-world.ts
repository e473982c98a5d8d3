import { createHash } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Guest, Sandbox, SandboxOverrides } from '@spawnpoint/core'
import { openFakeCore } from '@spawnpoint/fakes'
import { Gateway } from '@spawnpoint/gateway'
import { ENVD_TOKEN } from '../../tokens.ts'
import { ENVD_PORT, Envd, ShownTokens, SignedFiles } from '../index.ts'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** Parsed body */
  // biome-ignore lint/suspicious/noExplicitAny: answers of all shapes, which the tests then look at
  json(): any
}

export interface Asked {
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
}

export interface Frame {
  flags: number
  // biome-ignore lint/suspicious/noExplicitAny: messages of all shapes, which the tests then look at
  json: any
}

/** A message of a stream as it goes over the wire. */
export function frame(value: unknown, flags = 0): Buffer {
  const body = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  const head = Buffer.alloc(5)
  head[0] = flags
  head.writeUInt32BE(body.length, 1)
  return Buffer.concat([head, body])
}

/** Whole messages of what came so far. */
export function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at + 5 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at + 1)
    if (at + 5 + length > bytes.length) break
    frames.push({ flags: bytes[at] ?? 0, json: JSON.parse(bytes.toString('utf8', at + 5, at + 5 + length)) })
    at += 5 + length
  }
  return frames
}

/** The agent's surface over the real core on fakes, on a port of its own. */
export async function openEnvdWorld() {
  const fake = await openFakeCore()
  const { core, by, log } = fake
  const gateway = new Gateway({
    api: core.through('e2b'),
    log,
    domain: null,
    routingHeaders: [{ id: 'e2b-sandbox-id', port: 'e2b-sandbox-port' }],
    services: new Map([[ENVD_PORT, new Envd({ api: core.through('e2b'), log })]]),
    finders: [new SignedFiles(core), new ShownTokens(core)],
    tokens: [],
  })
  const server = createServer((req, res) => {
    if (gateway.matches(req)) gateway.request(req, res)
    else res.writeHead(418).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const token = (id: string) => core.tokens.issue(ENVD_TOKEN, id)
  const route = (id: string) => ({ 'e2b-sandbox-id': id, 'e2b-sandbox-port': String(ENVD_PORT) })
  const withToken = (id: string) => ({ ...route(id), 'x-access-token': token(id) })

  const send = (path: string, { method = 'GET', headers = {}, body }: Asked): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const req = request({ host: '127.0.0.1', port, path, method, headers }, resolve)
      req.on('error', reject)
      req.end(body)
    })
  const ask = async (path: string, asked: Asked = {}): Promise<Answer> => {
    const res = await send(path, asked)
    const body = await buffer(res)
    return { status: res.statusCode ?? 0, headers: res.headers, body, json: () => JSON.parse(body.toString()) }
  }

  return {
    ...fake,
    port,
    send,
    ask,
    token,
    route,
    withToken,
    sandbox: async (overrides: SandboxOverrides = {}): Promise<Sandbox> =>
      (await core.sandboxes.create(by, { image: 'base', ...overrides })).done,
    guest: async (id: string): Promise<Guest> => (await core.sandboxes.guest(by, id)).guest,
    /** A call of one message and one answer. */
    unary: (id: string, method: string, message: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
      ask(`/${method}`, {
        method: 'POST',
        headers: { ...withToken(id), 'content-type': 'application/json', ...headers },
        body: JSON.stringify(message),
      }),
    /** A call with a stream of answers; `body` is what goes over the wire. */
    open: (id: string, method: string, body: Uint8Array, headers: Record<string, string> = {}) =>
      send(`/${method}`, {
        method: 'POST',
        headers: { ...withToken(id), 'content-type': 'application/connect+json', ...headers },
        body,
      }),
    /** All messages of a stream. */
    async stream(id: string, method: string, message: unknown, headers: Record<string, string> = {}): Promise<Frame[]> {
      return framesOf(await buffer(await this.open(id, method, frame(message), headers)))
    },
    sign(id: string, path: string, operation: 'read' | 'write', { user = '', expiration = '' } = {}): string {
      const end = expiration === '' ? '' : `:${expiration}`
      const hash = createHash('sha256')
        .update(`${path}:${operation}:${user}:${token(id)}${end}`)
        .digest('base64')
      const query = new URLSearchParams({ path, signature: `v1_${hash.replace(/=+$/, '')}` })
      if (path === '') query.delete('path')
      if (user !== '') query.set('username', user)
      if (expiration !== '') query.set('signature_expiration', expiration)
      return `/files?${query}`
    },
    async [Symbol.asyncDispose](): Promise<void> {
      gateway.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await fake[Symbol.asyncDispose]()
    },
  }
}

export type EnvdWorld = Awaited<ReturnType<typeof openEnvdWorld>>

/** Messages of a stream as they come. */
export async function* framesAsTheyCome(res: IncomingMessage): AsyncGenerator<Frame> {
  let rest = Buffer.alloc(0)
  for await (const chunk of res as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk])
    const frames = framesOf(rest)
    yield* frames
    let used = 0
    for (const _ of frames) used += 5 + rest.readUInt32BE(used + 1)
    rest = rest.subarray(used)
  }
}
