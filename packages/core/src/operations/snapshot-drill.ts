import { type ErrorCode, toSpawnpointError } from '../errors.ts'
import type { Snapshot, SnapshotId } from '../model.ts'
import { OPEN_NETWORK } from '../network.ts'
import { exitOf, limited } from '../recipe/commands.ts'
import type { Footing } from '../recipe/detail.ts'
import type { LiveSandbox } from '../sandbox/records.ts'
import { fromSnapshot, newSandbox } from '../services/new-sandbox.ts'
import { noteOutcome } from '../snapshot/outcome.ts'
import { snapshotOrigin } from '../standby.ts'
import { boot, retire, unboot } from './boot.ts'
import { interrupted } from './cut-off.ts'
import type { OperationDefinition, Work } from './runner.ts'

export interface DrillDetail extends Footing {
  snapshotId: SnapshotId
  probe: string[]
  timeoutMs: number
}

/** What says something of the snapshot; anything else says something of the server at that moment. */
const FAULTS = new Set<ErrorCode>([
  'incompatible',
  'guest_unresponsive',
  'guest_error',
  'hook_failed',
  'timeout',
  'runtime_failed',
  'process_not_found',
])

/**
 * starting ─► (root cloned ─ incarnation up ─ probe) ─► removed ─► noted. The sandbox has no record, as those of builds.
 * Cut off anywhere: it is removed and nothing is noted.
 */
export const snapshotDrill: OperationDefinition<DrillDetail, Snapshot> = {
  kind: 'snapshot.drill',
  async run(work) {
    const { parts, detail } = work
    let wrong: string | null
    try {
      wrong = await tryOut(work)
    } catch (error) {
      const known = toSpawnpointError(error)
      if (!FAULTS.has(known.code)) {
        await unboot(work, detail)
        await work.end(known)
        throw error
      }
      wrong = known.message
    }
    await retire(work, detail)
    let drilled!: Snapshot
    await work.end('done', async (tx) => {
      drilled = await noteOutcome(parts, tx, detail.snapshotId, 'drill', wrong)
    })
    return drilled
  },
  async recover(work) {
    await retire(work, work.detail)
    await work.end(interrupted())
  },
}

async function tryOut(work: Work<DrillDetail>): Promise<string | null> {
  const { parts, detail } = work
  const { snapshotId, probe, timeoutMs, ...footing } = detail
  const snapshot = await parts.ledger.read.snapshot(snapshotId)
  if (snapshot === null) throw new Error(`snapshot ${snapshotId} has no record`)
  // What goes on from where it was may want to do something outside, which the one that it is a copy of has done.
  const source = { ...fromSnapshot(snapshot, false), network: { ...OPEN_NETWORK, internet: false }, credentials: [] }
  const sandbox: LiveSandbox = { ...newSandbox(parts, snapshot.teamId, source, {}), id: footing.sandboxId, ...footing }
  const { guest } = await boot(work, sandbox, { ...footing, ...snapshotOrigin(snapshot, false) })
  const run = () =>
    limited(parts, { what: 'The probe', ms: timeoutMs }, async (signal) => {
      const spec = { args: probe, env: snapshot.env, stdin: false, tag: 'drill' }
      const { output } = await guest.processes.startAndFollow(spec, signal)
      return exitOf(output, () => {})
    })
  const exit = await work.step('probe', () => work.fromGuest('probe', run))
  if (exit.code === 0) return null
  return `The probe ended with ${exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`}`
}
