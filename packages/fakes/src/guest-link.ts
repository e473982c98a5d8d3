import { SpawnpointError } from '@spawnpoint/core'
import type { Faults, Life } from './faults.ts'
import type { FakeIncarnation } from './incarnation.ts'
import type { FakeMachine } from './machine.ts'

/** The connection of one runtime instance to the agent in one incarnation. */
export class GuestLink {
  readonly incarnation: FakeIncarnation
  readonly machine: FakeMachine
  readonly gone: Promise<void>
  readonly #faults: Faults
  readonly #life: Life
  readonly #goneNow: () => void
  #cut = false

  constructor(incarnation: FakeIncarnation, faults: Faults, life: Life) {
    this.incarnation = incarnation
    this.machine = incarnation.machine
    this.#faults = faults
    this.#life = life
    const gone = Promise.withResolvers<void>()
    this.gone = gone.promise
    this.#goneNow = gone.resolve
    incarnation.onEnd(() => this.cut())
    life.onDeath(() => this.machine.changed.ring())
  }

  /** The connection ends for good; whoever waits on it is told. */
  cut(): void {
    this.#cut = true
    this.machine.changed.ring()
    // A dead server hears nothing any more.
    if (!this.#life.dead) this.#goneNow()
  }

  check(): void {
    this.#life.check()
    if (!this.#cut) return
    const { id } = this.incarnation.spec
    throw new SpawnpointError('stale_incarnation', 'This incarnation has ended', { sandboxId: id })
  }

  /** Waits until `condition` holds; rejects when the connection ends or the signal says so. */
  async until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    const ring = () => this.machine.changed.ring()
    signal?.addEventListener('abort', ring)
    try {
      for (;;) {
        this.check()
        signal?.throwIfAborted()
        if (condition()) return
        await this.machine.changed.wait()
      }
    } finally {
      signal?.removeEventListener('abort', ring)
    }
  }

  /** Frames flow only while the guest is neither held nor paused. */
  flowing(signal?: AbortSignal): Promise<void> {
    return this.until(() => !this.machine.held && this.machine.running, signal)
  }

  /** One call to the agent: waits while held or paused, as the wire does. */
  call<T>(step: string, detail: string, work: () => T | Promise<T>): Promise<T> {
    return this.#faults.run(this.#life, `guest.${step}`, detail, async () => {
      this.check()
      if (this.machine.identity === null) throw new Error(`guest.${step}: identify comes first on a new incarnation`)
      await this.flowing()
      return await work()
    })
  }

  /** A call that goes through although the guest is held. */
  callHeld<T>(step: string, detail: string, work: () => T | Promise<T>): Promise<T> {
    return this.#faults.run(this.#life, `guest.${step}`, detail, async () => {
      await this.until(() => this.machine.running)
      return await work()
    })
  }
}
