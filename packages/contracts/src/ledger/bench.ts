import { type Ledger, type LedgerTx, newId, type TeamId } from '@spawnpoint/core'

export interface LedgerUnderTest extends AsyncDisposable {
  /** Opened */
  ledger: Ledger
}

/** The ledger that the tests share; each test has a team of its own. */
export class LedgerBench implements AsyncDisposable {
  #subject: LedgerUnderTest | null = null

  async open(make: () => Promise<LedgerUnderTest>): Promise<void> {
    this.#subject = await make()
  }

  get ledger(): Ledger {
    if (this.#subject === null) throw new Error('the factory did not finish')
    return this.#subject.ledger
  }

  async put(work: (tx: LedgerTx) => Promise<unknown>): Promise<void> {
    await this.ledger.transact(async (tx) => void (await work(tx)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subject?.[Symbol.asyncDispose]()
  }
}

export function freshTeam(): TeamId {
  return newId<TeamId>()
}
