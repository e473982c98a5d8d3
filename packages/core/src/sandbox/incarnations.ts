import type { IncarnationId, Sandbox, SandboxId } from '../model.ts'

/** Which incarnation each living sandbox has at present, and who waits for its end. Told of every change of a record. */
export class Incarnations {
  readonly #present = new Map<SandboxId, IncarnationId>()
  readonly #sandboxes = new Map<IncarnationId, SandboxId>()
  readonly #waiting = new Map<IncarnationId, PromiseWithResolvers<void>>()

  /** The record as it is now. */
  seen({ id, state, incarnationId }: Pick<Sandbox, 'id' | 'state' | 'incarnationId'>): void {
    const before = this.#present.get(id)
    const now = state === 'killed' ? null : incarnationId
    if (before !== undefined && before !== now) {
      this.#present.delete(id)
      this.#sandboxes.delete(before)
      this.ended(before)
    }
    if (now === null) return
    this.#present.set(id, now)
    this.#sandboxes.set(now, id)
  }

  sandboxOf(id: IncarnationId): SandboxId | undefined {
    return this.#sandboxes.get(id)
  }

  /** Nothing of it runs any more, whatever its sandbox's record still says. */
  ended(id: IncarnationId): void {
    this.#waiting.get(id)?.resolve()
    this.#waiting.delete(id)
  }

  /** Resolves when this is not the sandbox's present incarnation any more, at once if it is not now. */
  gone(id: SandboxId, incarnationId: IncarnationId): Promise<void> {
    if (this.#present.get(id) !== incarnationId) return Promise.resolve()
    const waiting = this.#waiting.get(incarnationId) ?? Promise.withResolvers<void>()
    this.#waiting.set(incarnationId, waiting)
    return waiting.promise
  }
}
