import { request as httpRequest } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { BlockList, isIP } from 'node:net'
import { reachOf } from '@spawnpoint/outbound'
import { formatRange, parseCidrs } from '../../cidr.ts'
import { isHosts } from '../reach.ts'

const ANSWER_MS = 10_000
const MAX_ANSWER_BYTES = 64 * 1024

export interface AskerOptions {
  /** Name servers; `null` where there are none */
  resolver: { resolve4(name: string): Promise<string[]> } | null
  roots: readonly string[]
  /** CIDRs of private networks, or of this machine, that may be asked all the same */
  near: readonly string[]
}

/** Asks web services whose addresses users name: none on this machine or its network, and nobody is sent on to others. */
export class Asker {
  readonly #options: AskerOptions
  readonly #agent: Agent
  readonly #near: BlockList

  constructor(options: AskerOptions) {
    this.#options = options
    this.#near = blockList(options.near)
    this.#agent = new Agent({ ca: [...options.roots] })
  }

  /** The answer to a POST, if its status is 2xx. Rejects an `Error` otherwise. */
  async post(url: string, headers: Record<string, string>, body: string): Promise<string> {
    const { protocol, hostname, port, pathname, search } = new URL(url)
    const address = await this.#addressOf(hostname)
    const answered = Promise.withResolvers<string>()
    const options = {
      host: address,
      method: 'POST',
      path: `${pathname}${search}`,
      headers: { ...headers, host: new URL(url).host, 'content-length': String(Buffer.byteLength(body)) },
      signal: AbortSignal.timeout(ANSWER_MS),
      maxHeaderSize: 16 * 1024,
    }
    const outgoing =
      protocol === 'https:'
        ? httpsRequest({
            ...options,
            port: port || 443,
            servername: isIP(hostname) === 0 ? hostname : '',
            agent: this.#agent,
          })
        : httpRequest({ ...options, port: port || 80, agent: false })
    outgoing.on('error', answered.reject)
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = []
      let length = 0
      response.on('error', answered.reject)
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        length += chunk.length
        if (length > MAX_ANSWER_BYTES) outgoing.destroy(new Error(`it answers more than ${MAX_ANSWER_BYTES} bytes`))
      })
      response.on('end', () => {
        const status = response.statusCode ?? 0
        if (status >= 200 && status < 300) answered.resolve(Buffer.concat(chunks).toString('utf8'))
        else answered.reject(new Error(`it answers ${status}`))
      })
    })
    outgoing.end(body)
    return await answered.promise
  }

  async #addressOf(hostname: string): Promise<string> {
    const { resolver } = this.#options
    const own = isIP(hostname) === 4 ? [hostname] : hostname === 'localhost' ? ['127.0.0.1'] : null
    if (own === null && (resolver === null || hostname.startsWith('[')))
      throw new Error(`${hostname} has no address here`)
    const addresses = own ?? (await resolver?.resolve4(hostname)) ?? []
    const address = addresses.find((one) => this.#mayAsk(one))
    if (address === undefined) throw new Error(`${hostname} is at an address that is not asked`)
    return address
  }

  #mayAsk(address: string): boolean {
    if (this.#near.check(address)) return true
    return !isHosts(address) && reachOf(address) === 'public'
  }
}

function blockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of parseCidrs(cidrs, 'near').map(formatRange)) {
    const [first = '', last = first] = range.split('-')
    list.addRange(first, last)
  }
  return list
}
