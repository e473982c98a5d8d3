import type { Boundary } from './boundary.ts'
import { discard, Http, readAll } from './http.ts'
import type { OutgoingProxy } from './proxy.ts'
import type { Roots } from './roots.ts'

const ANSWER_MS = 10_000
const MAX_ANSWER_BYTES = 64 * 1024

/** Asks web services whose addresses users name: small questions, small answers, and nobody is sent on to others. */
export class Asker {
  readonly #open: () => Http
  #http: Http | null = null

  constructor(boundary: Boundary, roots: Roots, proxy: OutgoingProxy | null = null) {
    this.#open = () => new Http({ boundary, roots: roots(), silenceMs: ANSWER_MS, proxy })
  }

  /** The answer to a POST, if its status is 2xx. Rejects an `Error` otherwise. */
  async post(url: string, headers: Record<string, string>, body: string): Promise<string> {
    const signal = AbortSignal.timeout(ANSWER_MS)
    this.#http ??= this.#open()
    const answer = await this.#http.ask({ method: 'POST', url: new URL(url), headers, body: Buffer.from(body), signal })
    if (answer.status < 200 || answer.status >= 300) {
      discard(answer)
      throw new Error(`it answers ${answer.status}`)
    }
    return (await readAll(answer.body, MAX_ANSWER_BYTES)).toString('utf8')
  }
}
