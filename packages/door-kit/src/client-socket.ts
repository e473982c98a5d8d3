import { type RawData, WebSocket, type WebSocketServer } from 'ws'
import type { z } from 'zod'
import { wordsOf } from './issue-words.ts'

const PING_EVERY_MS = 15_000
/** Bytes to the client beyond which no more output is taken from the process */
const OUTPUT_WINDOW_BYTES = 1024 * 1024
/** Bytes to the client beyond which it is let go of: output never waits so long, answers that it asks for and does not read do */
const UNREAD_MAX_BYTES = 2 * OUTPUT_WINDOW_BYTES
/** How long a client may take to confirm that the connection is over */
const CLOSE_WITHIN_MS = 1000
const GOING_AWAY = 1001
const MAX_REASON_BYTES = 123

export interface ClientSocketOptions {
  /** How long the client may take to say what it wants, in milliseconds; `begun` ends the wait */
  firstWithinMs: number
  /** It did not say what it wants in time */
  late(): void
  /** A message, while the connection is open */
  message(data: Buffer, isBinary: boolean): void
}

/**
 * The WebSocket of a client that follows a process. One that does not answer a ping before the next is let go of, as is one that
 * asks and does not read what it is told.
 */
export class ClientSocket {
  readonly #ws: WebSocket
  readonly #firstMessage: NodeJS.Timeout

  constructor(ws: WebSocket, { firstWithinMs, late, message }: ClientSocketOptions) {
    this.#ws = ws
    this.#firstMessage = setTimeout(late, firstWithinMs)
    let heard = true
    const ping = setInterval(() => {
      if (!heard) ws.terminate()
      // While no more is taken from it, for a process that does not read, its answers are not heard either.
      heard = ws.isPaused
      ws.ping()
    }, PING_EVERY_MS)
    ws.on('pong', () => {
      heard = true
    })
    ws.on('close', () => {
      clearInterval(ping)
      this.begun()
    })
    // Harmless: ws closes the socket itself after a frame it cannot read, and says why in the close code.
    ws.on('error', () => {})
    ws.on('message', (data, isBinary) => {
      heard = true
      if (this.isOpen) message(bytesOf(data), isBinary)
    })
  }

  get isOpen(): boolean {
    return this.#ws.readyState === WebSocket.OPEN
  }

  /** The client has said what it wants. */
  begun(): void {
    clearTimeout(this.#firstMessage)
  }

  send(message: object): void {
    if (this.#ws.bufferedAmount > UNREAD_MAX_BYTES) this.#ws.terminate()
    if (this.isOpen) this.#ws.send(JSON.stringify(message))
  }

  /** Resolves at once while the client keeps up, else when the frame is on its way. */
  sendOutput(frame: string | Buffer): Promise<void> | undefined {
    if (this.#ws.bufferedAmount < OUTPUT_WINDOW_BYTES) {
      this.#ws.send(frame)
      return undefined
    }
    // The callback comes also when the connection breaks; the caller then sees that it is no longer open.
    return new Promise((resolve) => this.#ws.send(frame, () => resolve()))
  }
}

/** Tells all clients that the server closes, and resolves when they have gone. */
export async function closeSockets(server: WebSocketServer): Promise<void> {
  await Promise.all(
    [...server.clients].map((ws) => {
      ws.close(GOING_AWAY, 'The server closes')
      return new Promise<void>((resolve) => {
        const late = setTimeout(() => ws.terminate(), CLOSE_WITHIN_MS)
        ws.once('close', () => {
          clearTimeout(late)
          resolve()
        })
      })
    }),
  )
}

/** As much of it as a close frame holds, which is 123 bytes (RFC 6455, 5.5): `close` throws at more. */
export function closeReason(text: string): string {
  let cut = text.slice(0, MAX_REASON_BYTES).toWellFormed()
  while (Buffer.byteLength(cut) > MAX_REASON_BYTES) cut = cut.slice(0, -1).toWellFormed()
  return cut
}

/** What a message says, `undefined` if it is not JSON. */
export function parseMessage(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString('utf8'))
  } catch {
    return undefined // no JSON is ever that
  }
}

/** What was wrong with a message, for the client. */
export function reasonOf(error: z.ZodError): string {
  const [issue] = error.issues
  return issue === undefined ? 'Unknown message' : `${issue.path.join('.') || 'message'}: ${wordsOf(issue)}`
}

function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data)
}
