import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface Certificates {
  /** Certificate of the authority, for clients to trust */
  authority: string
  /** Certificate for the domain and all names right below it, then the authority's */
  cert: string
  key: string
  validTo: Date
  /** Whether the authority was there before, so that clients that trust it need nothing new */
  kept: boolean
}

const AUTHORITY_DAYS = 3650
/** Some clients trust no certificate that is valid longer */
const CERTIFICATE_DAYS = 825
const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/**
 * Makes a local authority, or takes the one that is in `dir`, and a new certificate of it. The authority can vouch for this
 * domain and nothing else: whoever steals its key cannot pose as other sites to those who trust it.
 */
export async function makeCertificates(domain: string, dir: string): Promise<Certificates> {
  await mkdir(dir, { recursive: true, mode: 0o755 })
  const work = await mkdtemp(join(dir, '.new-'))
  try {
    const path = { authority: join(dir, 'ca.crt'), authorityKey: join(dir, 'ca.key') }
    const kept = existsSync(path.authorityKey) && (await isAuthorityFor(domain, path.authority))
    if (!kept) await makeAuthority(domain, work)
    const made = kept ? path : { authority: join(work, 'ca.crt'), authorityKey: join(work, 'ca.key') }
    await makeCertificate(domain, work, made)
    // Keys first: a certificate whose key is not there yet is of no use, the other way round it does no harm.
    const names = [...(kept ? [] : ['ca.key', 'ca.crt']), 'server.key', 'server.crt']
    for (const name of names) await chmod(join(work, name), name.endsWith('.key') ? 0o600 : 0o644)
    for (const name of names) await rename(join(work, name), join(dir, name))
    const cert = join(dir, 'server.crt')
    const validTo = new Date(new X509Certificate(await readFile(cert)).validTo)
    return { authority: path.authority, cert, key: join(dir, 'server.key'), validTo, kept }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function isAuthorityFor(domain: string, path: string): Promise<boolean> {
  const pem = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (pem === null) return false
  const cert = new X509Certificate(pem)
  const lasts = new Date(cert.validTo).getTime() - Date.now() > CERTIFICATE_DAYS * 86_400_000
  return lasts && cert.subject === `CN=${authorityName(domain)}`
}

const authorityName = (domain: string) => `Spawnpoint authority for ${domain}`.slice(0, 64)

async function makeAuthority(domain: string, work: string): Promise<void> {
  await openssl(work, [
    ...['req', '-x509', ...CURVE, '-days', String(AUTHORITY_DAYS), '-subj', `/CN=${authorityName(domain)}`],
    ...['-addext', 'basicConstraints=critical,CA:TRUE,pathlen:0', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
    ...['-addext', 'subjectKeyIdentifier=hash', '-addext', `nameConstraints=critical,permitted;DNS:${domain}`],
    ...['-keyout', 'ca.key', '-out', 'ca.crt'],
  ])
}

async function makeCertificate(
  domain: string,
  work: string,
  from: { authority: string; authorityKey: string },
): Promise<void> {
  await writeFile(
    join(work, 'extensions'),
    [
      `subjectAltName=DNS:${domain},DNS:*.${domain}`,
      'basicConstraints=critical,CA:FALSE',
      'keyUsage=critical,digitalSignature',
      'extendedKeyUsage=serverAuth',
      'subjectKeyIdentifier=hash',
      'authorityKeyIdentifier=keyid',
    ].join('\n'),
  )
  const subject = ['-subj', `/CN=${domain}`.slice(0, 68)]
  await openssl(work, ['req', '-new', ...CURVE, ...subject, '-keyout', 'server.key', '-out', 'request'])
  await openssl(work, [
    ...['x509', '-req', '-in', 'request', '-days', String(CERTIFICATE_DAYS), '-extfile', 'extensions'],
    ...['-CA', from.authority, '-CAkey', from.authorityKey, '-set_serial', serial(), '-out', 'leaf.crt'],
  ])
  await writeFile(
    join(work, 'server.crt'),
    Buffer.concat([await readFile(join(work, 'leaf.crt')), await readFile(from.authority)]),
  )
}

/** Different each time, or clients that keep the earlier certificate refuse the new one. */
function serial(): string {
  return `0x${crypto.randomUUID().replaceAll('-', '').replace(/^./, '1')}`
}

async function openssl(cwd: string, args: string[]): Promise<void> {
  try {
    // Nothing of the machine's own configuration: its defaults may add extensions.
    const config = join(cwd, 'openssl.cnf')
    await writeFile(config, '[req]\ndistinguished_name = name\n[name]\n')
    await promisify(execFile)('openssl', args, { cwd, env: { ...process.env, OPENSSL_CONF: config } })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Error('openssl is needed to make certificates; install it, for example with apt-get install openssl')
    throw error
  }
}
