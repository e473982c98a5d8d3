import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createSecureContext } from 'node:tls'
import { SpawnpointError } from '@spawnpoint/core'
import type { Logger } from 'pino'
import type { TlsConfig } from './tls-config.ts'
import { type Handlers, HTTP_TIMES } from './traffic.ts'

export interface TlsListener extends AsyncDisposable {
  port: number
  /** Until then every request is answered that the server is not ready. */
  serve(handlers: Handlers): void
}

interface Pair {
  cert: Buffer
  key: Buffer
}

/** How often the files are looked at, in milliseconds */
const LOOK_EVERY_MS = 10_000

/**
 * Listens with TLS beside the plain listener, HTTP/1.1 alone. Files that are replaced, as renewals do, are taken for new
 * connections without a restart; a pair that does not fit is not. Rejects `unavailable` with what is wrong.
 */
export async function openTls(
  config: TlsConfig,
  host: string,
  domain: string,
  log: Logger,
  lookEveryMs = LOOK_EVERY_MS,
): Promise<TlsListener> {
  let handlers: Handlers = NOT_READY
  const first = await load(config)
  const server = createServer(
    {
      ...first,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      ...HTTP_TIMES,
    },
    (req, res) => handlers.request(req, res),
  )
  server.on('upgrade', (req, socket, head) => handlers.upgrade(req, socket, head))
  // A client that does not trust the certificate, or speaks something else: nothing to be done about it here.
  server.on('tlsClientError', (error) => log.debug({ err: error }, 'a TLS handshake failed'))
  warnOf(first.cert, domain, log)
  server.listen({ host, port: config.port })
  await once(server, 'listening').catch((error: NodeJS.ErrnoException) => {
    const inUse = error.code === 'EADDRINUSE'
    const said = inUse
      ? `port ${config.port} of ${host} is in use; choose another with SPAWNPOINT_TLS_PORT`
      : error.message
    throw unavailable(said, error)
  })
  const renew = () => {
    load(config).then(
      (pair) => {
        server.setSecureContext({ ...pair, minVersion: 'TLSv1.2' })
        warnOf(pair.cert, domain, log)
        log.info({ cert: config.cert }, 'took the new certificate')
      },
      // Half of the pair may be written: the other half is a change too, and brings us here again.
      (error) => log.warn({ err: error }, 'the certificate was changed and cannot be taken; the old one stays'),
    )
  }
  const files = [config.cert, config.key]
  for (const file of files) watchFile(file, { interval: lookEveryMs, persistent: false }, renew)
  const { port } = server.address() as AddressInfo
  return {
    port,
    serve(given) {
      handlers = given
    },
    async [Symbol.asyncDispose]() {
      for (const file of files) unwatchFile(file, renew)
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function load({ cert, key }: TlsConfig): Promise<Pair> {
  const pair = { cert: await read(cert), key: await read(key) }
  try {
    // Says what is no certificate, no key, and which of them do not belong together.
    createSecureContext(pair)
  } catch (error) {
    throw unavailable(`${cert} and ${key} are not a certificate and its key: ${(error as Error).message}`, error)
  }
  return pair
}

async function read(path: string): Promise<Buffer> {
  return readFile(path).catch((error) => {
    throw unavailable(`${path} cannot be read (${error.message}); correct SPAWNPOINT_TLS_CERT and _KEY`, error)
  })
}

/** What clients will refuse. */
function warnOf(pem: Buffer, domain: string, log: Logger): void {
  const cert = new X509Certificate(pem)
  const [host = ''] = domain.split(':')
  for (const name of [`api.${host}`, `49983-id.${host}`])
    if (cert.checkHost(name) === undefined) log.warn({ name }, 'the TLS certificate does not cover this name')
  if (new Date(cert.validTo) < new Date()) log.warn({ until: cert.validTo }, 'the TLS certificate has expired')
}

function unavailable(reason: string, cause: unknown): SpawnpointError<'unavailable'> {
  return new SpawnpointError('unavailable', reason, { reason }, { cause })
}

const NOT_READY: Handlers = {
  request: (_req, res) => res.writeHead(503, { 'retry-after': '1', 'content-length': 0 }).end(),
  upgrade(_req, socket) {
    // Harmless: a client that has gone wants no answer.
    socket.on('error', () => {})
    socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n')
  },
}
