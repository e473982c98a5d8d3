import type { ResizeRequest } from '../api.ts'
import { invalidArgument, SpawnpointError } from '../errors.ts'
import type { Resources, Sandbox } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { LedgerTx } from '../ports/index.ts'
import { COUNTED_STATES } from '../ports/ledger-accounts.ts'
import { mergeResources } from './checks.ts'
import { claimQuota } from './quotas.ts'

const MIB = 2 ** 20

/**
 * What a sandbox is to have from its next start; its root is bounded anew at once. Under the lock of its record, which keeps the
 * root from being another's; a root that is larger than the record says, as we died before the commit, is bounded with the
 * next change or start.
 */
export async function resized(
  { config, pool }: Parts,
  tx: LedgerTx,
  sandbox: Sandbox,
  asked: ResizeRequest,
): Promise<Resources> {
  const { id, teamId, state, rootId, resources: before } = sandbox
  const { cpus, memoryBytes, diskBytes } = asked
  const next = mergeResources(config, before, { cpus, memoryBytes, diskBytes })
  if (state === 'killing')
    throw new SpawnpointError('wrong_state', 'The sandbox is being killed', {
      resource: 'sandbox',
      id,
      state,
      request: 'update',
    })
  if (next.diskBytes < before.diskBytes)
    throw invalidArgument('resources.diskBytes', `not less than it has, ${before.diskBytes}`)
  const least = next.memoryBytes < before.memoryBytes ? await leastMemory(tx, sandbox) : 0
  if (next.memoryBytes < least)
    throw invalidArgument('resources.memoryBytes', `at least ${least}; stopped, it can have less`)
  if (COUNTED_STATES.some((one) => one === state))
    await claimQuota(tx, teamId, {
      cpus: Math.max(0, next.cpus - before.cpus),
      memoryBytes: Math.max(0, next.memoryBytes - before.memoryBytes),
    })
  if (rootId !== null && next.diskBytes !== before.diskBytes)
    await pool.limitRoot(rootId, { diskBytes: next.diskBytes })
  return next
}

/** Whatever is in memory must have room when it is there again. */
async function leastMemory(tx: LedgerTx, { incarnationId, pausedSnapshotId, resources }: Sandbox): Promise<number> {
  if (incarnationId !== null) return resources.memoryBytes
  const paused = pausedSnapshotId === null ? null : await tx.snapshot(pausedSnapshotId)
  if (paused === null) return 0
  const used = paused.receipt?.memoryBytes ?? paused.resources.memoryBytes
  return Math.min(resources.memoryBytes, Math.ceil(used * 1.25) + 64 * MIB)
}
