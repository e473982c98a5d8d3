import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type SpawnpointError, toSpawnpointError } from '@spawnpoint/core'

export interface UpgradeHandler {
  /** Takes over an `upgrade` request. Never throws; answers or closes the socket. */
  (req: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Closes what is open, which an HTTP server does not and would wait for. */
  close(): Promise<void>
}

interface Upgrading {
  /** Takes the socket over, or rejects before anything was written to it */
  route(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>
  /** Answers what `route` rejected */
  refuse(socket: Duplex, error: SpawnpointError, thrown: unknown): void
  /** Takes leave of clients, before what is left of their connections is broken */
  close(): Promise<void>
}

export function upgradeHandler({ route, refuse, close }: Upgrading): UpgradeHandler {
  const open = new Set<Duplex>()
  const handle = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Harmless: a socket that breaks is closed, and `close` is what everybody listens for.
    socket.on('error', () => {})
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    route(req, socket, head).catch((thrown: unknown) => refuse(socket, toSpawnpointError(thrown), thrown))
  }
  const closeAll = async (): Promise<void> => {
    await close()
    for (const socket of open) socket.destroy()
  }
  return Object.assign(handle, { close: closeAll })
}
