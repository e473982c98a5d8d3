import { sampleEvent, sampleOperation, sampleSandbox } from '@spawnpoint/contracts/ledger-samples'
import { newId, type Operation, type Sandbox, type SandboxId, type TeamId } from '@spawnpoint/core'
import { PostgresLedger } from '../postgres-ledger.ts'

/**
 * A server that only writes, for tests that end it in the middle: `node writer.ts DATA_DIR`. Prints `open`, then the
 * number of each record that the ledger has acknowledged, on a pipe and so at once.
 */

export const TEAM = '0123456789abcdef01234567' as TeamId

/** The records of number `n`, the same wherever they are computed. */
export function recordsOf(n: string): { sandbox: Sandbox; operation: Operation } {
  const sandbox = sampleSandbox(TEAM, { id: n as SandboxId, name: `row-${n}`, env: { N: n.repeat(20) } })
  // Every field that the samples draw at random is fixed, so that a reader can compare whole records.
  const volumes = [{ volumeId: n, path: '/data', readOnly: true }]
  Object.assign(sandbox, { incarnationId: n, rootId: n, imageId: n, originSnapshotId: n, volumes })
  return { sandbox, operation: sampleOperation(TEAM, { id: n as never, sandboxId: sandbox.id }) }
}

if (import.meta.main) {
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const ledger = new PostgresLedger({ dataDir: process.argv[2] ?? '', log: quiet })
  await ledger.open()
  process.stdout.write('open\n')
  const write = async () => {
    for (;;) {
      const n = newId<SandboxId>()
      const { sandbox, operation } = recordsOf(n)
      // Nobody is told of this by itself: what is committed next takes it along.
      await ledger.transact((tx) => tx.putOperation(operation), { durability: 'later' })
      await ledger.transact(async (tx) => {
        await tx.putSandbox(sandbox)
        await tx.addEvent(sampleEvent(TEAM, { sandboxId: n, type: `event-${n}` }))
      })
      process.stdout.write(`${n}\n`)
    }
  }
  // The disk may go before the process does: what fails then was not acknowledged. The kill ends the waiting.
  await Promise.allSettled([write(), write(), write(), write()])
  setInterval(() => undefined, 1_000)
}
