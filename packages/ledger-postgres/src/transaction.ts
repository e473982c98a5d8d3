import {
  type ApiKey,
  type AuditEntry,
  type BuildLogEntry,
  type Event,
  EXCLUSIVE_OPERATION_KINDS,
  type HistoryKind,
  type IdempotencyRecord,
  type Image,
  type ImageId,
  type IncarnationId,
  isId,
  type KeyId,
  type LedgerTx,
  type Name,
  type NameId,
  type Operation,
  type OperationId,
  type Registry,
  type RegistryId,
  type Sandbox,
  type SandboxId,
  type Schedule,
  type ScheduleId,
  type Secret,
  type SecretId,
  type Snapshot,
  type SnapshotId,
  type Tag,
  type Team,
  type TeamId,
  type TeamStorage,
  type UsageInterval,
  type UsageNote,
  type Volume,
  type VolumeId,
} from '@spawnpoint/core'
import { type CompiledQuery, type Insertable, type Kysely, sql } from 'kysely'
import { keyRow, teamRow, toTeam } from './account-rows.ts'
import { beginUsage, endUsage, noteKeyUse, noteUsage, putAudit } from './account-writes.ts'
import { inProgress, nameTaken, violates } from './failures.ts'
import { claimIdempotency, finishIdempotency, releaseIdempotency, tieIdempotency } from './idempotency-writes.ts'
import { deleteName, deleteTag, deleteTagsOf, deleteUnusedName, ensureName, putTag } from './name-writes.ts'
import { readById } from './paging.ts'
import { purge } from './purge.ts'
import { PostgresReads } from './reads.ts'
import { registryRow, toRegistry } from './registry-rows.ts'
import {
  buildLogRow,
  eventRow,
  imageRow,
  instant,
  operationRow,
  sandboxRow,
  scheduleRow,
  toImage,
  toOperation,
  toSandbox,
  toSchedule,
} from './rows.ts'
import { secretRow } from './secret-rows.ts'
import { snapshotRow, toSnapshot } from './snapshot-rows.ts'
import type { Tables } from './tables.ts'
import { toVolume, volumeRow } from './volume-rows.ts'
import type { WritesBehind } from './writes-behind.ts'

/** First of the two numbers of our advisory locks: `even` in hex. */
const EVENTS_LOCK = 0x6576656e

/**
 * The writing half of one transaction; see `PostgresLedger.transact` for its begin and end. What is written often is not
 * waited for: it goes out as it is asked, reads after it find it, and if it is refused the commit is, for its reason.
 */
export class PostgresTx extends PostgresReads implements LedgerTx {
  readonly #db: Kysely<Tables>
  readonly #writes: WritesBehind
  readonly #isOver: () => boolean
  #events: Insertable<Tables['events']>[] = []

  /** `db` asks on one connection, in order and without waiting. */
  constructor(db: Kysely<Tables>, writes: WritesBehind, isOver: () => boolean) {
    super(() => db)
    this.#db = db
    this.#writes = writes
    this.#isOver = isOver
  }

  /**
   * Sends it and goes on. It is compiled by then: what is refused before it is sent has to be refused to who asks it, since
   * the database, which knows nothing of that, would commit the rest.
   */
  #behind(query: CompiledQuery, explain: (thrown: unknown) => unknown = (thrown) => thrown): void {
    if (this.#isOver()) throw new Error('This transaction has ended')
    const writing = this.#db.executeQuery(query).catch((thrown: unknown) => {
      throw explain(thrown)
    })
    this.#writes.add(writing)
  }

  lockSandbox(id: SandboxId): Promise<Sandbox | null> {
    return readById(this.#db.selectFrom('sandboxes').selectAll().forUpdate(), id, toSandbox)
  }

  lockSnapshot(id: SnapshotId): Promise<Snapshot | null> {
    return readById(this.#db.selectFrom('snapshots').selectAll().forUpdate(), id, toSnapshot)
  }

  lockImage(id: ImageId): Promise<Image | null> {
    return readById(this.#db.selectFrom('images').selectAll().forUpdate(), id, toImage)
  }

  lockVolume(id: VolumeId): Promise<Volume | null> {
    return readById(this.#db.selectFrom('volumes').selectAll().forUpdate(), id, toVolume)
  }

  lockRegistry(id: RegistryId): Promise<Registry | null> {
    return readById(this.#db.selectFrom('registries').selectAll().forUpdate(), id, toRegistry)
  }

  lockSchedule(id: ScheduleId): Promise<Schedule | null> {
    return readById(this.#db.selectFrom('schedules').selectAll().forUpdate(), id, toSchedule)
  }

  lockOperation(id: OperationId): Promise<Operation | null> {
    return readById(this.#db.selectFrom('operations').selectAll().forUpdate(), id, toOperation)
  }

  lockTeam(id: TeamId): Promise<Team | null> {
    return readById(this.#db.selectFrom('teams').selectAll().forUpdate(), id, toTeam)
  }

  async putTeam(team: Team): Promise<void> {
    const { id, ...rest } = teamRow(team)
    const query = this.#db.insertInto('teams').values({ id, ...rest })
    try {
      await query.onConflict((conflict) => conflict.column('id').doUpdateSet(rest)).execute()
    } catch (thrown) {
      throw violates(thrown, 'teams_name') ? nameTaken('team', team.name, thrown) : thrown
    }
  }

  async putKey(key: ApiKey, hash: string): Promise<void> {
    const { id, ...rest } = keyRow(key, hash)
    const query = this.#db.insertInto('api_keys').values({ id, ...rest })
    await query.onConflict((conflict) => conflict.column('id').doUpdateSet(rest)).execute()
  }

  async revokeKey(teamId: TeamId, id: KeyId, at: Date): Promise<boolean> {
    if (!isId(id)) return false
    const { numUpdatedRows } = await this.#db
      .updateTable('api_keys')
      .set({ revoked_at: instant('at', at) })
      .where('id', '=', id)
      .where('team_id', '=', teamId)
      .where('revoked_at', 'is', null)
      .executeTakeFirst()
    return numUpdatedRows > 0n
  }

  async putImage(image: Image): Promise<void> {
    const { id, ...rest } = imageRow(image)
    const query = this.#db.insertInto('images').values({ id, ...rest })
    await query.onConflict((conflict) => conflict.column('id').doUpdateSet(rest)).execute()
  }

  async deleteImage(id: ImageId): Promise<void> {
    if (!isId(id)) return
    await this.#db.deleteFrom('images').where('id', '=', id).execute()
    await this.#db.deleteFrom('build_log').where('image_id', '=', id).execute()
  }

  async addBuildLog(imageId: ImageId, entries: readonly BuildLogEntry[]): Promise<void> {
    if (entries.length === 0) return
    const row = await this.#db
      .selectFrom('build_log')
      .select((select) => select.fn.max('number').as('last'))
      .where('image_id', '=', imageId)
      .executeTakeFirst()
    const first = row?.last == null ? 0 : Number(row.last) + 1
    const rows = entries.map((entry, index) => buildLogRow(imageId, first + index, entry))
    await this.#db.insertInto('build_log').values(rows).execute()
  }

  ensureName(name: Name): Promise<Name> {
    return ensureName(this.#db, name)
  }

  deleteName(id: NameId): Promise<void> {
    return deleteName(this.#db, id)
  }

  deleteUnusedName(teamId: TeamId, name: string): Promise<void> {
    return deleteUnusedName(this.#db, teamId, name)
  }

  putTag(tag: Tag): Promise<void> {
    return putTag(this.#db, tag)
  }

  deleteTag(nameId: NameId, tag: string): Promise<void> {
    return deleteTag(this.#db, nameId, tag)
  }

  deleteTagsOf(target: ImageId | SnapshotId): Promise<void> {
    return deleteTagsOf(this.#db, target)
  }

  async putSandbox(sandbox: Sandbox): Promise<void> {
    const { id, ...rest } = sandboxRow(sandbox)
    const query = this.#db.insertInto('sandboxes').values({ id, ...rest })
    this.#behind(query.onConflict((conflict) => conflict.column('id').doUpdateSet(rest)).compile(), (thrown) =>
      violates(thrown, 'sandboxes_living_name') ? nameTaken('sandbox', sandbox.name, thrown) : thrown,
    )
  }

  async putSnapshot(snapshot: Snapshot): Promise<void> {
    const { id, ...rest } = snapshotRow(snapshot)
    const query = this.#db.insertInto('snapshots').values({ id, ...rest })
    this.#behind(query.onConflict((conflict) => conflict.column('id').doUpdateSet(rest)).compile())
  }

  async deleteSnapshot(id: SnapshotId): Promise<void> {
    if (isId(id)) await this.#db.deleteFrom('snapshots').where('id', '=', id).execute()
  }

  async putVolume(volume: Volume): Promise<void> {
    try {
      const { id, ...rest } = volumeRow(volume)
      const query = this.#db.insertInto('volumes').values({ id, ...rest })
      await query.onConflict((conflict) => conflict.column('id').doUpdateSet(rest)).execute()
    } catch (thrown) {
      throw violates(thrown, 'volumes_name') ? nameTaken('volume', volume.name, thrown) : thrown
    }
  }

  async deleteVolume(id: VolumeId): Promise<void> {
    if (isId(id)) await this.#db.deleteFrom('volumes').where('id', '=', id).execute()
  }

  async putRegistry(registry: Registry, sealedPassword: string | null): Promise<void> {
    const { id, ...rest } = registryRow(registry, sealedPassword)
    const query = this.#db.insertInto('registries').values({ id, ...rest })
    try {
      await query.onConflict((conflict) => conflict.column('id').doUpdateSet(rest)).execute()
    } catch (thrown) {
      throw violates(thrown, 'registries_name') ? nameTaken('registry', registry.name, thrown) : thrown
    }
  }

  async deleteRegistry(id: RegistryId): Promise<void> {
    if (isId(id)) await this.#db.deleteFrom('registries').where('id', '=', id).execute()
  }

  async putSecret(secret: Secret, sealedValue: string): Promise<void> {
    const { id, ...rest } = secretRow(secret, sealedValue)
    const query = this.#db.insertInto('secrets').values({ id, ...rest })
    try {
      await query.onConflict((conflict) => conflict.column('id').doUpdateSet(rest)).execute()
    } catch (thrown) {
      throw violates(thrown, 'secrets_name') ? nameTaken('secret', secret.name, thrown) : thrown
    }
  }

  async deleteSecret(id: SecretId): Promise<void> {
    if (isId(id)) await this.#db.deleteFrom('secrets').where('id', '=', id).execute()
  }

  async putSchedule(schedule: Schedule): Promise<void> {
    const { id, ...rest } = scheduleRow(schedule)
    const query = this.#db.insertInto('schedules').values({ id, ...rest })
    await query.onConflict((conflict) => conflict.column('id').doUpdateSet(rest)).execute()
  }

  async putStorage(teamId: TeamId, storage: TeamStorage): Promise<void> {
    const measured = JSON.stringify(storage)
    const query = this.#db.insertInto('storage').values({ team_id: teamId, measured })
    await query.onConflict((conflict) => conflict.column('team_id').doUpdateSet({ measured })).execute()
  }

  async deleteSchedule(id: ScheduleId): Promise<void> {
    if (isId(id)) await this.#db.deleteFrom('schedules').where('id', '=', id).execute()
  }

  async putOperation(operation: Operation): Promise<void> {
    const { id, ...rest } = operationRow(operation)
    await this.#refuseSecondExclusive(operation)
    const query = this.#db.insertInto('operations').values({ id, ...rest })
    this.#behind(query.onConflict((conflict) => conflict.column('id').doUpdateSet(rest)).compile(), (thrown) =>
      // Two at the same moment, neither of which held the sandbox's row: the index decides.
      violates(thrown, 'operations_one_exclusive') ? inProgress(operation, 'another', thrown) : thrown,
    )
  }

  async #refuseSecondExclusive({ id, sandboxId, state, kind }: Operation): Promise<void> {
    const kinds: readonly string[] = EXCLUSIVE_OPERATION_KINDS
    if (state !== 'open' || sandboxId === null || !kinds.includes(kind)) return
    const other = await this.#db
      .selectFrom('operations')
      .select('kind')
      .where('sandbox_id', '=', sandboxId)
      .where('state', '=', 'open')
      .where('kind', 'in', EXCLUSIVE_OPERATION_KINDS)
      .where('id', '<>', id)
      .executeTakeFirst()
    if (other) throw inProgress({ sandboxId }, other.kind)
  }

  /** Only checks and remembers; `#flushEvents` writes. */
  async addEvent(event: Omit<Event, 'seq'>): Promise<void> {
    if (this.#isOver()) throw new Error('An event was added to a transaction that has ended')
    this.#events.push(eventRow(event))
  }

  override async events(...request: Parameters<PostgresReads['events']>): Promise<Event[]> {
    this.#flushEvents()
    return super.events(...request)
  }

  override async latestEvent(...request: Parameters<PostgresReads['latestEvent']>): Promise<number> {
    this.#flushEvents()
    return super.latestEvent(...request)
  }

  /** The last thing before the commit. */
  finish(): void {
    this.#flushEvents()
  }

  /**
   * Writes the events added so far, so that readers who follow by number miss none.
   *
   * A sequence gives numbers in the order asked for, but transactions commit in any order: a reader could see 8, go on
   * after it, and never see 7, committed later. So whoever numbers events of a team holds the team's advisory lock until
   * its commit is visible: numbers of a team become visible in their order. The locks are taken last, after all row
   * locks and in the order of their keys, and so never close a circle with those; and they are held for one insert and
   * one commit only. A reading of events inside the transaction takes them earlier; a deadlock that this may cause is
   * retried like any other.
   */
  #flushEvents(): void {
    const rows = this.#events
    if (rows.length === 0) return
    this.#events = []
    const teams = [...new Set(rows.map((row) => row.team_id))]
    // Teams whose hashes collide wait for each other, which is harmless.
    const locking = sql`
      select pg_advisory_xact_lock(${EVENTS_LOCK}, key)
      from (select distinct hashtext(team) as key from unnest(${teams}::text[]) as team order by key) as keys
    `
    this.#behind(locking.compile(this.#db))
    this.#behind(this.#db.insertInto('events').values(rows).compile())
  }

  claimIdempotency(record: IdempotencyRecord): Promise<IdempotencyRecord | null> {
    return claimIdempotency(this.#db, record)
  }

  async tieIdempotency(teamId: TeamId, key: string, operationId: OperationId): Promise<void> {
    this.#behind(tieIdempotency(this.#db, teamId, key, operationId))
  }

  finishIdempotency(teamId: TeamId, key: string, response: { status: number; body: unknown }): Promise<void> {
    return finishIdempotency(this.#db, teamId, key, response)
  }

  releaseIdempotency(teamId: TeamId, key: string): Promise<void> {
    return releaseIdempotency(this.#db, teamId, key)
  }

  async beginUsage(interval: UsageInterval): Promise<void> {
    this.#behind(beginUsage(this.#db, interval))
  }

  async endUsage(id: IncarnationId | SnapshotId, at: Date): Promise<void> {
    this.#behind(endUsage(this.#db, id, at))
  }

  noteUsage(notes: readonly UsageNote[]): Promise<void> {
    return noteUsage(this.#db, notes)
  }

  noteKeyUse(id: KeyId, at: Date): Promise<void> {
    return noteKeyUse(this.#db, id, at)
  }

  async putAudit(entry: AuditEntry): Promise<void> {
    this.#behind(putAudit(this.#db, entry))
  }

  purge(kind: HistoryKind, before: Date, limit: number): Promise<number> {
    return purge(this.#db, kind, before, limit)
  }
}
