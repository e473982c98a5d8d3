import type { Guest, IncarnationExit, IncarnationId } from '@spawnpoint/core'
import type { DialledGuest, OpenedGuest } from '@spawnpoint/guest'
import { runtimeFailed, staleIncarnation } from './failure.ts'
import type { Host } from './host.ts'

/** See `Runtime.start` */
export type Greet = (guest: Guest) => void

/** The way to one incarnation's agent; at most one connection at a time. */
export class AgentLine {
  readonly #host: Pick<Host, 'dialGuest'>
  readonly #id: IncarnationId
  readonly #pipes: string
  /** When nobody will answer any more */
  readonly #ended: Promise<IncarnationExit | 'killed'>
  /** Spoken to, and not yet heard of */
  #dialled: DialledGuest | null = null
  #guest: Promise<OpenedGuest> | null = null

  constructor(
    host: Pick<Host, 'dialGuest'>,
    id: IncarnationId,
    pipes: string,
    ended: Promise<IncarnationExit | 'killed'>,
  ) {
    this.#host = host
    this.#id = id
    this.#pipes = pipes
    this.#ended = ended
  }

  /**
   * Speaks to an agent before it runs: what it is told now it reads the moment it wakes. Preconditions: nobody has used the
   * pipes.
   */
  dial(attachMs: number, greet: Greet): void {
    this.#dialled = this.#host.dialGuest({ ...this.#way(attachMs), fresh: true })
    greet(this.#dialled.guest)
  }

  /** Waits for the one that was dialled. Rejects `guest_unresponsive`, or with why the incarnation ended. */
  answer(): Promise<OpenedGuest> {
    const guest = this.#answered()
    this.#guest = guest
    const forget = () => {
      if (this.#guest === guest) this.#guest = null
    }
    guest.then((opened) => opened.gone.then(forget), forget)
    return guest
  }

  /** The connection there is, or a new one. */
  attach(attachMs: number): Promise<OpenedGuest> {
    if (this.#guest !== null) return this.#guest
    this.#dialled = this.#host.dialGuest(this.#way(attachMs))
    return this.answer()
  }

  async close(): Promise<void> {
    await this.#dialled?.guest.close()
    this.#dialled = null
    // A connection that failed to open is closed already.
    const guest = await this.#guest?.catch(() => null)
    await guest?.close()
  }

  #way(attachMs: number) {
    const [toGuest, fromGuest] = [`${this.#pipes}/in`, `${this.#pipes}/out`]
    return { toGuest, fromGuest, label: this.#id, timeouts: { attachMs } }
  }

  async #answered(): Promise<OpenedGuest> {
    const dialled = this.#dialled
    this.#dialled = null
    if (dialled === null) throw new Error('an agent that nobody has spoken to was waited for')
    const answered = dialled.answered()
    const outcome = await Promise.race([answered, this.#ended])
    if (outcome !== 'killed' && !('reason' in outcome)) return outcome
    // Nobody answers any more: its own failure tells nothing new.
    answered.catch(() => {})
    await dialled.guest.close()
    throw outcome === 'killed' ? staleIncarnation(this.#id) : runtimeFailed('boot', outcome.detail)
  }
}
