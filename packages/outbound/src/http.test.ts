import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { Http, readAll } from './http.ts'

async function asked(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const http = new Http({ silenceMs: 50 })
  onTestFinished(() => {
    http[Symbol.dispose]()
    server.closeAllConnections()
    server.close()
  })
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  return http.ask({ method: 'GET', url, nearest: 'loopback', signal: new AbortController().signal })
}

it('who says nothing is given up', async () => {
  await expect(asked(() => {})).rejects.toThrow('no answer for 0.05 s')
})

it('who stops in the middle is given up, too', async () => {
  const { status, body } = await asked((_request, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('half')
  })
  expect(status).toBe(200)
  await expect(readAll(body, 1_000)).rejects.toMatchObject({ code: 'ECONNRESET' })
})
