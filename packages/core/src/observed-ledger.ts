import type { Operation, Sandbox, Snapshot } from './model.ts'
import type { Clock } from './parts.ts'
import type { Ledger, LedgerTx } from './ports/index.ts'
import type { Meter } from './usage/meter.ts'
import { type Lives, MeteredTx } from './usage/metered-tx.ts'

/** What a committed transaction changed. */
export interface Changes extends Lives {
  sandboxes: Sandbox[]
  snapshots: Snapshot[]
  operations: Operation[]
  events: boolean
}

const nothing = (): Changes => ({
  sandboxes: [],
  snapshots: [],
  operations: [],
  events: false,
  began: [],
  ended: [],
})

/**
 * The ledger, telling after each commit what was changed, so that no caller can forget to say so, and writing with each
 * change what it means for the team's usage. What a transaction that failed would have changed goes to `doubt`: when the
 * answer to a commit is lost, it may have happened.
 */
export function observed(
  ledger: Ledger,
  { clock, meter }: { clock: Clock; meter: Meter },
  tell: (changes: Changes) => void,
  doubt: (changes: Changes, error: unknown) => void,
): Ledger {
  return {
    open: () => ledger.open(),
    close: () => ledger.close(),
    get read() {
      return ledger.read
    },
    async transact(work, options) {
      let changes = nothing()
      let result: Awaited<ReturnType<typeof work>>
      try {
        result = await ledger.transact((tx) => {
          changes = nothing() // `work` may run again
          return work(watching(tx, new MeteredTx(tx, clock, meter, changes), changes))
        }, options)
      } catch (error) {
        doubt(changes, error)
        throw error
      }
      for (const id of changes.began) meter.began(id)
      for (const id of changes.ended) meter.ended(id)
      if (changes.events || changes.sandboxes.length + changes.snapshots.length > 0) tell(changes)
      return result
    },
  }
}

function watching(tx: LedgerTx, metered: MeteredTx, changes: Changes): LedgerTx {
  const own: Partial<LedgerTx> = {
    lockSandbox: (id) => metered.lockSandbox(id),
    lockSnapshot: (id) => metered.lockSnapshot(id),
    deleteSnapshot: (id) => metered.deleteSnapshot(id),
    beginUsage: (interval) => metered.beginUsage(interval),
    endUsage: (id, at) => metered.endUsage(id, at),
    putSandbox: (sandbox) => {
      changes.sandboxes.push(sandbox)
      return metered.putSandbox(sandbox)
    },
    putSnapshot: (snapshot) => {
      changes.snapshots.push(snapshot)
      return metered.putSnapshot(snapshot)
    },
    putOperation: (operation) => {
      changes.operations.push(operation)
      return tx.putOperation(operation)
    },
    addEvent: (event) => {
      changes.events = true
      return tx.addEvent(event)
    },
  }
  return new Proxy(tx, {
    get(target, property) {
      const value: unknown = Reflect.get(own, property) ?? Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
