/** What a person watching sees: a line per step, with its time. */
export class Show {
  readonly #stop: AbortSignal
  readonly #out: NodeJS.WriteStream
  readonly #rows: { label: string; ms: number }[] = []

  /** No step begins once `stop` is aborted. */
  constructor(stop: AbortSignal, out: NodeJS.WriteStream = process.stdout) {
    this.#stop = stop
    this.#out = out
  }

  /** Runs one step under its label. `note` tells what came out of it; `say` shows how far it is, on a terminal. */
  async step<T>(
    label: string,
    run: (say: (text: string) => void) => Promise<T>,
    note?: (result: T) => string,
  ): Promise<T> {
    this.#stop.throwIfAborted()
    const begun = performance.now()
    const live = this.#out.isTTY === true
    const say = (text: string) => {
      // A terminal that does not know its size says 0.
      const shown = `  … ${label}${text && `: ${text}`}`.slice(0, (this.#out.columns || 80) - 1)
      if (live) this.#out.write(`\r\u001b[K${shown}`)
    }
    say('')
    try {
      const result = await run(say)
      const ms = performance.now() - begun
      this.#rows.push({ label, ms })
      this.#line(live, '✓', label, ms, note?.(result))
      return result
    } catch (error) {
      this.#line(live, '✗', label, performance.now() - begun, undefined)
      throw error
    }
  }

  text(line = ''): void {
    this.#out.write(`${line}\n`)
  }

  /** Everything timed so far. */
  table(): void {
    const width = Math.max(...this.#rows.map((row) => row.label.length))
    for (const { label, ms } of this.#rows) this.text(`  ${label.padEnd(width)}  ${duration(ms).padStart(9)}`)
  }

  #line(live: boolean, mark: string, label: string, ms: number, note: string | undefined): void {
    this.#out.write(
      `${live ? '\r\u001b[K' : ''}  ${mark} ${label} (${duration(ms)})${note === undefined ? '' : `: ${note}`}\n`,
    )
  }
}

function duration(ms: number): string {
  return ms < 1_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(1)} s`
}
