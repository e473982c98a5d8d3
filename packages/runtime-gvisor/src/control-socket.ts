import { connect } from 'node:net'

const MAX_ANSWER_BYTES = 16 * 1024 * 1024
/** Longest path that fits into a socket's address on Linux, in bytes */
const MAX_PATH_BYTES = 107

/** The kernel of a sandbox understood an order and says that it failed. */
export class OrderRefused extends Error {
  override readonly name = 'OrderRefused'
}

export function fitsSocket(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_PATH_BYTES
}

/**
 * Gives one order over the socket on which a sandbox's kernel takes those of runsc's commands: a JSON object each way.
 * Rejects `OrderRefused` with the kernel's words; any other rejection leaves open whether it was carried out. Waits
 * without a limit: who calls has one. What answers may be a guest that broke out of its kernel.
 */
export function order(path: string, method: string, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    let text = ''
    const settle = (outcome: () => void) => {
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      outcome()
    }
    const onAbort = () => settle(() => reject(signal.reason))
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) return onAbort()
    socket.setEncoding('utf8')
    socket.on('data', (part: string) => {
      text += part
      if (text.length > MAX_ANSWER_BYTES) settle(() => reject(new Error('an answer without end')))
      // It may come in pieces, and its length is told nowhere.
      if (!text.endsWith('}')) return
      const answer = parse(text)
      if (answer === undefined) return
      settle(() => {
        if (answer.success === true) resolve(answer.result)
        else
          reject(new OrderRefused(typeof answer.err === 'string' && answer.err !== '' ? answer.err : 'no reason told'))
      })
    })
    socket.on('error', (error) => settle(() => reject(error)))
    socket.on('close', () => settle(() => reject(new Error('closed without an answer'))))
    socket.write(JSON.stringify({ method, arg: null }))
  })
}

function parse(text: string): { success?: unknown; err?: unknown; result?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    // Only a piece so far.
    return undefined
  }
}
