import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

/** An HTTP proxy that makes connections (CONNECT), all of them to one port of this machine, whatever is asked for. */
export class ConnectProxy implements AsyncDisposable {
  /** `host:port` of those that were asked for */
  readonly asked: string[] = []
  /** `Proxy-Authorization` of the last request */
  authorization: string | undefined
  readonly #server = createServer()
  readonly #sockets = new Set<Socket>()

  private constructor(port: number) {
    this.#server.on('connect', (request: IncomingMessage, client: Socket) => {
      this.asked.push(request.url ?? '')
      this.authorization = request.headers['proxy-authorization']
      const there = connect(port, '127.0.0.1', () => client.write('HTTP/1.1 200 Connection established\r\n\r\n'))
      for (const [one, other] of [
        [client, there],
        [there, client],
      ] as const) {
        this.#sockets.add(one)
        one.once('close', () => other.destroy())
        one.on('error', () => {}) // its end is what counts
        one.pipe(other)
      }
    })
  }

  static async open(port: number): Promise<ConnectProxy> {
    const proxy = new ConnectProxy(port)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
