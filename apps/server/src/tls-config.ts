import { SpawnpointError } from '@spawnpoint/core'

export interface TlsConfig {
  /** PEM file: the certificate for the domain and all names right below it, then what leads to its authority */
  cert: string
  /** PEM file with the certificate's private key */
  key: string
  /** 0 takes any free port */
  port: number
}

export interface TlsOptions {
  domain?: string | undefined
  tlsCert?: string | undefined
  tlsKey?: string | undefined
  tlsPort?: string | undefined
}

const HOST = /^(?=.{1,200}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/

/** Where clients find the server and its sandboxes by name, and whether it encrypts by itself. Rejects `unavailable`. */
export function tlsFrom(
  options: TlsOptions,
  env: Record<string, string | undefined>,
): { domain: string | null; tls: TlsConfig | null } {
  const domain = (options.domain ?? env.SPAWNPOINT_DOMAIN ?? '').toLowerCase() || null
  const cert = options.tlsCert ?? env.SPAWNPOINT_TLS_CERT ?? ''
  const key = options.tlsKey ?? env.SPAWNPOINT_TLS_KEY ?? ''
  if (domain !== null) checkDomain(domain)
  if (cert === '' && key === '') return { domain, tls: null }
  if (cert === '' || key === '') throw wrong('a certificate and its key go together: set SPAWNPOINT_TLS_CERT and _KEY')
  if (domain === null) throw wrong('SPAWNPOINT_DOMAIN must say for which domain the certificate is')
  const text = options.tlsPort ?? env.SPAWNPOINT_TLS_PORT ?? '7443'
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw wrong(`the TLS port is '${text}'; use 0 to 65535`)
  return { domain, tls: { cert, key, port } }
}

/** What clients are told: with the port of the server's own TLS unless the operator has said another, or none is needed. */
export function toldDomain(domain: string | null, tlsPort: number | null): string | null {
  if (domain === null) return null
  // Clients leave out the port that https has anyway, also where they are told it.
  if (domain.endsWith(':443')) return domain.slice(0, -':443'.length)
  return domain.includes(':') || tlsPort === null || tlsPort === 443 ? domain : `${domain}:${tlsPort}`
}

function checkDomain(domain: string): void {
  const [, host = '', port] = /^([^:]*)(?::(\d{1,5}))?$/.exec(domain) ?? []
  const right = HOST.test(host) && !/^[\d.]+$/.test(host) && (port === undefined || (+port >= 1 && +port <= 65_535))
  if (!right) throw wrong(`'${domain}' is not a domain; use one such as sandbox.example.com or sandbox.localhost:7443`)
}

function wrong(reason: string): SpawnpointError<'unavailable'> {
  return new SpawnpointError('unavailable', reason, { reason })
}
