import type { IncarnationExit, IncarnationId } from '@spawnpoint/core'
import type { Container } from './container.ts'
import { errorText } from './failure.ts'
import type { Log } from './log.ts'

const LOOK_MS = 2_000

/**
 * Incarnations of which something survives SIGKILL, as a process does that waits for a disk or is frozen. They are killed again
 * until they are dead: only then what they have is given back, and their end told, or their root could get a second one.
 */
export class Survivors {
  readonly #log: Log
  readonly #all = new Map<IncarnationId, { container: Container; exit: IncarnationExit | null }>()
  #ended: (exit: IncarnationExit) => void = () => {}
  #timer: NodeJS.Timeout | null = null

  constructor(log: Log) {
    this.#log = log
  }

  get ids(): IncarnationId[] {
    return [...this.#all.keys()]
  }

  has(id: IncarnationId): boolean {
    return this.#all.has(id)
  }

  /** Who is told of an incarnation that has ended by itself and is dead at last. */
  onExit(ended: (exit: IncarnationExit) => void): void {
    this.#ended = ended
  }

  /** Kills all of it. Rejects `runtime_failed` if something survives, as `add` has it then. */
  async end(container: Container, exit: IncarnationExit | null): Promise<void> {
    try {
      await container.kill()
    } catch (error) {
      this.add(container, exit, error)
      throw error
    }
    this.#all.delete(container.id)
  }

  /** `exit`: how it has ended by itself; `null` if it was to be killed. */
  add(container: Container, exit: IncarnationExit | null, error: unknown): void {
    const { id } = container
    const known = this.#all.get(id)
    if (known === undefined) {
      const context = { incarnationId: id, error: errorText(error) }
      this.#log.error(context, 'A sandbox does not die; it stays as it is until it does')
    }
    this.#all.set(id, { container, exit: known?.exit ?? exit })
    this.#arm()
  }

  /** Rejects `runtime_failed` if it does not die now either. */
  async kill(id: IncarnationId): Promise<void> {
    const found = this.#all.get(id)
    if (found === undefined) return
    await found.container.kill()
    // Whoever has it killed needs no word of its end.
    if (!this.#all.delete(id)) return
    await found.container.remove()
  }

  close(): void {
    clearTimeout(this.#timer ?? undefined)
    this.#timer = null
    this.#all.clear()
  }

  #arm(): void {
    if (this.#timer !== null || this.#all.size === 0) return
    this.#timer = setTimeout(() => void this.#look(), LOOK_MS).unref()
  }

  async #look(): Promise<void> {
    const timer = this.#timer
    for (const [id, { container, exit }] of [...this.#all]) {
      try {
        await container.kill(0)
      } catch {
        continue // it was told when it was added
      }
      if (this.#timer !== timer) return
      if (!this.#all.delete(id)) continue
      this.#log.info({ incarnationId: id }, 'A sandbox that did not die is dead')
      if (exit !== null) this.#ended(exit)
      await container.remove().catch((error: unknown) => {
        const context = { incarnationId: id, error: errorText(error) }
        this.#log.error(context, 'Cleaning up after a sandbox failed; the next start tries again')
      })
    }
    if (this.#timer !== timer) return
    this.#timer = null
    this.#arm()
  }
}
