import { follows } from './failures.ts'

/** What one transaction has sent without waiting for the answers. */
export class WritesBehind {
  readonly #sent: Promise<unknown>[] = []

  /** Goes on without waiting for this, which is on its way already; `committed` and `refusal` tell its failure. */
  add(writing: Promise<unknown>): void {
    writing.catch(() => {}) // see `committed`
    this.#sent.push(writing)
  }

  /** Resolves when all that was written is committed. */
  async committed(commit: Promise<{ command: string }>): Promise<void> {
    this.add(commit)
    await Promise.all(this.#sent)
    const { command } = await commit
    if (command !== 'COMMIT') throw new Error(`a commit ended as ${command}`)
  }

  /**
   * Why the transaction fails, whose work or commit has `thrown`: the first that was refused makes all that comes after it fail.
   * Resolves when everything is answered.
   */
  async refusal(thrown: unknown): Promise<unknown> {
    const ends = await Promise.allSettled(this.#sent)
    const first = ends.find((end) => end.status === 'rejected')
    // One that only follows was sent after something that the work itself waited for, and was told of.
    return first === undefined || follows(first.reason) ? thrown : first.reason
  }
}
