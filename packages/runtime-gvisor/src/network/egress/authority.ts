import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, X509Certificate } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import { unavailable } from '../../failure.ts'
import { makeCertificate } from './certificate.ts'

const DAY_MS = 86_400_000
const AUTHORITY_DAYS = 3650
const LEAF_DAYS = 30
/** Clocks inside may be behind */
const EARLIER_MS = DAY_MS
const MAX_LEAVES = 1_000

interface Leaf {
  context: SecureContext
  renewAt: number
}

/**
 * What the proxy shows where it stands between a guest and a host: certificates that only guests of this server are told to
 * trust. The authority's key is made on the first start, in a file of mode 0600, and never leaves the server.
 */
export class Authority {
  /** PEM, for guests */
  readonly certificate: string
  readonly #name: string
  readonly #key: KeyObject
  /** One for all hosts: whoever holds it could as well make another */
  readonly #leafKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  /** Least recently used first */
  readonly #leaves = new Map<string, Leaf>()

  private constructor(certificate: string, key: KeyObject) {
    this.certificate = certificate
    this.#key = key
    this.#name = new X509Certificate(certificate).subject.replace(/^CN=/, '')
  }

  /** Takes the one that is in `dir`, or makes it. Rejects `unavailable` if what is there cannot be it. */
  static open(dir: string, now = new Date()): Authority {
    const [keyFile, certificateFile] = [`${dir}/ca.key`, `${dir}/ca.crt`]
    const found = [readIfThere(keyFile), readIfThere(certificateFile)] as const
    if (found[0] !== null && found[1] !== null && lasts(found[1], now)) {
      try {
        const key = createPrivateKey(found[0])
        if (new X509Certificate(found[1]).checkPrivateKey(key)) return new Authority(found[1], key)
      } catch (error) {
        throw unavailable(`${dir} does not hold an authority's key and certificate; remove it to have new ones`, error)
      }
      // A certificate of an earlier key, by a server that died between the two files: made again.
    }
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    // Told apart from other servers' where a snapshot has been on several.
    const name = `Spawnpoint sandboxes ${randomBytes(4).toString('hex')}`
    const certificate = makeCertificate({
      subject: name,
      publicKey,
      issuer: { name, key: privateKey },
      validFrom: new Date(now.getTime() - EARLIER_MS),
      validTo: new Date(now.getTime() + AUTHORITY_DAYS * DAY_MS),
    })
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    write(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 0o600)
    write(certificateFile, certificate, 0o644)
    return new Authority(certificate, privateKey)
  }

  /** For a TLS server that poses as this host. */
  contextFor(host: string, now = Date.now()): SecureContext {
    const known = this.#leaves.get(host)
    this.#leaves.delete(host)
    const leaf = known !== undefined && known.renewAt > now ? known : this.#makeLeaf(host, now)
    this.#leaves.set(host, leaf)
    for (const oldest of [...this.#leaves.keys()].slice(0, Math.max(0, this.#leaves.size - MAX_LEAVES)))
      this.#leaves.delete(oldest)
    return leaf.context
  }

  #makeLeaf(host: string, now: number): Leaf {
    const cert = makeCertificate({
      subject: host.slice(0, 64),
      publicKey: this.#leafKey.publicKey,
      issuer: { name: this.#name, key: this.#key },
      hosts: [host],
      validFrom: new Date(now - EARLIER_MS),
      validTo: new Date(now + LEAF_DAYS * DAY_MS),
    })
    const key = this.#leafKey.privateKey.export({ type: 'pkcs8', format: 'pem' })
    return {
      context: createSecureContext({ cert: cert + this.certificate, key, minVersion: 'TLSv1.2' }),
      renewAt: now + (LEAF_DAYS / 2) * DAY_MS,
    }
  }
}

/** Long enough for a certificate that is made today. */
function lasts(pem: string, now: Date): boolean {
  try {
    return new Date(new X509Certificate(pem).validTo).getTime() - now.getTime() > 2 * LEAF_DAYS * DAY_MS
  } catch {
    return true // no certificate at all: whoever opens it says so
  }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

function write(path: string, text: string, mode: number): void {
  const temporary = `${path}.tmp`
  rmSync(temporary, { force: true })
  const file = openSync(temporary, 'wx', mode)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
}
