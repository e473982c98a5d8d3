import { isCode, SpawnpointError, toSpawnpointError } from '../errors.ts'
import type { Snapshot, SnapshotId } from '../model.ts'
import { MANIFEST_VERSION } from '../snapshot/manifest.ts'
import { noteOutcome } from '../snapshot/outcome.ts'
import { interrupted } from './cut-off.ts'
import type { OperationDefinition, Work } from './runner.ts'

export interface CheckDetail {
  snapshotId: SnapshotId
  /** Nobody asked for it */
  idle?: boolean
}

/** reading ─► noted. It changes nothing but the record; cut off anywhere: nothing is noted. */
export const snapshotCheck: OperationDefinition<CheckDetail, Snapshot> = {
  kind: 'snapshot.check',
  async run(work) {
    const { parts, detail } = work
    try {
      const snapshot = await parts.ledger.read.snapshot(detail.snapshotId)
      const wrong = snapshot === null ? null : ((await manifestFault(work, snapshot)) ?? (await readBack(work)))
      let checked!: Snapshot
      await work.end('done', async (tx) => {
        checked = await noteOutcome(parts, tx, detail.snapshotId, 'check', wrong)
      })
      return checked
    } catch (error) {
      await work.end(toSpawnpointError(error))
      throw error
    }
  },
  recover: (work) => work.end(interrupted()),
}

/** Ends early for a deletion that waits, and when the server closes. */
async function readBack(work: Work<CheckDetail>): Promise<string | null> {
  const { pool, closing } = work.parts
  const cut = new AbortController()
  const { snapshotId, idle = false } = work.detail
  const signal = AbortSignal.any([cut.signal, closing])
  try {
    return await work.step('read', () =>
      work.fromGuest('check', () => pool.checkSnapshot(snapshotId, signal, { idle }), { cutOff: () => cut.abort() }),
    )
  } catch (error) {
    if (signal.aborted) throw new SpawnpointError('cancelled', 'The check was cut off', { what: 'check' })
    throw error
  }
}

async function manifestFault(work: Work<CheckDetail>, { id, kind }: Snapshot): Promise<string | null> {
  try {
    const manifest = await work.parts.pool.readManifest(id)
    const expected = { formatVersion: MANIFEST_VERSION, id, kind }
    for (const [field, value] of Object.entries(expected)) {
      const found: unknown =
        typeof manifest === 'object' && manifest !== null ? Reflect.get(manifest, field) : undefined
      if (found !== value) return `manifest.json has another ${field} than ${value}`
    }
    return null
  } catch (error) {
    if (isCode(error, 'not_found')) throw error
    const cause = toSpawnpointError(error).cause
    if (cause instanceof SyntaxError) return 'manifest.json is not JSON'
    throw error
  }
}
