import { type HistoryKind, invalidArgument, type Name, type Operation, type Sandbox } from '@spawnpoint/core'
import { idempotencyRow } from './memory-ledger-reads.ts'
import type { LedgerTables } from './memory-ledger-store.ts'

/** `LedgerTx.purge` on these tables. */
export function purge(tables: LedgerTables, kind: HistoryKind, before: Date, limit: number): number {
  if (!Number.isSafeInteger(limit) || limit < 1) throw invalidArgument('limit', 'must be a whole number from 1')
  const old = <T>(rows: Iterable<T>, ended: (row: T) => Date | null) =>
    [...rows]
      .map((row) => ({ row, at: ended(row)?.getTime() ?? Number.POSITIVE_INFINITY }))
      .filter(({ at }) => at < before.getTime())
      .sort((a, b) => a.at - b.at)
      .slice(0, limit)
      .map(({ row }) => row)

  if (kind === 'events') {
    const purged = new Set(old(tables.events, (event) => event.at))
    for (const { teamId, seq } of purged) {
      tables.purgedEvents.set(teamId, Math.max(seq, tables.purgedEvents.get(teamId) ?? 0))
    }
    tables.events.splice(0, tables.events.length, ...tables.events.filter((event) => !purged.has(event)))
    return purged.size
  }
  if (kind === 'idempotency') {
    const purged = old(tables.idempotency.values(), (record) => record.createdAt)
    for (const { teamId, key } of purged) tables.idempotency.delete(idempotencyRow(teamId, key))
    return purged.length
  }
  if (kind === 'usage') {
    const purged = old(tables.usage.values(), ({ interval }) => interval.endedAt)
    for (const { interval } of purged) tables.usage.delete(interval.id)
    return purged.length
  }
  if (kind === 'audit') {
    const purged = old(tables.audit.values(), (entry) => entry.at)
    for (const { id } of purged) tables.audit.delete(id)
    return purged.length
  }
  if (kind === 'names') {
    const purged = old(tables.names.values(), (name) => (isUnused(tables, name) ? name.createdAt : null))
    for (const { id } of purged) tables.names.delete(id)
    return purged.length
  }
  if (kind === 'keys') {
    const purged = old(tables.keys.values(), ({ key }) => key.revokedAt)
    for (const { key } of purged) tables.keys.delete(key.id)
    return purged.length
  }
  const rows: Map<string, Operation | Sandbox> = tables[kind]
  const purged =
    kind === 'operations'
      ? old(tables.operations.values(), (operation) => (isOver(tables, operation) ? operation.endedAt : null))
      : old(tables.sandboxes.values(), (sandbox) => (isForgotten(tables, sandbox) ? sandbox.endedAt : null))
  for (const { id } of purged) rows.delete(id)
  return purged.length
}

function isOver(tables: LedgerTables, operation: Operation): boolean {
  if (operation.state === 'open') return false
  const sandbox = operation.sandboxId === null ? undefined : tables.sandboxes.get(operation.sandboxId)
  if (sandbox === undefined || sandbox.state === 'killed') return true
  return some(tables.operations, (other) => other.sandboxId === sandbox.id && other.id > operation.id)
}

function isForgotten(tables: LedgerTables, { id, state }: Sandbox): boolean {
  return (
    state === 'killed' &&
    !some(tables.snapshots, (snapshot) => snapshot.sandboxId === id) &&
    !some(tables.sandboxes, (other) => other.parentSandboxId === id && other.state !== 'killed') &&
    !some(tables.operations, (operation) => operation.sandboxId === id && operation.state === 'open')
  )
}

function isUnused(tables: LedgerTables, { id, teamId, name }: Name): boolean {
  const bears = (one: { teamId: string; name: string | null; state: string }) =>
    one.teamId === teamId && one.name === name && one.state !== 'deleting'
  return (
    !some(tables.tags, ({ nameId }) => nameId === id) && !some(tables.images, bears) && !some(tables.snapshots, bears)
  )
}

function some<T>(rows: Map<string, T>, is: (row: T) => boolean): boolean {
  return [...rows.values()].some(is)
}
