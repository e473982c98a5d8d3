import type { ServerResponse } from 'node:http'
import { asciiJson } from './ascii-json.ts'
import type { Line } from './output.ts'

/** Clients give up an answer in which nothing comes for minutes; kinds of lines that they do not know they pass over. */
const KEEPALIVE_AFTER_MS = 45_000

/** The answer to an execution: a JSON object a line, as it comes. Writing after the client has left does nothing. */
export class LineWriter implements Disposable {
  /** Called when the client does not keep up, and when it does again */
  onFull: () => void = () => {}
  onDrain: () => void = () => {}
  readonly #res: ServerResponse
  readonly #timer: NodeJS.Timeout

  constructor(res: ServerResponse) {
    this.#res = res
    this.#timer = setTimeout(() => this.write({ type: 'keepalive' }), KEEPALIVE_AFTER_MS)
    res.on('drain', () => this.onDrain())
    res.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
    // The time that a client grants a request ends with this.
    res.flushHeaders()
  }

  write(line: Line): void {
    if (this.#res.destroyed || this.#res.writableEnded) return
    this.#timer.refresh()
    if (!this.#res.write(`${asciiJson(line)}\n`)) this.onFull()
  }

  end(): void {
    this.write({ type: 'end_of_execution' })
    this[Symbol.dispose]()
    this.#res.end()
  }

  /** Ends an execution that could not be begun. */
  fail(): void {
    this.write({
      type: 'error',
      name: 'ExecutionFailed',
      value: 'The code interpreter cannot be reached',
      traceback: '',
    })
    this.end()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}
