import type { Operation, Sandbox, Snapshot } from './model.ts'
import type { Ledger, LedgerTx } from './ports/index.ts'

/** What a committed transaction changed. */
export interface Changes {
  sandboxes: Sandbox[]
  snapshots: Snapshot[]
  operations: Operation[]
  events: boolean
}

const nothing = (): Changes => ({ sandboxes: [], snapshots: [], operations: [], events: false })

/**
 * The ledger, telling after each commit what was changed, so that no caller can forget to say so. What a transaction that
 * failed would have changed goes to `doubt`: when the answer to a commit is lost, it may have happened.
 */
export function observed(
  ledger: Ledger,
  tell: (changes: Changes) => void,
  doubt: (changes: Changes, error: unknown) => void,
): Ledger {
  return {
    open: () => ledger.open(),
    close: () => ledger.close(),
    get read() {
      return ledger.read
    },
    async transact(work) {
      let changes = nothing()
      let result: Awaited<ReturnType<typeof work>>
      try {
        result = await ledger.transact((tx) => {
          changes = nothing() // `work` may run again
          return work(watching(tx, () => changes))
        })
      } catch (error) {
        doubt(changes, error)
        throw error
      }
      if (changes.events || changes.sandboxes.length + changes.snapshots.length > 0) tell(changes)
      return result
    },
  }
}

function watching(tx: LedgerTx, changes: () => Changes): LedgerTx {
  return new Proxy(tx, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (typeof value !== 'function') return value
      if (property === 'putSandbox') {
        return (sandbox: Sandbox) => {
          changes().sandboxes.push(sandbox)
          return target.putSandbox(sandbox)
        }
      }
      if (property === 'putSnapshot') {
        return (snapshot: Snapshot) => {
          changes().snapshots.push(snapshot)
          return target.putSnapshot(snapshot)
        }
      }
      if (property === 'putOperation') {
        return (operation: Operation) => {
          changes().operations.push(operation)
          return target.putOperation(operation)
        }
      }
      if (property === 'addEvent') changes().events = true
      return value.bind(target)
    },
  })
}
