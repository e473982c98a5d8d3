import { execFileSync } from 'node:child_process'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { Guest, Sandbox, SandboxOverrides } from '@spawnpoint/core'
import { openFakeCore } from '@spawnpoint/fakes'
import { WebSocketServer } from 'ws'
import { Gateway, type GatewayOptions } from '../index.ts'

/** The port that the program in every sandbox listens on */
export const PROGRAM_PORT = 3000

export interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: string
  /** Parsed body, where it is JSON */
  // biome-ignore lint/suspicious/noExplicitAny: answers of all shapes, which the tests then look at
  json: any
}

/** The gateway over the real core on fakes; behind it "the server itself", which answers 418. */
export async function openGatewayWorld(over: Partial<GatewayOptions> = {}) {
  const fake = await openFakeCore()
  const { core, by } = fake
  const program: {
    answer(req: IncomingMessage, res: ServerResponse): void
    connections: Duplex[]
    /** It speaks TLS */
    secure: boolean
  } = { answer: (_req, res) => void res.end(), connections: [], secure: false }
  const inside = programServer((req, res) => program.answer(req, res))
  const gateway = new Gateway({
    api: core.through('gateway'),
    log: fake.log,
    domain: 'sbx.test:7443',
    routingHeaders: [
      { id: 'e2b-sandbox-id', port: 'e2b-sandbox-port' },
      { id: 'novita-sandbox-id', port: 'novita-sandbox-port' },
    ],
    services: new Map(),
    tokens: [(req, sandbox) => req.headers['x-test-token'] === core.tokens.issue('ingress', sandbox.id)],
    stripHeaders: ['x-test-token'],
    ...over,
  })
  const server = createServer((req, res) => {
    if (gateway.matches(req)) gateway.request(req, res)
    else res.writeHead(418).end()
  })
  server.on('upgrade', (req, socket, head) => {
    if (gateway.matches(req)) gateway.upgrade(req, socket, head)
    else socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  /** Gives the sandbox a program on its port, for each incarnation anew. */
  async function listen(id: string): Promise<Guest> {
    const { guest } = await core.sandboxes.guest(by, id)
    const real = guest.connectPort.bind(guest)
    guest.connectPort = async (wanted) => {
      if (wanted !== PROGRAM_PORT) return real(wanted)
      const [ours, theirs] = duplexPair()
      program.connections.push(ours)
      inside.emit('connection', program.secure ? secured(theirs) : theirs)
      return ours
    }
    return guest
  }

  return {
    ...fake,
    gateway,
    port,
    program,
    listen,
    async sandbox(overrides: SandboxOverrides = {}): Promise<Sandbox> {
      const sandbox = await (await core.sandboxes.create(by, { image: 'base', ...overrides })).done
      await listen(sandbox.id)
      return sandbox
    },
    token: (id: string) => core.tokens.issue('ingress', id),
    headers: (id: string, wanted = PROGRAM_PORT) => ({ 'e2b-sandbox-id': id, 'e2b-sandbox-port': String(wanted) }),
    /** A request that may carry any `host`. */
    ask: (path: string, headers: Record<string, string>, method = 'GET'): Promise<Answer> =>
      new Promise((resolve, reject) => {
        const req = request({ host: '127.0.0.1', port, path, method, headers }, async (res) => {
          try {
            let body = ''
            for await (const chunk of res.setEncoding('utf8')) body += chunk
            const json = res.headers['content-type'] === 'application/json' ? JSON.parse(body) : undefined
            resolve({ status: res.statusCode ?? 0, headers: res.headers, body, json })
          } catch (error) {
            reject(error)
          }
        })
        req.on('error', reject)
        req.end()
      }),
    async [Symbol.asyncDispose](): Promise<void> {
      gateway.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await fake[Symbol.asyncDispose]()
    },
  }
}

export type GatewayWorld = Awaited<ReturnType<typeof openGatewayWorld>>

/** With a certificate that nobody vouches for. */
function secured(stream: Duplex): Duplex {
  const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  const pem = execFileSync('openssl', [...make, '-subj', '/CN=self', '-keyout', '-', '-out', '-'], { stdio: 'pipe' })
  // As of a socket of the network's, which it takes for one.
  return new TLSSocket(stream as Socket, { isServer: true, key: pem, cert: pem })
}

/** What listens inside: HTTP as told, and a WebSocket that says its path and headers, then echoes. */
function programServer(answer: (req: IncomingMessage, res: ServerResponse) => void): Server {
  const server = createServer(answer)
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (req, socket, head) => {
    sockets.handleUpgrade(req, socket, head, (ws) => {
      ws.send(JSON.stringify({ url: req.url, headers: req.headers }))
      ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }))
    })
  })
  return server
}
