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
import { all, before, contains, equal, expired, hasLabels, oneOf } from './conditions.ts'
import { readCursor, toPage } from './paging.ts'
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
    if (!isId(id)) return null
    const row = await this.#db().selectFrom('teams').selectAll().where('id', '=', id).executeTakeFirst()
    return row ? toTeam(row) : null
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

  async keys(teamId: TeamId, page: PageRequest): Promise<Page<ApiKey>> {
    const after = readCursor('keys', page)
    let query = this.#db()
      .selectFrom('api_keys')
      .selectAll()
      .where('team_id', '=', text('teamId', teamId) as TeamId)
    if (after !== null) query = query.where(sql<string>`id`, '<', after)
    const rows = await query
      .orderBy('id', 'desc')
      .limit(page.limit + 1)
      .execute()
    return toPage('keys', rows, page.limit, toKey)
  }

  async image(id: ImageId): Promise<Image | null> {
    if (!isId(id)) return null
    const row = await this.#db().selectFrom('images').selectAll().where('id', '=', id).executeTakeFirst()
    return row ? toImage(row) : null
  }

  async images(filter: ImageFilter, page: PageRequest): Promise<Page<Image>> {
    const after = readCursor('images', page)
    const rows = await this.#db()
      .selectFrom('images')
      .selectAll()
      .where(
        all([
          equal('team_id', filter.teamId),
          oneOf('state', filter.states),
          equal('name', filter.name),
          hasLabels(filter.labels),
          before(after),
        ]),
      )
      .orderBy('id', 'desc')
      .limit(page.limit + 1)
      .execute()
    return toPage('images', rows, page.limit, toImage)
  }

  async nameById(id: NameId): Promise<Name | null> {
    if (!isId(id)) return null
    const row = await this.#db().selectFrom('names').selectAll().where('id', '=', id).executeTakeFirst()
    return row ? toName(row) : null
  }

  async nameByText(teamId: TeamId, name: string): Promise<Name | null> {
    const query = this.#db().selectFrom('names').selectAll().where('team_id', '=', teamId)
    const row = await query.where('name', '=', text('name', name)).executeTakeFirst()
    return row ? toName(row) : null
  }

  async names(teamId: TeamId, page: PageRequest): Promise<Page<Name>> {
    const after = readCursor('names', page)
    const rows = await this.#db()
      .selectFrom('names')
      .selectAll()
      .where(all([equal('team_id', teamId), before(after)]))
      .orderBy('id', 'desc')
      .limit(page.limit + 1)
      .execute()
    return toPage('names', rows, page.limit, toName)
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
    if (!isId(id)) return null
    const row = await this.#db().selectFrom('sandboxes').selectAll().where('id', '=', id).executeTakeFirst()
    return row ? toSandbox(row) : null
  }

  async sandboxes(filter: SandboxFilter, page: PageRequest): Promise<Page<Sandbox>> {
    const after = readCursor('sandboxes', page)
    const rows = await this.#db()
      .selectFrom('sandboxes')
      .selectAll()
      .where(
        all([
          equal('team_id', filter.teamId),
          oneOf('state', filter.states),
          equal('name', filter.name),
          equal('image_id', filter.imageId),
          equal('source_snapshot_id', filter.sourceSnapshotId),
          mounts(filter.volumeId),
          equal('origin_snapshot_id', filter.originSnapshotId),
          hasLabels(filter.labels),
          expired(filter.expiresBefore),
          before(after),
        ]),
      )
      .orderBy('id', 'desc')
      .limit(page.limit + 1)
      .execute()
    return toPage('sandboxes', rows, page.limit, toSandbox)
  }

  async snapshot(id: SnapshotId): Promise<Snapshot | null> {
    if (!isId(id)) return null
    const row = await this.#db().selectFrom('snapshots').selectAll().where('id', '=', id).executeTakeFirst()
    return row ? toSnapshot(row) : null
  }

  async snapshots(filter: SnapshotFilter, page: PageRequest): Promise<Page<Snapshot>> {
    const after = readCursor('snapshots', page)
    const rows = await this.#db()
      .selectFrom('snapshots')
      .selectAll()
      .where(
        all([
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
          before(after),
        ]),
      )
      .orderBy('id', 'desc')
      .limit(page.limit + 1)
      .execute()
    return toPage('snapshots', rows, page.limit, toSnapshot)
  }

  async volume(id: VolumeId): Promise<Volume | null> {
    if (!isId(id)) return null
    const row = await this.#db().selectFrom('volumes').selectAll().where('id', '=', id).executeTakeFirst()
    return row ? toVolume(row) : null
  }

  async volumes(filter: VolumeFilter, page: PageRequest): Promise<Page<Volume>> {
    const after = readCursor('volumes', page)
    const rows = await this.#db()
      .selectFrom('volumes')
      .selectAll()
      .where(
        all([
          equal('team_id', filter.teamId),
          equal('name', filter.name),
          contains('name', filter.nameContains),
          before(after),
        ]),
      )
      .orderBy('id', 'desc')
      .limit(page.limit + 1)
      .execute()
    return toPage('volumes', rows, page.limit, toVolume)
  }

  async registry(id: RegistryId): Promise<Registry | null> {
    if (!isId(id)) return null
    const row = await this.#db().selectFrom('registries').selectAll().where('id', '=', id).executeTakeFirst()
    return row ? toRegistry(row) : null
  }

  async sealedPassword(id: RegistryId): Promise<string | null> {
    if (!isId(id)) return null
    const query = this.#db().selectFrom('registries').select('sealed_password').where('id', '=', id)
    return (await query.executeTakeFirst())?.sealed_password ?? null
  }

  async registries(filter: RegistryFilter, page: PageRequest): Promise<Page<Registry>> {
    const after = readCursor('registries', page)
    const rows = await this.#db()
      .selectFrom('registries')
      .selectAll()
      .where(
        all([
          equal('team_id', filter.teamId),
          equal('name', filter.name),
          contains('name', filter.nameContains),
          before(after),
        ]),
      )
      .orderBy('id', 'desc')
      .limit(page.limit + 1)
      .execute()
    return toPage('registries', rows, page.limit, toRegistry)
  }

  async schedule(id: ScheduleId): Promise<Schedule | null> {
    if (!isId(id)) return null
    const row = await this.#db().selectFrom('schedules').selectAll().where('id', '=', id).executeTakeFirst()
    return row ? toSchedule(row) : null
  }

  async schedules(filter: ScheduleFilter, page: PageRequest): Promise<Page<Schedule>> {
    const after = readCursor('schedules', page)
    const rows = await this.#db()
      .selectFrom('schedules')
      .selectAll()
      .where(all([equal('team_id', filter.teamId), equal('sandbox_id', filter.sandboxId), before(after)]))
      .orderBy('id', 'desc')
      .limit(page.limit + 1)
      .execute()
    return toPage('schedules', rows, page.limit, toSchedule)
  }

  async operation(id: OperationId): Promise<Operation | null> {
    if (!isId(id)) return null
    const row = await this.#db().selectFrom('operations').selectAll().where('id', '=', id).executeTakeFirst()
    return row ? toOperation(row) : null
  }

  async operations(filter: OperationFilter, page: PageRequest): Promise<Page<Operation>> {
    const after = readCursor('operations', page)
    const rows = await this.#db()
      .selectFrom('operations')
      .selectAll()
      .where(
        all([
          equal('team_id', filter.teamId),
          oneOf('state', filter.states),
          oneOf('kind', filter.kinds),
          equal('sandbox_id', filter.sandboxId),
          equal('snapshot_id', filter.snapshotId),
          equal('image_id', filter.imageId),
          before(after),
        ]),
      )
      .orderBy('id', 'desc')
      .limit(page.limit + 1)
      .execute()
    return toPage('operations', rows, page.limit, toOperation)
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
}

/** As its partial index has it: those that are killed mount nothing. */
function mounts(id: VolumeId | undefined) {
  if (id === undefined) return null
  return sql<boolean>`(ended_at is null and volumes <> '[]' and volumes @> ${JSON.stringify([{ volumeId: id }])}::jsonb)`
}
