import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import {
  holdActiveWhileOpen,
  proxyUpgrade,
  refuseUpgrade,
  type UpgradeHandler,
  upgradeHandler,
} from '@spawnpoint/gateway'
import { authenticate, KEY_SUBPROTOCOL } from './credentials.ts'
import type { Log } from './log.ts'
import { problemOf } from './problem.ts'
import { ProcessSockets } from './process-socket.ts'
import { portPrefix } from './routes/ports.ts'

const CONNECT = /^\/v1\/sandboxes\/([^/]+)\/processes\/connect$/
const PORT = /^\/v1\/sandboxes\/([^/]+)\/ports\/(\d{1,5})(?:\/|$)/

/** Takes over `upgrade` requests whose path begins with `/v1/`. Processes go on when it is closed. */
export function createNativeUpgradeHandler({ api, log }: { api: SpawnpointApi; log: Log }): UpgradeHandler {
  const processSockets = new ProcessSockets(api, log)

  async function route(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const url = req.url ?? '/'
    const [path = '/', search = ''] = url.split('?', 2)
    const { by, credentials } = await authenticate(api, req.headers)
    const connect = CONNECT.exec(path)
    if (connect?.[1] !== undefined) {
      await processSockets.accept(by, decoded(connect[1]), new URLSearchParams(search), req, socket, head)
      return
    }
    const port = PORT.exec(path)
    if (port?.[1] !== undefined) {
      const number = Number(port[2])
      if (number < 1 || number > 65_535) throw noRoute(path)
      const { sandbox, guest } = await api.sandboxes.guest(by, decoded(port[1]))
      holdActiveWhileOpen(socket, api, by, sandbox.id)
      await proxyUpgrade(guest, number, req, socket, head, {
        pathPrefix: portPrefix(url),
        stripHeaders: credentials.header === 'sec-websocket-protocol' ? [] : [credentials.header],
        stripSubprotocols: KEY_SUBPROTOCOL,
      })
      return
    }
    throw noRoute(path)
  }

  return upgradeHandler({
    route,
    refuse(socket, error, thrown) {
      const requestId = randomUUID()
      if (error.code === 'internal') log.error({ err: thrown, requestId }, 'upgrade failed')
      const problem = problemOf(error, requestId)
      refuseUpgrade(
        socket,
        { status: problem.status },
        { type: 'application/problem+json', body: JSON.stringify(problem) },
      )
    },
    close: () => processSockets.close(),
  })
}

function noRoute(path: string): SpawnpointError<'not_found'> {
  const shown = path.slice(0, 200)
  return new SpawnpointError('not_found', `No WebSocket here: ${shown}`, { resource: 'route', ref: shown })
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment).slice(0, 200)
  } catch {
    // Not an encoding of anything, so nothing has this name.
    return segment.slice(0, 200)
  }
}
