import { createServer, type IncomingMessage } from 'node:http'
import { type Duplex, PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { dispatch, HTTP_TIMES } from './traffic.ts'

it.each([true, false])(
  'outlives a client that asks for an upgrade and breaks the connection, for a sandbox: %s',
  (isFor) => {
    const answered: Duplex[] = []
    const handlers = { request() {}, upgrade: (_req: IncomingMessage, socket: Duplex) => void answered.push(socket) }
    const { upgrade } = dispatch({ ...handlers, matches: () => isFor }, null, handlers)
    const socket = new PassThrough()
    upgrade({ url: '/nothing/here', headers: {} } as IncomingMessage, socket, Buffer.alloc(0))
    expect(answered).toEqual([socket])
    // Throws where nobody listens, as it would out of the event loop.
    socket.emit('error', new Error('read ECONNRESET'))
  },
)

it('gives headers a minute, and bodies any time', () => {
  expect(createServer(HTTP_TIMES)).toMatchObject({ headersTimeout: 60_000, requestTimeout: 0 })
})
