import type { Quotas } from './quotas.ts'
import { Ticker } from './ticker.ts'

const EVERY_MS = 2_000

/**
 * Looks now and then whether the kernel's figures are right, which costs a read of a file, and has it count again where they
 * are not: it gives up counting when it cannot follow, as after some deletions, and then enforces no limit at all.
 */
export class QuotaWatch {
  readonly #quotas: Quotas
  readonly #log: { warn(fields: object, message: string): void }
  readonly #ticker = new Ticker(EVERY_MS, () => this.look())

  constructor(quotas: Quotas, log: { warn(fields: object, message: string): void }) {
    this.#quotas = quotas
    this.#log = log
  }

  start(): void {
    this.#ticker.start()
  }

  /** Reports, never rejects. */
  async look(): Promise<void> {
    try {
      if (await this.#quotas.repair()) this.#log.warn({}, 'disk accounting was off, the kernel counts again')
    } catch (err) {
      this.#log.warn({ err }, 'disk accounting is off and could not be repaired; trying again')
    }
  }

  stop(): Promise<void> {
    return this.#ticker.stop()
  }
}
