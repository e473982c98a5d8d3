import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type Duplex, duplexPair } from 'node:stream'
import { type ProcessInfo, SpawnpointError } from '@spawnpoint/core'
import { type WebSocket, WebSocketServer } from 'ws'
import { INTERPRETER_PORT, type Inside } from '../inside.ts'

export interface FakeSession {
  id: string
  path: string
  name: string
  type: string
  kernel: { id: string; name: string }
}

/** An execution as the fake kernel sees it. */
export interface FakeExecution {
  code: string
  silent: boolean
  /** Sends a message about it */
  send: (type: string, content: object) => void
  socket: WebSocket
}

/**
 * The inside of a sandbox with as much of a Jupyter server as the interpreter uses, in memory. `run` is the kernel; `rest`
 * may answer in place of the REST API; `listening` says whether the port is open.
 */
export class FakeJupyter {
  listening = true
  /** Connections to kernels still to come that reach nobody */
  deaf = 0
  /** Connections to kernels still to come that are never let in */
  mute = 0
  /** Executions that nobody heard of */
  unheard = 0
  /** The sandbox was killed */
  gone = false
  sessions: FakeSession[] = []
  calls: string[] = []
  /** Connections that were asked for */
  dialled = 0
  executed: string[] = []
  /** Programs that run */
  processes: ProcessInfo[] = []
  /** Programs that were started, by arguments */
  started: string[][] = []
  directories = new Set(['/home/user', '/tmp'])
  /** Files that were written */
  written: string[] = []
  rest: (req: IncomingMessage, res: ServerResponse) => boolean = () => false
  /** The kernel is idle again when it resolves */
  run: (execution: FakeExecution) => void | Promise<void> = () => {}
  start: () => void | Promise<void> = () => {
    this.listening = true
  }
  readonly #sockets = new WebSocketServer({ noServer: true })
  readonly #server = createServer((req, res) => this.#answer(req, res))
  readonly #connections = new Set<Duplex>()

  constructor() {
    this.#server.on('upgrade', (req, socket, head) => {
      if (this.mute > 0) {
        this.mute -= 1
        return
      }
      const heard = this.deaf === 0
      if (!heard) this.deaf -= 1
      this.#sockets.handleUpgrade(req, socket, head, (ws) =>
        ws.on('message', (text) => {
          if (heard) void this.#execute(ws, String(text))
          else this.unheard += 1
        }),
      )
    })
  }

  readonly inside: Inside = {
    connectPort: async (port) => {
      this.dialled += 1
      if (this.gone) throw new SpawnpointError('stale_incarnation', 'gone', { sandboxId: '' })
      if (port !== INTERPRETER_PORT || !this.listening) throw new SpawnpointError('port_closed', 'closed', { port })
      const [ours, theirs] = duplexPair()
      this.#connections.add(ours)
      // As with a connection: whoever breaks it breaks it for both.
      theirs.once('close', () => ours.destroy())
      ours.once('close', () => {
        theirs.destroy()
        this.#connections.delete(ours)
      })
      this.#server.emit('connection', theirs)
      return ours
    },
    processes: {
      list: async () => this.processes,
      start: async (spec) => {
        this.started.push(spec.args)
        await this.start()
        const id = randomUUID()
        const { args, env, cwd = '/' } = spec
        return { id, pid: 2, args, env, cwd, user: 'user', tag: null, pty: false, startedAt: new Date(), exit: null }
      },
      wait: (_ref, signal) =>
        new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    },
    files: {
      write: async (path, _content) => {
        this.written.push(path)
        const { modifiedAt, ...info } = await this.inside.files.stat('/tmp')
        return { ...info, path, modifiedAt }
      },
      stat: async (path) => {
        if (!this.directories.has(path)) throw new SpawnpointError('guest_error', 'none', { errno: 'ENOENT', path })
        const times = { modifiedAt: new Date(), symlinkTarget: null, target: null, xattrs: {} }
        const owner = { uid: 0, gid: 0, owner: 'root', group: 'root' }
        return { path, name: path, type: 'directory', sizeBytes: 0, mode: 0o755, ...owner, ...times }
      },
    },
  }

  /** Connections that the interpreter has not let go of */
  get open(): number {
    return this.#connections.size
  }

  close(): void {
    for (const connection of this.#connections) connection.destroy()
  }

  #answer(req: IncomingMessage, res: ServerResponse): void {
    this.calls.push(`${req.method} ${req.url}`)
    if (this.rest(req, res)) return
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.once('end', () => {
      const [status, body] = this.#route(`${req.method} ${req.url}`, Buffer.concat(chunks).toString())
      res.writeHead(status, { 'content-type': 'application/json' })
      res.end(body === undefined ? '' : JSON.stringify(body))
    })
  }

  #route(route: string, body: string): [status: number, body?: unknown] {
    if (route === 'GET /api') return [200, { version: '1.23.3' }]
    if (route === 'GET /api/sessions') return [200, this.sessions]
    if (route === 'GET /api/kernelspecs') {
      return [200, { default: 'python3', kernelspecs: { python3: { name: 'python3', spec: { language: 'python' } } } }]
    }
    if (route === 'POST /api/sessions') {
      const { path, name, type, kernel } = JSON.parse(body)
      const session = { id: randomUUID(), path, name, type, kernel: { id: randomUUID(), name: kernel.name } }
      this.sessions.push(session)
      return [201, session]
    }
    const session = /^DELETE \/api\/sessions\/(.+)$/.exec(route)?.[1]
    if (session !== undefined) {
      this.sessions = this.sessions.filter(({ id }) => id !== session)
      return [204]
    }
    if (/^POST \/api\/kernels\/[^/]+\/restart$/.test(route)) return [200, {}]
    if (/^POST \/api\/kernels\/[^/]+\/interrupt$/.test(route)) return [204]
    return [404, { message: 'no such route' }]
  }

  async #execute(socket: WebSocket, text: string): Promise<void> {
    const { header, content } = JSON.parse(text)
    const send = (type: string, said: object) => {
      const message = { header: { msg_type: type, date: '2026-01-01T00:00:00Z' }, parent_header: header, content: said }
      socket.send(JSON.stringify(message))
    }
    this.executed.push(content.code)
    send('status', { execution_state: 'busy' })
    if (!content.silent) await this.run({ code: content.code, silent: content.silent, send, socket })
    send('status', { execution_state: 'idle' })
  }
}
