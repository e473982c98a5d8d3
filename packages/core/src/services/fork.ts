import type { ForkRequest, Principal, SandboxesApi } from '../api.ts'
import { invalidArgument } from '../errors.ts'
import { type IncarnationId, newId, type RootId } from '../ids.ts'
import type { Sandbox } from '../model.ts'
import { newOperation } from '../operations/runner.ts'
import type { CreateDetail } from '../operations/sandbox-create.ts'
import { childrenOf, type ForkDetail, sandboxFork } from '../operations/sandbox-fork.ts'
import type { Parts } from '../parts.ts'
import { type LiveSandbox, sandboxEvent } from '../sandbox/records.ts'
import { newSnapshot } from '../snapshot/new-snapshot.ts'
import { checkOverrides, mergeOverrides } from './checks.ts'
import type { Claims } from './claims.ts'
import { fromSnapshot, newSandbox } from './new-sandbox.ts'
import { claimQuota, useOf } from './quotas.ts'
import { copiedRemotes } from './remotes.ts'
import { mustHaveSecrets } from './secrets.ts'
import { claimSandbox } from './transitions.ts'

const MAX_CHILDREN = 100

/** Claims a fork, with the records of its children and of its internal snapshot, in one transaction. */
export async function forkSandbox(
  parts: Parts,
  claims: Claims,
  by: Principal,
  ref: string,
  request: ForkRequest,
): ReturnType<SandboxesApi['fork']> {
  const { count, mode, overrides = {}, children = [] } = request
  if (!Number.isInteger(count) || count < 1 || count > MAX_CHILDREN)
    throw invalidArgument('count', `1 to ${MAX_CHILDREN}`)
  if (children.length > count) throw invalidArgument('children', 'more entries than count')
  if (overrides.name !== undefined)
    throw invalidArgument('overrides.name', 'a name can be given to one child only; use children')
  for (const one of [overrides, ...children]) checkOverrides(one)

  const answer = await claims.request(by, ref, 'fork', sandboxFork, async (tx, current) => {
    const sandbox = current as LiveSandbox
    const snapshot = newSnapshot(parts, sandbox, { kind: 'memory', internal: true })
    await tx.putSnapshot(snapshot)
    const source = {
      ...fromSnapshot(snapshot, false),
      credentials: sandbox.credentials,
      remotes: copiedRemotes(sandbox.remotes),
    }
    const records = Array.from({ length: count }, (_, n): Sandbox => {
      const child = newSandbox(parts, by.teamId, source, mergeOverrides(overrides, children[n] ?? {}))
      const { sourceSnapshotId: from, originSnapshotId, originCold } = sandbox
      const lineage = {
        sourceSnapshotId: from,
        originSnapshotId: from,
        originCold: originCold && from === originSnapshotId,
      }
      return { ...child, parentSandboxId: sandbox.id, ...lineage }
    })
    for (const { credentials } of records) await mustHaveSecrets(tx, by.teamId, credentials)
    await claimQuota(tx, by.teamId, useOf(records))
    const details: CreateDetail[] = []
    for (const record of records) {
      await tx.putSandbox(record)
      await tx.addEvent(sandboxEvent(parts, record, 'sandbox.creating', {}))
      details.push({
        sandboxId: record.id,
        incarnationId: newId<IncarnationId>(),
        rootId: newId<RootId>(),
        imageId: null,
        snapshotId: snapshot.id,
        cold: false,
        ahead: false,
      })
    }
    const detail: ForkDetail = {
      sandboxId: sandbox.id,
      incarnationId: sandbox.incarnationId,
      rootId: sandbox.rootId,
      snapshotId: snapshot.id,
      mode,
      children: details,
    }
    const operation = newOperation(parts, {
      teamId: sandbox.teamId,
      kind: 'sandbox.fork',
      sandboxId: sandbox.id,
      detail,
    })
    return claimSandbox(parts, tx, sandbox, 'snapshot', operation)
  })
  if (answer.outcome === 'begun') {
    const { id, detail } = answer.operation
    return { operationId: id, done: childrenOf(parts.ledger.read, detail as unknown as ForkDetail) }
  }
  if (answer.outcome !== 'launched') throw new Error('a fork is neither joined nor ignored')
  return { operationId: answer.operationId, done: answer.done }
}
