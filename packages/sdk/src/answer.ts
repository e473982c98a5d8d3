/** A request as it goes out. */
export interface Outgoing {
  method: string
  headers: Record<string, string>
  body: string | Uint8Array | Blob | ReadableStream<Uint8Array> | undefined
}

/** An answer whose body may still be on its way; it is read once, in one of the three ways. */
export interface Answer {
  readonly status: number
  readonly url: string
  header(name: string): string | null
  text(): Promise<string>
  bytes(): Promise<Uint8Array>
  /** As they come; leaving early lets go of the connection */
  chunks(): AsyncGenerator<Uint8Array>
}

/** Sends a request; resolves when the headers of the answer are there. The signal counts until the body is read. */
export type Send = (url: string, request: Outgoing, signal: AbortSignal) => Promise<Answer>

export function byFetch(fetch: typeof globalThis.fetch): Send {
  return async (url, { method, headers, body }, signal) => {
    const init: Record<string, unknown> = { method, headers, redirect: 'error', signal }
    if (body !== undefined) init.body = body
    // Fetch demands it for a body that streams.
    if (body instanceof ReadableStream) init.duplex = 'half'
    return new FetchedAnswer(await fetch(url, init as RequestInit))
  }
}

class FetchedAnswer implements Answer {
  readonly #response: Response

  constructor(response: Response) {
    this.#response = response
  }

  get status(): number {
    return this.#response.status
  }

  get url(): string {
    return this.#response.url
  }

  header(name: string): string | null {
    return this.#response.headers.get(name)
  }

  text(): Promise<string> {
    return this.#response.text()
  }

  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await this.#response.arrayBuffer())
  }

  /** Not every runtime's `ReadableStream` is iterable itself. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const reader = this.#response.body?.getReader()
    if (reader === undefined) return
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        yield value
      }
    } finally {
      // Harmless if the body has failed or ended: there is nothing left to cancel.
      await reader.cancel().catch(() => undefined)
    }
  }
}
