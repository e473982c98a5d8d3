import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { isCode, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { closeSockets, type Log } from '@spawnpoint/door-kit'
import {
  holdActiveWhileOpen,
  proxyUpgrade,
  refuseUpgrade,
  type UpgradeHandler,
  upgradeHandler,
} from '@spawnpoint/gateway'
import { createWebSocketStream, WebSocketServer } from 'ws'
import { LANGSMITH_PREFIX } from './address.ts'
import type { Execute } from './commands/command.ts'
import { CommandSocket } from './commands/command-socket.ts'
import { askedBuild, beginBuild } from './commands/dockerfile-build.ts'
import type { Leases } from './commands/leases.ts'
import { authenticate } from './credentials.ts'
import { refusal } from './errors.ts'
import { reachBox } from './reach-box.ts'
import { admitted, sandboxOf, serviceOf, serviceProxy } from './services/service-path.ts'
import { serveTunnel } from './tunnel/tunnel.ts'

const SOCKET = new RegExp(`^${LANGSMITH_PREFIX}/(?:api/)?v2/sandboxes/([A-Za-z0-9._-]{1,255})/(execute/ws|tunnel)$`)
/** Input of a command comes in messages of any size that a client thinks of. */
const MESSAGE_MAX_BYTES = 16 * 2 ** 20

interface UpgradeOptions {
  api: SpawnpointApi
  log: Log
  /** Those of the door; ended by `close` */
  leases: Leases
}

/**
 * Takes over `upgrade` requests whose path begins with `/langsmith/`. Clients that it takes leave of come back to the next
 * server; commands go on.
 */
export function createLangsmithUpgradeHandler({ api, log, leases }: UpgradeOptions): UpgradeHandler {
  const server = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_MAX_BYTES, perMessageDeflate: false })

  async function route(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const [path = '/'] = (req.url ?? '/').split('?', 1)
    const service = serviceOf(req.url ?? '/')
    if (service !== null) {
      const reached = await sandboxOf(api, service)
      const admission = await admitted(api, reached, service.port, req)
      const { by, sandbox } = reached
      const { guest } = await reachBox(api, by, sandbox.id)
      holdActiveWhileOpen(socket, api, by, sandbox.id)
      await proxyUpgrade(guest, service.port, req, socket, head, { ...serviceProxy(service), ...admission })
      return
    }
    const by = await authenticate(api, req.headers)
    const [, id, what] = SOCKET.exec(path) ?? []
    if (id === undefined) throw noRoute(path)
    const reached = await reachBox(api, by, id)
    const gone = new AbortController()
    socket.once('close', () => gone.abort())
    if (socket.destroyed) return
    holdActiveWhileOpen(socket, api, by, reached.sandbox.id)
    const prepare = async (message: Execute): Promise<Execute> => {
      const build = askedBuild(message.command)
      return build === null ? message : { ...message, command: await beginBuild(api, by, reached.guest, build, log) }
    }
    server.handleUpgrade(req, socket, head, (ws) => {
      if (what === 'tunnel') {
        const { id } = reached.sandbox
        serveTunnel(createWebSocketStream(ws), async () => (await reachBox(api, by, id)).guest)
      } else new CommandSocket(ws, reached, leases, prepare, gone.signal, log)
    })
    if (socket.destroyed) gone.abort()
  }

  return upgradeHandler({
    route,
    refuse(socket, error, thrown) {
      if (error.code === 'internal') log.error({ err: thrown }, 'upgrade failed')
      refuse(socket, error)
    },
    close() {
      leases[Symbol.dispose]()
      return closeSockets(server)
    },
  })
}

function noRoute(path: string): SpawnpointError<'not_found'> {
  const shown = path.slice(0, 200)
  return new SpawnpointError('not_found', `No WebSocket here: ${shown}`, { resource: 'route', ref: shown })
}

/** Clients give up at once but for a few statuses, so what passes by itself is said with one of these. */
function refuse(socket: Duplex, error: SpawnpointError): void {
  const passing = isCode(error, 'operation_in_progress') || isCode(error, 'stale_incarnation')
  const { status, body, headers } = refusal(error, '')
  const answer = passing
    ? { status: 503, headers: { 'Retry-After': '1', ...headers } }
    : { status, headers: headers ?? {} }
  refuseUpgrade(socket, answer, { type: 'application/json', body: JSON.stringify(body) })
}
