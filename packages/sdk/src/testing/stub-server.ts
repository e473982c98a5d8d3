import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}

export type Reply = (response: ServerResponse, received: Received) => void | Promise<void>

/** Answers each request with the next reply of its script, the last one again and again, and keeps what it received. */
export async function openStubServer(...script: Reply[]) {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk)
    } catch {
      return // The client went away in the middle of its request.
    }
    const one = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    }
    received.push(one)
    const reply = script[Math.min(received.length, script.length) - 1]
    await reply?.(response, one)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    received,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose](): Promise<void> {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return (response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

export function problem(
  status: number,
  code: string,
  context: object = {},
  headers: Record<string, string> = {},
): Reply {
  return json(
    status,
    { type: 'about:blank', title: code, status, code, detail: `It is ${code}`, context, requestId: 'r' },
    headers,
  )
}

/** Breaks the connection instead of answering. */
export const reset: Reply = (response) => void response.destroy()

/** Never answers. */
export const silence: Reply = () => {}

/** Sends these lines and leaves the connection open, or breaks it. */
export function lines(items: unknown[], end: 'end' | 'break' | 'stay'): Reply {
  return (response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    const text = items.map((item) => `${JSON.stringify(item)}\n`).join('')
    if (end === 'end') response.end(text)
    else response.write(text, () => end === 'break' && response.destroy())
  }
}
