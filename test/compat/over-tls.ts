import { execFileSync } from 'node:child_process'
import dns from 'node:dns'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { REPOSITORY } from '../e2e/world.ts'

/** Not below `localhost`, which some machines resolve by themselves. */
const DOMAIN = 'sbx.test'

/** What `spawnpoint tls` makes and says, in a directory of its own. */
export class Certificates implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'spawnpoint-tls-'))
  /** For the server; its TLS port is any free one */
  readonly server: Record<string, string>
  /** Path of the authority's certificate */
  readonly authority: string

  constructor() {
    const args = ['tls', '--domain', DOMAIN, '--out', this.dir, '--json']
    const said = JSON.parse(execFileSync(join(REPOSITORY, 'bin/spawnpoint'), args, { encoding: 'utf8' }))
    this.server = { ...said.server, SPAWNPOINT_TLS_PORT: '0' }
    this.authority = said.authority
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/**
 * Makes this process one that trusts the authority and finds names below the domain on this machine, as a user's machine
 * does with `NODE_EXTRA_CA_CERTS` and a wildcard record. Names below `localhost` are found too, as in browsers.
 */
export function trustAndFind(authority: string): Disposable {
  const before = { lookup: dns.lookup, authorities: tls.getCACertificates('default') }
  tls.setDefaultCACertificates([...before.authorities, readFileSync(authority, 'utf8')])
  dns.lookup = lookupOver(dns.lookup)
  return {
    [Symbol.dispose]() {
      dns.lookup = before.lookup
      tls.setDefaultCACertificates(before.authorities)
    },
  }
}

function lookupOver(real: typeof dns.lookup): typeof dns.lookup {
  const here = (name: string, ...rest: unknown[]) => {
    const ours = [DOMAIN, 'localhost'].some((domain) => name === domain || name.endsWith(`.${domain}`))
    return Reflect.apply(real, dns, [ours ? '127.0.0.1' : name, ...rest])
  }
  return Object.assign(here, { __promisify__: real.__promisify__ })
}
