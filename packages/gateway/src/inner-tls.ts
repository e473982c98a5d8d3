import type { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import type { PortDialler } from './port-proxy.ts'

/**
 * Speaks TLS with the programs on these ports. Who they are is known from where they are: certificates are not checked. What
 * goes wrong in it is met by whoever uses the connection.
 */
export function overTls(dial: PortDialler, ports: readonly number[] | undefined): PortDialler {
  if (ports === undefined || ports.length === 0) return dial
  return {
    async connectPort(port): Promise<Duplex> {
      const stream = await dial.connectPort(port)
      if (!ports.includes(port)) return stream
      const secure = connect({ socket: stream, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
      secure.once('close', () => stream.destroy())
      stream.once('close', () => secure.destroy())
      stream.on('error', (error) => secure.destroy(error))
      return secure
    },
  }
}
