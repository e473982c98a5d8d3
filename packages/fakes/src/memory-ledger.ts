import { AsyncLocalStorage } from 'node:async_hooks'
import { type Ledger, type LedgerReads, type LedgerTx, SpawnpointError } from '@spawnpoint/core'
import { memoryReads } from './memory-ledger-reads.ts'
import { LedgerTables, MemoryLedgerStore } from './memory-ledger-store.ts'
import { memoryWrites } from './memory-ledger-writes.ts'

/**
 * Ledger in memory. One transaction runs at a time, on a copy of the tables that takes their place at the commit. Its fault
 * points are `ledger.open`, `ledger.commit` (each `transact` whose work succeeded) and `ledger.read`.
 */
export class MemoryLedger implements Ledger {
  readonly read: LedgerReads
  readonly #store: MemoryLedgerStore
  readonly #life
  readonly #inside = new AsyncLocalStorage<true>()
  #open = false

  constructor(store: MemoryLedgerStore = new MemoryLedgerStore()) {
    this.#store = store
    this.#life = store.faults.life
    this.read = memoryReads(
      () => store.committed,
      (name, work) =>
        store.faults.run(this.#life, 'ledger.read', name, () => {
          this.#check()
          return work()
        }),
    )
  }

  open(): Promise<void> {
    return this.#store.faults.run(this.#life, 'ledger.open', '', () => {
      this.#open = true
    })
  }

  async close(): Promise<void> {
    this.#open = false
  }

  async transact<T>(work: (tx: LedgerTx) => Promise<T>): Promise<T> {
    this.#check()
    if (this.#inside.getStore()) throw new Error('transact inside transact waits for itself for ever')
    return await this.#store.exclusively(() => this.#inside.run(true, () => this.#transact(work)))
  }

  async #transact<T>(work: (tx: LedgerTx) => Promise<T>): Promise<T> {
    const { faults } = this.#store
    const tables = new LedgerTables(this.#store.committed)
    let over = false
    const refused: unknown[] = []
    const inTx = async <R>(_name: string, step: () => R | Promise<R>): Promise<R> => {
      // A turn of its own, so that two calls without `await` between them show as the mistake they are.
      await Promise.resolve()
      this.#check()
      if (over) throw new Error('this transaction has ended')
      if (refused.length > 0) throw new Error('something before this was refused')
      return await step()
    }
    const tx: LedgerTx = {
      ...memoryReads(() => tables, inTx),
      ...memoryWrites(tables, inTx, (reason) => void refused.push(reason)),
    }
    try {
      const result = await work(tx).catch((thrown: unknown) => {
        throw refused[0] ?? thrown
      })
      over = true
      if (refused.length > 0) throw refused[0]
      await faults.run(this.#life, 'ledger.commit', '', () => {
        this.#store.committed = tables
      })
      return result
    } finally {
      over = true
    }
  }

  #check(): void {
    this.#life.check()
    if (!this.#open)
      throw new SpawnpointError('unavailable', 'The ledger is not open', { reason: 'ledger is not open' })
  }
}
