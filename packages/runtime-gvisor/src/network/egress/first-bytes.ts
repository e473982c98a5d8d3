/** What the beginning of a connection says about the host it is for. */
export type Beginning =
  /** Not enough of it yet */
  | { host: undefined }
  /** Names none, or cannot be read: `null` */
  | { host: string | null }

const INCOMPLETE: Beginning = { host: undefined }
const UNNAMED: Beginning = { host: null }

/** A host name as it may be asked for; anything else is none. */
const HOST = /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\.?$/i

/** The `Host` of an HTTP/1 request (RFC 9112, 3.2); two of them are none. */
export function httpHost(bytes: Buffer): Beginning {
  const text = bytes.toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return INCOMPLETE
  const hosts = text
    .slice(0, end)
    .split('\r\n')
    .slice(1)
    .filter((line) => /^host:/i.test(line))
    .map((line) => line.slice(5).trim().replace(/:\d+$/, ''))
  const [host] = hosts
  return hosts.length === 1 && host !== undefined && HOST.test(host) ? { host } : UNNAMED
}

const HANDSHAKE = 22
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const HOST_NAME = 0

/** The server name of a TLS ClientHello (RFC 8446, 4.1.2; RFC 6066, 3), which may be spread over several records. */
export function tlsServerName(bytes: Buffer): Beginning {
  const message: Buffer[] = []
  for (let at = 0; ; ) {
    if (bytes.length < at + 5) break
    if (bytes[at] !== HANDSHAKE) return UNNAMED
    const length = bytes.readUInt16BE(at + 3)
    message.push(bytes.subarray(at + 5, at + 5 + length))
    at += 5 + length
  }
  const hello = new Reader(Buffer.concat(message))
  try {
    if (hello.number(1) !== CLIENT_HELLO) return UNNAMED
    const body = new Reader(hello.bytes(hello.number(3)))
    body.bytes(2 + 32) // version, random
    body.bytes(body.number(1)) // session
    body.bytes(body.number(2)) // cipher suites
    body.bytes(body.number(1)) // compression
    return serverName(new Reader(body.bytes(body.number(2))))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return hello.whole ? UNNAMED : INCOMPLETE
  }
}

function serverName(extensions: Reader): Beginning {
  while (!extensions.atEnd) {
    const type = extensions.number(2)
    const extension = new Reader(extensions.bytes(extensions.number(2)))
    if (type !== SERVER_NAME) continue
    const names = new Reader(extension.bytes(extension.number(2)))
    if (names.number(1) !== HOST_NAME) return UNNAMED
    const host = names.bytes(names.number(2)).toString('latin1')
    return HOST.test(host) ? { host } : UNNAMED
  }
  return UNNAMED
}

/** Reads on; what is not there throws `RangeError`. */
class Reader {
  readonly #bytes: Buffer
  #at = 0
  /** Whether the message itself, by its own length, was all there */
  whole = false

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  number(size: 1 | 2 | 3): number {
    return this.bytes(size).readUIntBE(0, size)
  }

  bytes(size: number): Buffer {
    if (this.#at + size > this.#bytes.length) throw new RangeError('the message ends early')
    const found = this.#bytes.subarray(this.#at, this.#at + size)
    this.#at += size
    if (this.#at > 4) this.whole = true
    return found
  }
}
