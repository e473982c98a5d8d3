import {
  type ApiKey,
  type BuildLogEntry,
  type Event,
  type IdempotencyRecord,
  type Image,
  type ImageFilter,
  type ImageId,
  invalidArgument,
  isId,
  type KeyId,
  type LedgerReads,
  type Name,
  type NameId,
  type Operation,
  type OperationFilter,
  type OperationId,
  type Page,
  type PageRequest,
  type Registry,
  type RegistryFilter,
  type RegistryId,
  type Sandbox,
  type SandboxFilter,
  type SandboxId,
  type Schedule,
  type ScheduleFilter,
  type ScheduleId,
  type Secret,
  type SecretFilter,
  type Snapshot,
  type SnapshotFilter,
  type SnapshotId,
  type Tag,
  type TagFilter,
  type Team,
  type TeamId,
  type TeamStorage,
  type Volume,
  type VolumeFilter,
  type VolumeId,
} from '@spawnpoint/core'
import { type Kysely, sql } from 'kysely'
import { PostgresAccountReads } from './account-reads.ts'
import { toKey, toTeam } from './account-rows.ts'
import { all, contains, equal, expired, hasLabels, oneOf } from './conditions.ts'
import { readById, readPage } from './paging.ts'
import { toRegistry } from './registry-rows.ts'
import {
  text,
  toBuildLogEntry,
  toEvent,
  toIdempotency,
  toImage,
  toName,
  toOperation,
  toSandbox,
  toSchedule,
  toTag,
} from './rows.ts'
import { toSecret } from './secret-rows.ts'
import { toSnapshot } from './snapshot-rows.ts'
import type { Tables } from './tables.ts'
import { toVolume } from './volume-rows.ts'

/** Most rows of one answer of `tags`. */
const MAX_TAGS = 1_000

/** Reads over whatever connection `db` gives: the pool's, or the one of a transaction. */
export class PostgresReads extends PostgresAccountReads implements LedgerReads {
  readonly #db: () => Kysely<Tables>

  constructor(db: () => Kysely<Tables>) {
    super(db)
    this.#db = db
  }

  async team(id: TeamId): Promise<Team | null> {
    return readById(this.#db().selectFrom('teams').selectAll(), id, toTeam)
  }

  async teamByName(name: string): Promise<Team | null> {
    const query = this.#db().selectFrom('teams').selectAll().where('name', '=', text('name', name))
    const row = await query.executeTakeFirst()
    return row ? toTeam(row) : null
  }

  async keyByHash(hash: string): Promise<ApiKey | null> {
    // Nothing with these characters was ever stored.
    if (hash.includes('\0') || !hash.isWellFormed()) return null
    const query = this.#db().selectFrom('api_keys').selectAll().where('hash', '=', hash).where('revoked_at', 'is', null)
    const row = await query.executeTakeFirst()
    return row ? toKey(row) : null
  }

  async key(id: KeyId): Promise<ApiKey | null> {
    const row = await this.#db().selectFrom('api_keys').selectAll().where('id', '=', id).executeTakeFirst()
    return row ? toKey(row) : null
  }

  async keys(teamId: TeamId, page: PageRequest): Promise<Page<ApiKey>> {
    const rows = this.#db().selectFrom('api_keys').selectAll()
    return readPage('keys', rows, [equal('team_id', teamId)], page, toKey)
  }

  async image(id: ImageId): Promise<Image | null> {
    return readById(this.#db().selectFrom('images').selectAll(), id, toImage)
  }

  async images(filter: ImageFilter, page: PageRequest): Promise<Page<Image>> {
    const rows = this.#db().selectFrom('images').selectAll()
    return readPage(
      'images',
      rows,
      [
        equal('team_id', filter.teamId),
        oneOf('state', filter.states),
        equal('name', filter.name),
        hasLabels(filter.labels),
      ],
      page,
      toImage,
    )
  }

  async nameById(id: NameId): Promise<Name | null> {
    return readById(this.#db().selectFrom('names').selectAll(), id, toName)
  }

  async nameByText(teamId: TeamId, name: string): Promise<Name | null> {
    const query = this.#db().selectFrom('names').selectAll().where('team_id', '=', teamId)
    const row = await query.where('name', '=', text('name', name)).executeTakeFirst()
    return row ? toName(row) : null
  }

  async names(teamId: TeamId, page: PageRequest): Promise<Page<Name>> {
    const rows = this.#db().selectFrom('names').selectAll()
    return readPage('names', rows, [equal('team_id', teamId)], page, toName)
  }

  async tags(filter: TagFilter): Promise<Tag[]> {
    const targets = filter.targets?.filter(isId)
    const rows = await this.#db()
      .selectFrom('tags')
      .selectAll()
      .where(
        all([
          equal('name_id', filter.nameId),
          equal('tag', filter.tag),
          targets === undefined
            ? null
            : sql<boolean>`(image_id = any(${targets}::text[]) or snapshot_id = any(${targets}::text[]))`,
        ]),
      )
      .orderBy('created_at', 'desc')
      .orderBy('tag')
      .limit(MAX_TAGS)
      .execute()
    return rows.map(toTag)
  }

  async buildLog(imageId: ImageId, offset: number, limit: number): Promise<BuildLogEntry[]> {
    if (!isId(imageId)) return []
    const query = this.#db().selectFrom('build_log').selectAll().where('image_id', '=', imageId)
    const rows = await query.where('number', '>=', offset).orderBy('number').limit(limit).execute()
    return rows.map(toBuildLogEntry)
  }

  async sandbox(id: SandboxId): Promise<Sandbox | null> {
    return readById(this.#db().selectFrom('sandboxes').selectAll(), id, toSandbox)
  }

  async sandboxes(filter: SandboxFilter, page: PageRequest): Promise<Page<Sandbox>> {
    const rows = this.#db().selectFrom('sandboxes').selectAll()
    return readPage(
      'sandboxes',
      rows,
      [
        equal('team_id', filter.teamId),
        oneOf('state', filter.states),
        equal('name', filter.name),
        equal('image_id', filter.imageId),
        equal('source_snapshot_id', filter.sourceSnapshotId),
        mounts(filter.volumeId),
        equal('origin_snapshot_id', filter.originSnapshotId),
        hasLabels(filter.labels),
        expired(filter.expiresBefore),
      ],
      page,
      toSandbox,
    )
  }

  async snapshot(id: SnapshotId): Promise<Snapshot | null> {
    return readById(this.#db().selectFrom('snapshots').selectAll(), id, toSnapshot)
  }

  async snapshots(filter: SnapshotFilter, page: PageRequest): Promise<Page<Snapshot>> {
    const rows = this.#db().selectFrom('snapshots').selectAll()
    return readPage(
      'snapshots',
      rows,
      [
        equal('team_id', filter.teamId),
        oneOf('state', filter.states),
        equal('kind', filter.kind),
        equal('name', filter.name),
        contains('name', filter.nameContains),
        equal('sandbox_id', filter.sandboxId),
        equal('image_id', filter.imageId),
        equal('parent_id', filter.parentId),
        equal('schedule_id', filter.scheduleId),
        hasLabels(filter.labels),
        expired(filter.expiresBefore),
        filter.includeInternal ? null : sql<boolean>`not internal`,
        filter.cacheKey === true ? sql<boolean>`cache_key is not null` : equal('cache_key', filter.cacheKey),
      ],
      page,
      toSnapshot,
    )
  }

  async volume(id: VolumeId): Promise<Volume | null> {
    return readById(this.#db().selectFrom('volumes').selectAll(), id, toVolume)
  }

  async volumes(filter: VolumeFilter, page: PageRequest): Promise<Page<Volume>> {
    const rows = this.#db().selectFrom('volumes').selectAll()
    return readPage(
      'volumes',
      rows,
      [equal('team_id', filter.teamId), equal('name', filter.name), contains('name', filter.nameContains)],
      page,
      toVolume,
    )
  }

  async registry(id: RegistryId): Promise<Registry | null> {
    return readById(this.#db().selectFrom('registries').selectAll(), id, toRegistry)
  }

  async sealedPassword(id: RegistryId): Promise<string | null> {
    if (!isId(id)) return null
    const query = this.#db().selectFrom('registries').select('sealed_password').where('id', '=', id)
    return (await query.executeTakeFirst())?.sealed_password ?? null
  }

  async registries(filter: RegistryFilter, page: PageRequest): Promise<Page<Registry>> {
    const rows = this.#db().selectFrom('registries').selectAll()
    return readPage(
      'registries',
      rows,
      [equal('team_id', filter.teamId), equal('name', filter.name), contains('name', filter.nameContains)],
      page,
      toRegistry,
    )
  }

  async secrets(filter: SecretFilter, page: PageRequest): Promise<Page<Secret>> {
    const rows = this.#db().selectFrom('secrets').selectAll()
    return readPage(
      'secrets',
      rows,
      [
        equal('team_id', filter.teamId),
        equal('id', filter.id),
        equal('name', filter.name),
        contains('name', filter.nameContains),
      ],
      page,
      toSecret,
    )
  }

  async sealedSecrets(teamId: TeamId, names: readonly string[]) {
    if (names.length === 0) return []
    const rows = await this.#db()
      .selectFrom('secrets')
      .selectAll()
      .where('team_id', '=', text('teamId', teamId) as TeamId)
      .where(
        'name',
        'in',
        names.map((name) => text('name', name)),
      )
      .execute()
    return rows.map((row) => ({ secret: toSecret(row), sealedValue: row.sealed_value }))
  }

  async schedule(id: ScheduleId): Promise<Schedule | null> {
    return readById(this.#db().selectFrom('schedules').selectAll(), id, toSchedule)
  }

  async schedules(filter: ScheduleFilter, page: PageRequest): Promise<Page<Schedule>> {
    const rows = this.#db().selectFrom('schedules').selectAll()
    return readPage(
      'schedules',
      rows,
      [equal('team_id', filter.teamId), equal('sandbox_id', filter.sandboxId)],
      page,
      toSchedule,
    )
  }

  async operation(id: OperationId): Promise<Operation | null> {
    return readById(this.#db().selectFrom('operations').selectAll(), id, toOperation)
  }

  async operations(filter: OperationFilter, page: PageRequest): Promise<Page<Operation>> {
    const rows = this.#db().selectFrom('operations').selectAll()
    return readPage(
      'operations',
      rows,
      [
        equal('team_id', filter.teamId),
        oneOf('state', filter.states),
        oneOf('kind', filter.kinds),
        equal('sandbox_id', filter.sandboxId),
        equal('snapshot_id', filter.snapshotId),
        equal('image_id', filter.imageId),
      ],
      page,
      toOperation,
    )
  }

  async events(
    filter: { teamId: TeamId; sandboxId?: SandboxId | undefined },
    after: number,
    limit: number,
  ): Promise<Event[]> {
    if (!Number.isSafeInteger(after) || after < 0) throw invalidArgument('after', 'must be a whole number from 0')
    if (!Number.isSafeInteger(limit) || limit < 1) throw invalidArgument('limit', 'must be a whole number from 1')
    const rows = await this.#db()
      .selectFrom('events')
      .selectAll()
      .where(all([equal('team_id', filter.teamId), equal('sandbox_id', filter.sandboxId)]))
      .where('seq', '>', after)
      .orderBy('seq')
      .limit(limit)
      .execute()
    return rows.map(toEvent)
  }

  async latestEvent(teamId: TeamId): Promise<number> {
    const query = this.#db().selectFrom('events').select('seq').where('team_id', '=', teamId)
    const row = await query.orderBy('seq', 'desc').limit(1).executeTakeFirst()
    return row === undefined ? this.purgedEvents(teamId) : Number(row.seq)
  }

  async purgedEvents(teamId: TeamId): Promise<number> {
    const query = this.#db().selectFrom('purged_events').select('seq').where('team_id', '=', teamId)
    const row = await query.executeTakeFirst()
    return row === undefined ? 0 : Number(row.seq)
  }

  async storage(teamId: TeamId): Promise<TeamStorage | null> {
    const query = this.#db().selectFrom('storage').selectAll().where('team_id', '=', teamId)
    const row = await query.executeTakeFirst()
    if (!row) return null
    const measured = row.measured as Omit<TeamStorage, 'at'> & { at: string }
    return { ...measured, at: new Date(measured.at) }
  }

  async idempotent(teamId: TeamId, key: string): Promise<IdempotencyRecord | null> {
    const query = this.#db().selectFrom('idempotency').selectAll().where('team_id', '=', teamId)
    const row = await query.where('key', '=', text('key', key)).executeTakeFirst()
    return row ? toIdempotency(row) : null
  }

  async idempotentUnder(teamId: TeamId, prefix: string, limit: number): Promise<IdempotencyRecord[]> {
    // Keys are compared byte by byte, and this is the last character there is.
    const beyond = `${text('prefix', prefix)}\u{10ffff}`
    const query = this.#db().selectFrom('idempotency').selectAll().where('team_id', '=', teamId)
    const under = query.where('key', '>=', prefix).where('key', '<', beyond).where('response', 'is not', null)
    const rows = await under.orderBy('created_at', 'desc').orderBy('key', 'desc').limit(limit).execute()
    return rows.map(toIdempotency)
  }
}

/** As its partial index has it: those that are killed mount nothing. */
function mounts(id: VolumeId | undefined) {
  if (id === undefined) return null
  return sql<boolean>`(ended_at is null and volumes <> '[]' and volumes @> ${JSON.stringify([{ volumeId: id }])}::jsonb)`
}
