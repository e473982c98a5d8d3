import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { SpawnpointError } from '@spawnpoint/core'
import { discard, Http, type Reach } from '@spawnpoint/outbound'

/** What is at an address. */
export interface Fetched {
  /** SHA-256 in hexadecimal */
  digest: string
  sizeBytes: number
}

/** Files of addresses that ADD names. Each rejects with an `Error` that says what is wrong. */
export interface Downloads {
  /** Reads it to its end, and keeps nothing. Rejects `payload_too_large` beyond `maxBytes`. */
  look(address: string, maxBytes: number, signal: AbortSignal): Promise<Fetched>
  /** The same again, which must still be what it was. */
  read(address: string, was: Fetched): AsyncIterable<Uint8Array>
}

const MAX_REDIRECTS = 10
/** Milliseconds that one file may take */
const MAX_MS = 30 * 60_000

/** Over HTTP and HTTPS. A stranger names the addresses: nothing of this machine or its networks is asked. */
export class HttpDownloads implements Downloads {
  readonly #http = new Http()
  readonly #nearest: Reach

  constructor({ nearest = 'public' }: { nearest?: Reach } = {}) {
    this.#nearest = nearest
  }

  async look(address: string, maxBytes: number, signal: AbortSignal): Promise<Fetched> {
    const hash = createHash('sha256')
    let sizeBytes = 0
    for await (const piece of await this.#get(address, signal)) {
      sizeBytes += piece.length
      if (sizeBytes > maxBytes) {
        const context = { limitBytes: maxBytes }
        throw new SpawnpointError('payload_too_large', `${address} has more than ${maxBytes} bytes`, context)
      }
      hash.update(piece)
    }
    return { digest: hash.digest('hex'), sizeBytes }
  }

  async *read(address: string, was: Fetched): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256')
    let left = was.sizeBytes
    for await (const piece of await this.#get(address)) {
      left -= piece.length
      if (left < 0) break
      hash.update(piece)
      yield piece
    }
    if (left !== 0 || hash.digest('hex') !== was.digest)
      throw new Error(`what is at ${address} has changed while it was added; build again`)
  }

  async #get(address: string, signal?: AbortSignal): Promise<Readable & AsyncIterable<Buffer>> {
    const inTime = AbortSignal.timeout(MAX_MS)
    const until = signal === undefined ? inTime : AbortSignal.any([signal, inTime])
    let url = new URL(address)
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      const answer = await this.#http.ask({ method: 'GET', url, nearest: this.#nearest, signal: until })
      if (answer.status === 200) return answer.body
      discard(answer)
      const location = answer.header('location')
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined)
        throw new Error(`${url.origin} answered ${answer.status}`)
      url = next(url, location)
    }
    throw new Error(`${address} leads through more than ${MAX_REDIRECTS} redirects`)
  }
}

function next(from: URL, location: string): URL {
  const to = URL.parse(location, from.href)
  // Who asked with TLS wants nobody on the way to say what comes.
  if (to === null || !(to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:')))
    throw new Error(`${from.origin} leads on to what is not asked: ${location.slice(0, 200)}`)
  return to
}
