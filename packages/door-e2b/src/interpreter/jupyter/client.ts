import { request } from 'node:http'
import { isCode, SpawnpointError } from '@spawnpoint/core'
import { INTERPRETER_PORT, type Inside } from '../inside.ts'
import { broken } from '../refusal.ts'

export interface JupyterAnswer {
  status: number
  /** `undefined` for an empty body, and for one that is no JSON */
  json: unknown
}

export interface JupyterCall {
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  body?: unknown
  /** Default 30 s; a kernel is started within the call that asks for it */
  timeoutMs?: number
}

export const JUPYTER_HOST = `127.0.0.1:${INTERPRETER_PORT}`
const BODY_MAX_BYTES = 4 * 2 ** 20

/** One call of Jupyter's REST API. Rejects `port_closed` if nothing listens, a `Refusal` for what is no answer. */
export async function callJupyter(inside: Inside, call: JupyterCall): Promise<JupyterAnswer> {
  const stream = await inside.connectPort(INTERPRETER_PORT)
  // Harmless: the request reports the same failure.
  stream.on('error', () => {})
  const { method, path, body, timeoutMs = 30_000 } = call
  const text = body === undefined ? '' : JSON.stringify(body)
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    return await new Promise<JupyterAnswer>((resolve, reject) => {
      const req = request({
        createConnection: () => stream,
        signal,
        method,
        path,
        setHost: false,
        headers: [
          ...['Host', JUPYTER_HOST, 'Connection', 'close'],
          ...['Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(text))],
        ],
      })
      req.once('error', reject)
      req.once('response', (response) => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > BODY_MAX_BYTES) response.destroy(new Error(`an answer of more than ${BODY_MAX_BYTES} bytes`))
          else chunks.push(chunk)
        })
        response.once('error', reject)
        response.once('end', () => resolve({ status: response.statusCode ?? 0, json: parsed(Buffer.concat(chunks)) }))
        response.once('close', () => reject(new Error('it broke off')))
      })
      req.end(text)
    })
  } catch (error) {
    if (error instanceof SpawnpointError) throw error
    if (signal.aborted) throw broken(`no answer within ${timeoutMs} ms`, error)
    throw broken(error instanceof Error ? error.message : 'no answer', error)
  } finally {
    stream.destroy()
  }
}

export function nothingListens(error: unknown): boolean {
  return isCode(error, 'port_closed')
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    // Whoever needs JSON here checks what it got.
    return undefined
  }
}
