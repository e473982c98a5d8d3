import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { makeCertificates } from '../certificates.ts'
import { UsageError } from '../exit.ts'

const DOMAIN = /^(?=.{1,200}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/

/** Certificates for trying a domain with TLS. Works on files alone, so it takes no `--url`. */
export function addTls(parent: Command): void {
  parent
    .command('tls')
    .description('make a local authority and a certificate for a domain, and say what to set')
    .option('--domain <domain>', 'domain whose names are the API and ports of sandboxes', 'sandbox.localhost')
    .option('--out <dir>', 'where the files go; default tls/ in the data directory')
    .option('--json', 'print JSON, for programs')
    .action(async ({ domain: given, out, json }: { domain: string; out?: string; json?: boolean }) => {
      const domain = given.toLowerCase()
      if (!DOMAIN.test(domain)) throw new UsageError(`'${given}' is not a domain such as sandbox.example.com`)
      const dir = resolve(out ?? join(process.env.SPAWNPOINT_DATA_DIR ?? '/var/lib/spawnpoint', 'tls'))
      const made = await makeCertificates(domain, dir).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EACCES' && error.code !== 'EROFS') throw error
        throw new Error(`${dir} cannot be written; choose another directory with --out`, { cause: error })
      })
      const port = process.env.SPAWNPOINT_TLS_PORT ?? '7443'
      const said = port === '443' ? domain : `${domain}:${port}`
      const settings = {
        server: { SPAWNPOINT_DOMAIN: domain, SPAWNPOINT_TLS_CERT: made.cert, SPAWNPOINT_TLS_KEY: made.key },
        clients: {
          E2B_DOMAIN: said,
          NOVITA_DOMAIN: said,
          NODE_EXTRA_CA_CERTS: made.authority,
          SSL_CERT_FILE: made.authority,
        },
      }
      process.stdout.write(
        json ? `${JSON.stringify({ domain, ...made, ...settings }, null, 2)}\n` : told(domain, dir, made, settings),
      )
    })
}

function told(
  domain: string,
  dir: string,
  { validTo, kept, authority }: { validTo: Date; kept: boolean; authority: string },
  { server, clients }: { server: Record<string, string>; clients: Record<string, string> },
): string {
  const { SSL_CERT_FILE: _, NOVITA_DOMAIN: __, ...first } = clients
  return `A certificate for ${domain} and *.${domain}, valid to ${validTo.toISOString().slice(0, 10)}, is in ${dir}.
${kept ? 'Its authority is the one that was there.' : 'Its authority is new: what clients trusted before is of no use any more.'}

For the server (which takes a new certificate without a restart):
${exports(server)}

For clients, besides their key (E2B_API_KEY, NOVITA_API_KEY):
${exports(first)}
${exports({ NOVITA_DOMAIN: clients.NOVITA_DOMAIN ?? '' })}      # Novita, in place of E2B_DOMAIN
${exports({ SSL_CERT_FILE: authority })}      # Python; it then trusts nothing else

Names below ${domain} must lead to the server, each of them: a wildcard record in your DNS, or in dnsmasq
  address=/${domain}/127.0.0.1
Names below localhost do so by themselves with systemd-resolved and in browsers, not everywhere: try
  getent hosts api.${domain}
/etc/hosts knows no wildcards; there each name needs a line: api.${domain}, 49983-ID.${domain}, 49999-ID.${domain}.
`
}

function exports(settings: Record<string, string>): string {
  return Object.entries(settings)
    .map(([name, value]) => `  export ${name}=${value}`)
    .join('\n')
}
