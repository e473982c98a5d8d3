import { WebSocket } from 'ws'

/** For a client that answers no ping, or only once it is asked to read */
const LISTENS_WITHIN_MS = 1_000

/**
 * Resolves when the client takes what it is sent, or is gone. It listens a moment after the handshake, and what it has read
 * by then is lost, except for a ping, which it answers all the same.
 */
export async function listens(ws: WebSocket): Promise<void> {
  if (ws.readyState !== WebSocket.OPEN) return
  const settled = Promise.withResolvers<void>()
  const resolve = () => settled.resolve()
  const late = setTimeout(resolve, LISTENS_WITHIN_MS)
  ws.once('pong', resolve).once('close', resolve)
  ws.ping()
  await settled.promise
  clearTimeout(late)
  ws.off('pong', resolve).off('close', resolve)
}
