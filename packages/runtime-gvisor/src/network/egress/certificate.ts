import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto'

/** Who vouches: the name that certificates say they are from, and the key that they are signed with. */
export interface Issuer {
  name: string
  key: KeyObject
}

export interface CertificateRequest {
  /** Common name, at most 64 characters of ASCII */
  subject: string
  /** Of whoever shall prove to be the subject */
  publicKey: KeyObject
  issuer: Issuer
  /** Names of hosts that it is good for; absent for an authority that vouches for others */
  hosts?: readonly string[]
  validFrom: Date
  validTo: Date
}

/** An X.509 v3 certificate (RFC 5280) with ECDSA and SHA-256, as PEM. Keys are of the curve P-256. */
export function makeCertificate(request: CertificateRequest): string {
  const { subject, publicKey, issuer, hosts, validFrom, validTo } = request
  const algorithm = sequence(oid('1.2.840.10045.4.3.2'))
  const signed = sequence(
    tagged(0, integer(Buffer.of(2))),
    // Different each time, or clients that keep an earlier certificate refuse the new one.
    integer(Buffer.concat([Buffer.of(0x40), randomBytes(15)])),
    algorithm,
    distinguishedName(issuer.name),
    sequence(time(validFrom), time(validTo)),
    distinguishedName(subject),
    spki(publicKey),
    tagged(
      3,
      sequence(...extensions(publicKey, createPublicKey(issuer.key.export({ type: 'pkcs8', format: 'pem' })), hosts)),
    ),
  )
  const signature = sign('sha256', signed, issuer.key)
  const der = sequence(signed, algorithm, bitString(signature))
  const lines = der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

function extensions(key: KeyObject, issuerKey: KeyObject, hosts: readonly string[] | undefined): Buffer[] {
  const identifiers = [
    extension('2.5.29.14', octets(keyIdentifier(key))),
    extension('2.5.29.35', sequence(der(0x80, keyIdentifier(issuerKey)))),
  ]
  if (hosts === undefined) {
    return [
      // An authority, of end certificates alone; signs these and lists of revoked ones.
      extension('2.5.29.19', sequence(der(0x01, Buffer.of(0xff)), integer(Buffer.of(0))), true),
      extension('2.5.29.15', der(0x03, Buffer.of(1, 0b0000_0110)), true),
      ...identifiers,
    ]
  }
  return [
    extension('2.5.29.19', sequence(), true),
    extension('2.5.29.15', der(0x03, Buffer.of(7, 0b1000_0000)), true),
    extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'))),
    extension('2.5.29.17', sequence(...hosts.map((host) => der(0x82, Buffer.from(host, 'ascii'))))),
    ...identifiers,
  ]
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [der(0x01, Buffer.of(0xff))] : []), octets(value))
}

function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha256').update(spki(key)).digest().subarray(0, 20)
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

function distinguishedName(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName, 'utf8')))))
}

/** As RFC 5280 has it: two digits of the year up to 2049, then four. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/\.\d+Z$|[-:T]/g, '')
  return date.getUTCFullYear() < 2050 ? der(0x17, ascii(`${digits.slice(2)}Z`)) : der(0x18, ascii(`${digits}Z`))
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const number of rest) {
    const digits = [number % 128]
    for (let left = Math.floor(number / 128); left > 0; left = Math.floor(left / 128))
      digits.unshift((left % 128) + 128)
    bytes.push(...digits)
  }
  return der(0x06, Buffer.from(bytes))
}

const ascii = (text: string) => Buffer.from(text, 'ascii')
const sequence = (...items: Buffer[]) => der(0x30, Buffer.concat(items))
const tagged = (tag: number, item: Buffer) => der(0xa0 + tag, item)
const integer = (bytes: Buffer) => der(0x02, bytes)
const octets = (bytes: Buffer) => der(0x04, bytes)
const bitString = (bytes: Buffer) => der(0x03, Buffer.concat([Buffer.of(0), bytes]))

/** Tag, length, value. */
function der(tag: number, value: Buffer): Buffer {
  const { length } = value
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...head), value])
}
