import type { Image, OperationChange } from 'spawnpoint'
import type { Cli } from '../../cli.ts'
import { toldWhenInterrupted } from '../../left-running.ts'
import { printable } from '../../output/printable.ts'
import { formatBytes, formatDuration } from '../../output/units.ts'

const BAR_WIDTH = 30
const CLEAR_LINE = '\r\u001b[K'

/** Tells on stderr how far a build is: a bar on a terminal, else a line for each step. */
export class BuildProgress {
  readonly #cli: Cli
  readonly #verbose: boolean
  readonly #startedAt = performance.now()
  readonly #bar: boolean
  readonly #work = toldWhenInterrupted()
  #step = ''

  constructor(cli: Cli, verbose: boolean) {
    this.#cli = cli
    this.#verbose = verbose
    this.#bar = process.stderr.isTTY === true && !cli.json && !verbose
  }

  readonly tell = ({ operation, progress }: OperationChange): void => {
    this.#work(operation)
    const step = progress?.step ?? operation.phase
    if (this.#bar) {
      void this.#cli.write(`${CLEAR_LINE}${this.#line(step, progress?.fraction ?? null)}`, process.stderr)
    } else if (step !== this.#step) void this.#cli.note(this.#line(step, null))
    this.#step = step
    if (this.#verbose && progress?.line) void this.#cli.note(`  ${printable(progress.line)}`)
  }

  /** The last word, and the image's id on stdout. */
  async done(what: string, image: Image): Promise<void> {
    await this.end(`${what}, ${formatBytes(image.sizeBytes)},`)
    await this.#cli.print(image, () => `${image.id}\n`)
  }

  /** The last word alone, with how long it took. */
  async end(what: string): Promise<void> {
    if (this.#bar) await this.#cli.write(CLEAR_LINE, process.stderr)
    await this.#cli.note(`${what} in ${this.#took()}`)
  }

  #line(step: string, fraction: number | null): string {
    const text = printable(`[${this.#took()}] ${step}`)
    return fraction === null ? text : `${text.padEnd(20)} ${formatBar(fraction, BAR_WIDTH)}`
  }

  #took(): string {
    return formatDuration(performance.now() - this.#startedAt)
  }
}

/** `[=====>    ]  58 %`; `width` is that of what is between the brackets. */
export function formatBar(fraction: number, width: number): string {
  const share = Math.min(1, Math.max(0, fraction))
  const full = Math.floor(share * width)
  const bar = full === width ? '='.repeat(width) : `${'='.repeat(full)}>`.padEnd(width)
  return `[${bar}] ${String(Math.floor(share * 100)).padStart(3)} %`
}
