import { Spawnpoint } from 'spawnpoint'
import { connectionFrom } from './config.ts'
import { type Paint, painter, wantsColor } from './output/colors.ts'
import { type Column, formatFields, formatTable } from './output/table.ts'

/** What every command works with: the server, the streams, and which kind of reader it has. */
export class Cli {
  /** For a program: JSON on stdout and nothing else */
  readonly json: boolean
  readonly paint: Paint
  readonly #options: { url?: string | undefined }
  #client: Spawnpoint | null = null

  constructor(options: { json?: boolean | undefined; url?: string | undefined }) {
    this.json = options.json ?? false
    this.paint = painter(!this.json && wantsColor(process.stdout, process.env))
    this.#options = options
  }

  /** Throws `UsageError` if there is no key. */
  get client(): Spawnpoint {
    this.#client ??= new Spawnpoint({
      ...connectionFrom(this.#options, process.env),
      // Somebody waits: a server that is not there should be told within seconds.
      retry: { repeats: 3 },
    })
    return this.#client
  }

  /** Waits while the reader is slow. */
  write(data: string | Uint8Array, stream: NodeJS.WriteStream = process.stdout): Promise<void> {
    return new Promise((resolve) => {
      // A reader that has gone is noticed by the stream's own `error`, see main.ts.
      stream.write(data, () => resolve())
    })
  }

  /** One value: JSON for programs, whatever `text` makes of it for people. */
  async print(value: unknown, text: () => string): Promise<void> {
    await this.write(this.json ? `${JSON.stringify(value, null, 2)}\n` : text())
  }

  async table<T>(items: readonly T[], columns: readonly Column<T>[], whenEmpty: string): Promise<void> {
    if (this.json) return this.print(items, () => '')
    if (items.length === 0) return this.note(whenEmpty)
    await this.write(formatTable(items, columns, this.paint, process.stdout.isTTY ? process.stdout.columns : undefined))
  }

  /** For other commands to take. */
  ids(items: readonly { id: string }[]): Promise<void> {
    const ids = items.map(({ id }) => id)
    return this.print(ids, () => ids.map((id) => `${id}\n`).join(''))
  }

  async fields(value: unknown, fields: readonly (readonly [string, string | null | undefined])[]): Promise<void> {
    await this.print(value, () => formatFields(fields, this.paint))
  }

  /** For people, beside the result. */
  async note(text: string): Promise<void> {
    if (!this.json) await this.write(`${text}\n`, process.stderr)
  }
}
