import {
  EXCLUSIVE_OPERATION_KINDS,
  IMAGE_LIFECYCLE,
  type LedgerReads,
  type LedgerTx,
  mayBecome,
  type Operation,
  type Sandbox,
  SNAPSHOT_LIFECYCLE,
  SpawnpointError,
  type Tag,
} from '@spawnpoint/core'
import { accountWrites } from './memory-ledger-accounts.ts'
import { purge } from './memory-ledger-purge.ts'
import { idempotencyRow, type RunStep, searchable, searchableLabels } from './memory-ledger-reads.ts'
import type { LedgerTables } from './memory-ledger-store.ts'

/**
 * All writes of a transaction. Locks are reads: transactions run one at a time. What other ledgers may refuse only with the
 * commit goes to `refuse`: the call resolves, everything after it fails.
 */
export function memoryWrites(
  tables: LedgerTables,
  run: RunStep,
  refuse: (reason: SpawnpointError) => void,
): Omit<LedgerTx, keyof LedgerReads> {
  const get = <T>(name: string, rows: Map<string, T>, id: string) =>
    run(name, () => structuredClone(rows.get(id) ?? null))

  return {
    ...accountWrites(tables, run),
    lockSandbox: (id) => get('lockSandbox', tables.sandboxes, id),
    lockSnapshot: (id) => get('lockSnapshot', tables.snapshots, id),
    lockImage: (id) => get('lockImage', tables.images, id),
    lockVolume: (id) => get('lockVolume', tables.volumes, id),
    lockRegistry: (id) => get('lockRegistry', tables.registries, id),
    lockSchedule: (id) => get('lockSchedule', tables.schedules, id),
    lockOperation: (id) => get('lockOperation', tables.operations, id),
    putTeam: (team) =>
      run('putTeam', () => {
        searchable('name', team.name)
        for (const other of tables.teams.values()) {
          if (other.id === team.id || other.name !== team.name) continue
          const context = { resource: 'team', name: team.name } as const
          throw new SpawnpointError('name_taken', `Another team is named ${team.name}`, context)
        }
        tables.teams.set(team.id, structuredClone(team))
      }),
    putKey: (key, hash) =>
      run('putKey', () => {
        searchable('name', key.name)
        for (const [id, row] of tables.keys) {
          if (row.hash === hash && id !== key.id) throw new Error('a key of this hash exists')
        }
        tables.keys.set(key.id, { key: structuredClone(key), hash })
      }),
    revokeKey: (teamId, id, at) =>
      run('revokeKey', () => {
        const row = tables.keys.get(id)
        if (!row || row.key.teamId !== teamId || row.key.revokedAt !== null) return false
        tables.keys.set(id, { ...row, key: { ...row.key, revokedAt: new Date(at) } })
        return true
      }),
    putImage: (image) =>
      run('putImage', () => {
        searchable('name', image.name)
        searchableLabels(image.labels)
        mustBecome(IMAGE_LIFECYCLE, tables.images.get(image.id), image)
        tables.images.set(image.id, structuredClone(image))
      }),
    deleteImage: (id) =>
      run('deleteImage', () => {
        tables.images.delete(id)
        tables.buildLogs.delete(id)
      }),
    addBuildLog: (imageId, entries) =>
      run('addBuildLog', () => {
        for (const { step } of entries) searchable('step', step)
        tables.buildLogs.set(imageId, [...(tables.buildLogs.get(imageId) ?? []), ...structuredClone(entries)])
      }),
    ensureName: (name) =>
      run('ensureName', () => {
        searchable('name', name.name)
        const known = [...tables.names.values()].find((row) => row.teamId === name.teamId && row.name === name.name)
        if (!known) tables.names.set(name.id, structuredClone(name))
        return structuredClone(known ?? name)
      }),
    deleteName: (id) =>
      run('deleteName', () => {
        tables.names.delete(id)
        deleteTags(tables, (tag) => tag.nameId === id)
      }),
    deleteUnusedName: (teamId, name) =>
      run('deleteUnusedName', () => {
        searchable('name', name)
        const known = [...tables.names.values()].find((row) => row.teamId === teamId && row.name === name)
        const bearers = [...tables.images.values(), ...tables.snapshots.values()]
        if (known === undefined || [...tables.tags.values()].some((tag) => tag.nameId === known.id)) return
        if (bearers.some((row) => row.teamId === teamId && row.name === name && row.state !== 'deleting')) return
        tables.names.delete(known.id)
      }),
    putTag: (tag) =>
      run('putTag', () => {
        searchable('tag', tag.tag)
        if ((tag.imageId === null) === (tag.snapshotId === null)) throw new Error('a tag points to exactly one thing')
        tables.tags.set(`${tag.nameId}:${tag.tag}`, structuredClone(tag))
      }),
    deleteTag: (nameId, tag) =>
      run('deleteTag', () => {
        searchable('tag', tag)
        tables.tags.delete(`${nameId}:${tag}`)
      }),
    deleteTagsOf: (target) =>
      run('deleteTagsOf', () => deleteTags(tables, (tag) => tag.imageId === target || tag.snapshotId === target)),
    putSandbox: (sandbox) =>
      run('putSandbox', () => {
        searchable('name', sandbox.name)
        searchableLabels(sandbox.labels)
        if (isNameTaken(tables, sandbox)) {
          const { name } = sandbox
          const context = { resource: 'sandbox', name: name ?? '' } as const
          return refuse(new SpawnpointError('name_taken', `Another sandbox is named ${name}`, context))
        }
        tables.sandboxes.set(sandbox.id, structuredClone(sandbox))
      }),
    putSnapshot: (snapshot) =>
      run('putSnapshot', () => {
        searchable('name', snapshot.name)
        searchable('cacheKey', snapshot.cacheKey)
        searchableLabels(snapshot.labels)
        mustBecome(SNAPSHOT_LIFECYCLE, tables.snapshots.get(snapshot.id), snapshot)
        tables.snapshots.set(snapshot.id, structuredClone(snapshot))
      }),
    deleteSnapshot: (id) => run('deleteSnapshot', () => void tables.snapshots.delete(id)),
    putVolume: (volume) =>
      run('putVolume', () => {
        const { id, teamId, name } = volume
        searchable('name', name)
        for (const other of tables.volumes.values()) {
          if (other.id === id || other.teamId !== teamId || other.name !== name) continue
          throw new SpawnpointError('name_taken', `Another volume is named ${name}`, { resource: 'volume', name })
        }
        tables.volumes.set(id, structuredClone(volume))
      }),
    deleteVolume: (id) => run('deleteVolume', () => void tables.volumes.delete(id)),
    putRegistry: (registry, sealedPassword) =>
      run('putRegistry', () => {
        const { id, teamId, name, url, username } = registry
        for (const [field, value] of Object.entries({ name, url, username: username ?? '' })) searchable(field, value)
        for (const other of tables.registries.values()) {
          if (other.id === id || other.teamId !== teamId || other.name !== name) continue
          const context = { resource: 'registry', name } as const
          throw new SpawnpointError('name_taken', `Another registry is named ${name}`, context)
        }
        tables.registries.set(id, structuredClone(registry))
        tables.sealedPasswords.set(id, sealedPassword)
      }),
    deleteRegistry: (id) =>
      run('deleteRegistry', () => {
        tables.registries.delete(id)
        tables.sealedPasswords.delete(id)
      }),
    putSecret: (secret, sealedValue) =>
      run('putSecret', () => {
        const { id, teamId, name } = secret
        searchable('name', name)
        for (const { secret: other } of tables.secrets.values()) {
          if (other.id === id || other.teamId !== teamId || other.name !== name) continue
          throw new SpawnpointError('name_taken', `Another secret is named ${name}`, { resource: 'secret', name })
        }
        tables.secrets.set(id, structuredClone({ secret, sealedValue }))
      }),
    deleteSecret: (id) => run('deleteSecret', () => void tables.secrets.delete(id)),
    putSchedule: (schedule) =>
      run('putSchedule', () => {
        searchable('cron', schedule.cron)
        searchable('timeZone', schedule.timeZone)
        tables.schedules.set(schedule.id, structuredClone(schedule))
      }),
    putStorage: (teamId, storage) => run('putStorage', () => void tables.storage.set(teamId, structuredClone(storage))),
    deleteSchedule: (id) => run('deleteSchedule', () => void tables.schedules.delete(id)),
    putOperation: (operation) =>
      run('putOperation', () => {
        mustBeAlone(tables, operation)
        tables.operations.set(operation.id, structuredClone(operation))
      }),
    addEvent: (event) =>
      run('addEvent', () => {
        searchable('type', event.type)
        tables.lastSeq += 1
        tables.events.push({ ...structuredClone(event), seq: tables.lastSeq })
      }),
    claimIdempotency: (record) =>
      run('claimIdempotency', () => {
        searchable('key', record.key)
        const row = idempotencyRow(record.teamId, record.key)
        const known = tables.idempotency.get(row)
        if (known) return structuredClone(known)
        tables.idempotency.set(row, structuredClone(record))
        return null
      }),
    tieIdempotency: (teamId, key, operationId) =>
      run('tieIdempotency', () => {
        const row = idempotencyRow(teamId, key)
        const known = tables.idempotency.get(row)
        if (known?.operationId === null) tables.idempotency.set(row, { ...known, operationId })
      }),
    finishIdempotency: (teamId, key, response) =>
      run('finishIdempotency', () => {
        const row = idempotencyRow(teamId, key)
        const known = tables.idempotency.get(row)
        if (known) tables.idempotency.set(row, { ...known, response: structuredClone(response) })
      }),
    releaseIdempotency: (teamId, key) =>
      run('releaseIdempotency', () => void tables.idempotency.delete(idempotencyRow(teamId, key))),
    purge: (kind, before, limit) => run('purge', () => purge(tables, kind, before, limit)),
  }
}

/** A referee for tests of the core: what it writes of a record is an arrow of the table. */
function mustBecome<S extends string>(
  table: Parameters<typeof mayBecome<S>>[0],
  before: { state: S } | undefined,
  { state }: { state: S },
): void {
  if (before !== undefined && !mayBecome(table, before.state, state))
    throw new Error(`lifecycle: no arrow from '${before.state}' to '${state}'`)
}

function deleteTags(tables: LedgerTables, matches: (tag: Tag) => boolean): void {
  for (const [key, tag] of tables.tags) if (matches(tag)) tables.tags.delete(key)
}

function isNameTaken(tables: LedgerTables, { id, teamId, name, state }: Sandbox): boolean {
  if (name === null || state === 'killed') return false
  return [...tables.sandboxes.values()].some(
    (other) => other.id !== id && other.teamId === teamId && other.name === name && other.state !== 'killed',
  )
}

function mustBeAlone(tables: LedgerTables, operation: Operation): void {
  const exclusive = (candidate: Operation) =>
    candidate.state === 'open' &&
    candidate.sandboxId !== null &&
    (EXCLUSIVE_OPERATION_KINDS as readonly string[]).includes(candidate.kind)
  if (!exclusive(operation)) return
  for (const other of tables.operations.values()) {
    if (other.id === operation.id || other.sandboxId !== operation.sandboxId || !exclusive(other)) continue
    const context = { resource: 'sandbox', id: operation.sandboxId as string, operation: other.kind } as const
    throw new SpawnpointError('operation_in_progress', `${other.kind} is under way`, context)
  }
}
