import type { CallOptions } from './options.ts'
import type { Request, Transport } from './transport.ts'

export interface PageOptions extends CallOptions {
  /** Items fetched at a time, 1 to 500; default the server's */
  pageSize?: number | undefined
}

/** A list that fetches its pages as it is read: `for await (const item of list)`, or all of it with `toArray()`. */
export class List<T> implements AsyncIterable<T> {
  readonly #pages: () => AsyncGenerator<T[]>

  /** @internal */
  constructor(
    transport: Transport,
    request: Omit<Request, 'method'>,
    options: PageOptions,
    convert: (wire: never) => T,
    after?: number,
  ) {
    this.#pages = () => pages(transport, request, options, convert, after?.toString())
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for await (const page of this.#pages()) yield* page
  }

  pages(): AsyncIterable<T[]> {
    return this.#pages()
  }

  /** At most `limit` items; default all. */
  async toArray(limit = Number.POSITIVE_INFINITY): Promise<T[]> {
    const items: T[] = []
    if (limit <= 0) return items
    for await (const item of this) {
      items.push(item)
      if (items.length >= limit) break
    }
    return items
  }
}

async function* pages<T>(
  transport: Transport,
  request: Omit<Request, 'method'>,
  { pageSize, signal, timeoutMs }: PageOptions,
  convert: (wire: never) => T,
  after: string | undefined,
): AsyncGenerator<T[]> {
  let cursor = after
  do {
    const page = await transport.json<{ items: unknown[]; nextCursor: string | null }>({
      ...request,
      method: 'GET',
      query: { ...request.query, limit: pageSize, cursor },
      signal,
      timeoutMs,
    })
    yield page.items.map((item) => convert(item as never))
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
}
