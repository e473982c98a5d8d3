import { SpawnpointError } from '@spawnpoint/core'

// Taken at load, so that tests may fake the global timers without stopping the fakes.
const realSetImmediate = setImmediate

/** Thrown by the call at which the server "died", and by every later call of the instances that died with it. */
export class CrashSignal extends Error {
  override readonly name = 'CrashSignal'
  readonly step: string

  constructor(step: string) {
    super(`The server died at ${step}`)
    this.step = step
  }
}

/**
 * `before`: nothing happened. `during`: half of it happened, in calls that have a half-way state (an image staged but not
 * published, an incarnation whose agent never answered); same as `after` in all others. `after`: done, never acknowledged.
 */
export type CrashPoint = 'before' | 'during' | 'after'

/** One life of the server process. Every instance belongs to the life in which it was made and dies with it. */
export class Life {
  #dead: CrashSignal | null = null
  readonly #mourners = new Set<() => void>()

  get dead(): boolean {
    return this.#dead !== null
  }

  check(): void {
    if (this.#dead) throw this.#dead
  }

  onDeath(listener: () => void): () => void {
    this.#mourners.add(listener)
    return () => this.#mourners.delete(listener)
  }

  end(signal: CrashSignal): void {
    this.#dead ??= signal
    for (const listener of [...this.#mourners]) listener()
    this.#mourners.clear()
  }
}

export interface Call {
  index: number
  step: string
  detail: string
}

/** A call that `hang` caught. */
export interface Hang {
  /** Resolves when the call has arrived */
  readonly reached: Promise<void>
  /** Lets the call go on */
  release(): void
}

type Plan =
  | { type: 'fail'; error: Error }
  | { type: 'hang'; arrived: () => void; released: Promise<void> }
  | { type: 'crash'; when: CrashPoint }
  | { type: 'lose'; error: Error }

/**
 * Named fault points. Every call of a fake goes through `run` under a step name such as `runtime.checkpoint`,
 * `pool.publishSnapshot`, `ledger.commit` or `guest.hold`; plans made here strike the calls that come.
 */
export class Faults {
  /** Every call since the beginning or the last `reset`, in order of arrival */
  readonly log: Call[] = []
  #life = new Life()
  readonly #bySteps = new Map<string, Plan[]>()
  readonly #byIndex = new Map<number, Plan>()
  #away: { after: number; part: string } | null = null

  get life(): Life {
    return this.#life
  }

  /** The next call of `step` rejects and does nothing. Call again for further calls. */
  failNext(step: string, error: Error = injected(step)): void {
    this.#plan(step, { type: 'fail', error })
  }

  /** The next call of `step` does its work and then rejects: its answer is lost. */
  loseNext(step: string, error: Error = lost(step)): void {
    this.#plan(step, { type: 'lose', error })
  }

  /** The next call of `step` waits, before it has done anything, until released or until the server dies. */
  hang(step: string): Hang {
    const reached = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    this.#plan(step, { type: 'hang', arrived: reached.resolve, released: released.promise })
    return { reached: reached.promise, release: released.resolve }
  }

  /** The server dies at the next call of `step`. */
  crashAt(step: string, when: CrashPoint): void {
    this.#plan(step, { type: 'crash', when })
  }

  /** As `failNext`, for the call with this index in `log`: lets a test fail every call of an operation in turn. */
  failCall(index: number, error: Error = injected(`call ${index}`)): void {
    this.#byIndex.set(index, { type: 'fail', error })
  }

  /** As `crashAt`, for the call with this index in `log`. */
  crashCall(index: number, when: CrashPoint): void {
    this.#byIndex.set(index, { type: 'crash', when })
  }

  /** The call with this index does its work and its answer is lost; no later call of `part` is answered until `reset`. */
  loseFrom(index: number, part: string): void {
    this.#byIndex.set(index, { type: 'lose', error: lost(`call ${index}`) })
    this.#away = { after: index, part }
  }

  /** Forgets all plans and the log; indexes start at 0 again. */
  reset(): void {
    this.#bySteps.clear()
    this.#byIndex.clear()
    this.#away = null
    this.log.length = 0
  }

  /** Resolves when no call has come for some turns of the event loop: what was set off has come to rest or hangs. */
  async quiet(): Promise<void> {
    for (let still = 0, seen = this.log.length; still < 10; still += 1) {
      await new Promise<void>((resolve) => realSetImmediate(resolve))
      if (this.log.length !== seen) still = 0
      seen = this.log.length
    }
  }

  /** The server process dies now: all instances reject everything from here on; the next ones belong to a new life. */
  crash(step = 'a test’s wish'): CrashSignal {
    const signal = new CrashSignal(step)
    const life = this.#life
    this.#life = new Life()
    life.end(signal)
    return signal
  }

  /** `work` calls `half` where its half-way state exists. */
  async run<T>(life: Life, step: string, detail: string, work: (half: () => void) => T | Promise<T>): Promise<T> {
    life.check()
    const call: Call = { index: this.log.length, step, detail }
    this.log.push(call)
    const plan = this.#take(call)
    // No port answers in the same turn; callers must not come to rely on it.
    await new Promise<void>((resolve) => realSetImmediate(resolve))
    life.check()
    if (plan?.type === 'fail') throw plan.error
    if (plan?.type === 'hang') {
      plan.arrived()
      await Promise.race([plan.released, untilDead(life)])
      life.check()
    }
    const crashes = plan?.type === 'crash' ? plan.when : null
    if (crashes === 'before') throw this.crash(step)
    const result = await work(() => {
      if (crashes === 'during') throw this.crash(step)
    })
    life.check()
    if (crashes !== null) throw this.crash(step)
    if (plan?.type === 'lose') throw plan.error
    return result
  }

  #plan(step: string, plan: Plan): void {
    const plans = this.#bySteps.get(step) ?? []
    plans.push(plan)
    this.#bySteps.set(step, plans)
  }

  #take(call: Call): Plan | undefined {
    const exact = this.#byIndex.get(call.index)
    if (exact) {
      this.#byIndex.delete(call.index)
      return exact
    }
    const away = this.#away
    if (away !== null && call.index > away.after && call.step.startsWith(`${away.part}.`))
      return { type: 'fail', error: lost(call.step) }
    return this.#bySteps.get(call.step)?.shift()
  }
}

function injected(step: string): Error {
  return new SpawnpointError('runtime_failed', `${step} failed as the test asked`, { step, detail: 'injected fault' })
}

function lost(step: string): Error {
  return new SpawnpointError('unavailable', `The answer of ${step} is lost`, { reason: 'connection lost' })
}

function untilDead(life: Life): Promise<void> {
  return new Promise((resolve) => {
    life.onDeath(resolve)
  })
}
