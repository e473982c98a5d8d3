import { notFound } from '../errors.ts'
import type { Snapshot, SnapshotId } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { LedgerTx } from '../ports/index.ts'
import { snapshotEvent } from '../sandbox/records.ts'

/** A success takes back only what the same kind of look had found. */
const WHAT = { check: 'Read back: ', drill: 'Drill: ' } as const

/** Writes down what a check or a drill found; `wrong` is `null` for nothing. */
export async function noteOutcome(
  parts: Parts,
  tx: LedgerTx,
  id: SnapshotId,
  how: 'check' | 'drill',
  wrong: string | null,
): Promise<Snapshot> {
  const snapshot = await tx.lockSnapshot(id)
  if (snapshot === null) throw notFound('snapshot', id)
  const now = parts.clock.now()
  const solved = snapshot.checkFailure?.startsWith(WHAT[how]) === true
  const next: Snapshot =
    wrong === null
      ? {
          ...snapshot,
          ...(how === 'check' ? { checkedAt: now } : { verifiedAt: now }),
          checkFailure: solved ? null : snapshot.checkFailure,
        }
      : { ...snapshot, checkFailure: WHAT[how] + wrong }
  await tx.putSnapshot(next)
  if (wrong !== null && !snapshot.internal) {
    await tx.addEvent({
      ...snapshotEvent(parts, next, `snapshot.${how}_failed`),
      data: { failure: next.checkFailure },
    })
  }
  return next
}
