/** As the vendor's client speaks: the key in its own header, data in an envelope, bodies only where there is one. */
export class BrimbleClient {
  readonly #url: string
  readonly #key: string

  constructor(url: string, key: string) {
    this.#url = `${url}/brimble`
    this.#key = key
  }

  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        'x-brimble-key': this.#key,
        source: 'sdk-package',
        'source-version': '0.1.8',
        ...(body === undefined || body instanceof Uint8Array ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body) }),
    })
    const text = await response.text()
    const json = /^application\/json/.test(response.headers.get('content-type') ?? '')
    // biome-ignore lint/suspicious/noExplicitAny: answers of all shapes, which the tests then look at
    const answer: any = json ? JSON.parse(text) : text
    return { status: response.status, headers: response.headers, answer, data: answer?.data }
  }

  get = (path: string) => this.call('GET', path)
  post = (path: string, body?: unknown, headers?: Record<string, string>) => this.call('POST', path, body, headers)

  /** Frames of an event stream, parsed. */
  async stream(path: string, body: object): Promise<Record<string, unknown>[]> {
    const { answer, headers } = await this.post(path, { ...body, stream: true })
    if (!headers.get('content-type')?.startsWith('text/event-stream')) throw new Error(`not a stream: ${answer}`)
    return String(answer)
      .split('\n\n')
      .filter((event) => event.startsWith('data: '))
      .map((event) => JSON.parse(event.slice('data: '.length)))
  }
}
