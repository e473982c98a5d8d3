import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
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

it('asks the kernel of a client that says nothing whether it is there', async () => {
  const server = createServer(HTTP_TIMES).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect(port, '127.0.0.1')
  const [accepted] = await once(server, 'connection')
  const sockets = execFileSync('ss', ['-Htno', `sport = :${port}`], { encoding: 'utf8' })
  expect(sockets).toContain('timer:(keepalive,')
  client.destroy()
  await once(accepted, 'close')
  server.close()
})
