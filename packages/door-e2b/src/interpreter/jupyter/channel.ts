import { randomUUID } from 'node:crypto'
import { WebSocket } from 'ws'
import { INTERPRETER_PORT, type Inside } from '../inside.ts'
import { broken } from '../refusal.ts'
import { JUPYTER_HOST } from './client.ts'
import { type KernelMessage, kernelMessageSchema } from './schemas.ts'

/** A whole message, such as an image with its text; a larger one ends the connection */
export const MESSAGE_MAX_BYTES = 32 * 2 ** 20
/** The first connection to a new kernel is accepted when the kernel answers */
const OPENS_WITHIN_MS = 60_000

/** How an execution ended. `restarted`: the kernel died and is started again; `dead`: and is not. */
export type Ending = 'idle' | 'restarted' | 'dead' | 'closed'

interface Pending {
  onMessage: (message: KernelMessage) => void
  end: (ending: Ending) => void
}

/** The connection to one kernel. */
export class KernelChannel {
  readonly #socket: WebSocket
  readonly #session = randomUUID()
  readonly #pending = new Map<string, Pending>()

  /**
   * Closed when `over` is aborted; not waited for any more once `left` is. Rejects `port_closed` if no Jupyter listens, a
   * `Refusal` if it does not let us in.
   */
  static async open(inside: Inside, kernelId: string, over: AbortSignal, left: AbortSignal): Promise<KernelChannel> {
    const stream = await inside.connectPort(INTERPRETER_PORT)
    const socket = new WebSocket(`ws://${JUPYTER_HOST}/api/kernels/${kernelId}/channels`, {
      createConnection: () => stream,
      maxPayload: MESSAGE_MAX_BYTES,
      perMessageDeflate: false,
      followRedirects: false,
    })
    // The option of the same purpose holds for network sockets alone.
    const giveUp = () => socket.terminate()
    const late = setTimeout(giveUp, OPENS_WITHIN_MS)
    left.addEventListener('abort', giveUp)
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('open', resolve)
        socket.once('error', reject)
        if (left.aborted) giveUp()
      })
    } catch (error) {
      stream.destroy()
      throw broken('its kernel cannot be reached', error)
    } finally {
      clearTimeout(late)
      left.removeEventListener('abort', giveUp)
    }
    return new KernelChannel(socket, over)
  }

  private constructor(socket: WebSocket, over: AbortSignal) {
    this.#socket = socket
    socket.on('message', (data, isBinary) => {
      // Binary ones carry buffers of widgets, which nobody here shows.
      if (!isBinary) this.#take(String(data))
    })
    // Harmless: `close` follows, and says it to everybody who waits.
    socket.on('error', () => {})
    const close = () => this.close()
    socket.once('close', () => {
      over.removeEventListener('abort', close)
      this.#endAll('closed')
    })
    over.addEventListener('abort', close)
    if (over.aborted) close()
  }

  /** Sends code; messages about it come until the kernel is idle again. Resolves with how it ended, never rejects. */
  execute(code: string, options: { silent: boolean }, onMessage: (message: KernelMessage) => void): Promise<Ending> {
    return new Promise((resolve) => {
      if (this.#socket.readyState !== WebSocket.OPEN) return resolve('closed')
      const msgId = randomUUID()
      const end = (ending: Ending) => {
        this.#pending.delete(msgId)
        resolve(ending)
      }
      this.#pending.set(msgId, { onMessage, end })
      const message = {
        channel: 'shell',
        header: {
          msg_id: msgId,
          msg_type: 'execute_request',
          session: this.#session,
          username: 'spawnpoint',
          version: '5.3',
          date: new Date().toISOString(),
        },
        parent_header: {},
        metadata: {},
        content: {
          code,
          silent: options.silent,
          store_history: !options.silent,
          user_expressions: {},
          allow_stdin: false,
          // What failed must not take along what others have asked for since.
          stop_on_error: false,
        },
        buffers: [],
      }
      this.#socket.send(JSON.stringify(message), (error) => {
        if (error) end('closed')
      })
    })
  }

  /** No more is read until `resume`; the kernel's output waits inside. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Ends at once, without waiting for the other side. */
  close(): void {
    this.#socket.terminate()
  }

  #take(text: string): void {
    const message = messageFrom(text)
    if (message === null) return
    const { header, parent_header: parent, content } = message
    const state = header.msg_type === 'status' ? content.execution_state : null
    if (state === 'restarting') this.#endAll('restarted')
    if (state === 'dead') this.#endAll('dead')
    const pending = parent.msg_id === undefined ? undefined : this.#pending.get(parent.msg_id)
    if (pending === undefined) return
    if (state === 'idle') pending.end('idle')
    else pending.onMessage(message)
  }

  #endAll(ending: Ending): void {
    for (const { end } of [...this.#pending.values()]) end(ending)
  }
}

/** What is no message of the protocol is passed over: it can only be about what nobody here waits for. */
function messageFrom(text: string): KernelMessage | null {
  try {
    return kernelMessageSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}
