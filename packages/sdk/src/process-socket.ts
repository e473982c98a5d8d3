import { sleep } from './deadline.ts'
import type { Offsets, OutputConnection, RawLine } from './output-lines.ts'
import type { Transport } from './transport.ts'
import type { OutputStream } from './types.ts'

/** What of the WebSocket of browsers, Node 22 and others is used here. */
interface Socket {
  binaryType: string
  readonly bufferedAmount: number
  readonly readyState: number
  send(data: string | Uint8Array): void
  close(code?: number): void
  addEventListener(type: string, listener: (event: { data?: unknown; code?: number }) => void): void
}
type SocketClass = new (url: string, options?: unknown) => Socket

/** Absent on Node 20, where HTTP alone does. */
export function socketClass(): SocketClass | undefined {
  return (globalThis as { WebSocket?: SocketClass }).WebSocket
}

/** Bytes of output waiting for a reader before the connection is given up; it is opened again when they are read. */
const UNREAD_BYTES = 8 * 1024 * 1024
/** Bytes of input on their way before a write waits. */
const UNSENT_BYTES = 1024 * 1024
/** The server takes messages up to 1 MiB. */
const MESSAGE_BYTES = 256 * 1024
/** The `readyState` of a WebSocket that takes what is sent; one that is closing drops it without a word. */
const OPEN = 1
const STREAMS: { [code: number]: OutputStream } = { 1: 'stdout', 2: 'stderr', 3: 'pty' }

/**
 * One WebSocket to a process, for terminals: a keystroke is a frame and not a request. From the server come frames
 * `[u8 stream][u64 offset, big-endian][bytes]` and JSON for everything else; to the server goes stdin as it is.
 */
export class ProcessSocket implements OutputConnection {
  readonly quiet = true
  readonly lines: AsyncIterable<readonly unknown[]>
  readonly #socket: Socket
  #queue: RawLine[] = []
  #unreadBytes = 0
  #ended: Error | null = null
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#receive(data))
    socket.addEventListener('close', ({ code }) => this.#end(`it was closed with ${code}`))
    socket.addEventListener('error', () => this.#end('it failed'))
    this.lines = this.#read()
  }

  /** Resolves when it is open. The reason of a refusal is not told to clients: ask over HTTP. */
  static async open(
    transport: Transport,
    sandboxPath: string,
    query: Offsets & { process: string },
    signal: AbortSignal | undefined,
  ): Promise<ProcessSocket> {
    const WebSocket = socketClass()
    if (WebSocket === undefined) throw new Error('This runtime has no WebSocket')
    signal?.throwIfAborted()
    const url = transport.url(`${sandboxPath}/processes/connect`, query).replace(/^http/, 'ws')
    const socket = new WebSocket(url, credentials(transport))
    socket.binaryType = 'arraybuffer'
    const opened = new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve())
      socket.addEventListener('close', () => reject(new Error('The WebSocket was refused')))
      socket.addEventListener('error', () => reject(new Error('The WebSocket was refused')))
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    const connection = new ProcessSocket(socket)
    try {
      await opened
      return connection
    } catch (thrown) {
      connection.close()
      throw thrown
    }
  }

  get isOpen(): boolean {
    return this.#ended === null && this.#socket.readyState === OPEN
  }

  command(message: object): void {
    this.#socket.send(JSON.stringify(message))
  }

  /** Resolves when it is on its way; whether it arrived is not told. */
  async write(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; at += MESSAGE_BYTES) {
      this.#socket.send(data.subarray(at, at + MESSAGE_BYTES))
      while (this.#socket.bufferedAmount > UNSENT_BYTES && this.isOpen) await sleep(5)
    }
  }

  close(): void {
    this.#end('it was closed here')
    this.#socket.close()
  }

  #receive(data: unknown): void {
    if (this.#ended !== null) return
    if (typeof data === 'string') {
      const line = JSON.parse(data) as RawLine
      // An error is about input or size, and output goes on; where it does not, the server closes.
      if (line.type !== 'error') this.#queue.push(line)
    } else {
      const frame = data as ArrayBuffer
      const view = new DataView(frame)
      const stream = STREAMS[view.getUint8(0)]
      if (stream === undefined) return
      const bytes = new Uint8Array(frame, 9)
      this.#unreadBytes += bytes.length
      this.#queue.push({ type: 'data', stream, offset: Number(view.getBigUint64(1)), data: bytes })
      // A WebSocket cannot be slowed down: what nobody reads is fetched again later, by its offset.
      if (this.#unreadBytes > UNREAD_BYTES) {
        this.#end('its reader is slow')
        this.#socket.close()
      }
    }
    this.#wake()
  }

  #end(why: string): void {
    this.#ended ??= new Error(`The WebSocket ended: ${why}`)
    this.#wake()
  }

  async *#read(): AsyncGenerator<RawLine[]> {
    for (;;) {
      if (this.#queue.length > 0) {
        const lines = this.#queue
        this.#queue = []
        this.#unreadBytes = 0
        yield lines
      } else if (this.#ended !== null) throw this.#ended
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}

/** Browsers can set no headers, but offer a subprotocol; other runtimes take headers as a second argument. */
function credentials(transport: Transport): unknown {
  const { apiKey } = transport.options
  if (apiKey === undefined) return undefined
  const inBrowser = 'document' in globalThis || 'importScripts' in globalThis
  return inBrowser ? ['spawnpoint.v1', `spawnpoint.key.${apiKey}`] : { headers: transport.headers() }
}
