import type {
  ApiKey,
  BuildLogEntry,
  Event,
  Image,
  ImageId,
  ImageState,
  KeyId,
  Labels,
  Name,
  NameId,
  Operation,
  OperationId,
  OperationKind,
  OperationState,
  Registry,
  RegistryId,
  Sandbox,
  SandboxId,
  SandboxState,
  Schedule,
  ScheduleId,
  Secret,
  SecretId,
  Snapshot,
  SnapshotId,
  SnapshotKind,
  SnapshotState,
  Tag,
  Team,
  TeamId,
  TeamStorage,
  Volume,
  VolumeId,
} from '../model.ts'
import type { AccountReads, AccountWrites } from './ledger-accounts.ts'

/**
 * Records of everything acknowledged. What `transact` returned is durable: it survives `kill -9` of everything and a
 * power cut. Reads see all committed writes.
 */
export interface Ledger {
  /** Connects and brings the schema up to date. */
  open(): Promise<void>
  close(): Promise<void>
  /**
   * Runs `work` in one transaction. Rows read with a `lock…` call cannot change until it ends; a rejection rolls everything
   * back. `work` may run again after a serialisation failure or a deadlock, so it must have no other effects. With
   * `durability: 'later'` the transaction may be lost when the machine dies, but never without all that was committed after
   * it: for what nobody is told of before a later commit, and what does no harm if it is there alone.
   */
  transact<T>(work: (tx: LedgerTx) => Promise<T>, options?: { durability?: 'now' | 'later' }): Promise<T>
  /** Reads outside a transaction. */
  readonly read: LedgerReads
}

export interface Page<T> {
  items: T[]
  /** Pass as `after` for the next page; `null` at the end */
  next: string | null
}

export interface PageRequest {
  /** 1 to 500 */
  limit: number
  /** Opaque; an unknown or foreign value rejects `invalid_argument` */
  after?: string | undefined
}

export interface VolumeFilter {
  teamId?: TeamId | undefined
  name?: string | undefined
  nameContains?: string | undefined
}

export interface SandboxFilter {
  teamId?: TeamId | undefined
  states?: readonly SandboxState[] | undefined
  name?: string | undefined
  imageId?: ImageId | undefined
  sourceSnapshotId?: SnapshotId | undefined
  /** Only those that mount it */
  volumeId?: VolumeId | undefined
  originSnapshotId?: SnapshotId | undefined
  /** All of these pairs */
  labels?: Labels | undefined
  /** Expiring at or before */
  expiresBefore?: Date | undefined
}

export interface SnapshotFilter {
  teamId?: TeamId | undefined
  states?: SnapshotState[] | undefined
  kind?: SnapshotKind | undefined
  /** Exact name */
  name?: string | undefined
  /** Case-insensitive part of the name */
  nameContains?: string | undefined
  sandboxId?: SandboxId | undefined
  imageId?: ImageId | undefined
  parentId?: SnapshotId | undefined
  scheduleId?: ScheduleId | undefined
  labels?: Labels | undefined
  expiresBefore?: Date | undefined
  /** Default false: internal snapshots are left out */
  includeInternal?: boolean | undefined
  /** One exact key, or any (`true`); without `includeInternal` it finds nothing, since layers are internal */
  cacheKey?: string | true | undefined
}

export interface ImageFilter {
  teamId?: TeamId | undefined
  states?: ImageState[] | undefined
  name?: string | undefined
  labels?: Labels | undefined
}

/** Tags of one name, or tags that point to one of these. */
export interface TagFilter {
  nameId?: NameId | undefined
  tag?: string | undefined
  targets?: readonly string[] | undefined
}

export interface SecretFilter {
  teamId: TeamId
  id?: SecretId | undefined
  name?: string | undefined
  /** In either case */
  nameContains?: string | undefined
}

export interface RegistryFilter {
  teamId?: TeamId | undefined
  /** Exact name */
  name?: string | undefined
  /** Case-insensitive part of the name */
  nameContains?: string | undefined
}

export interface ScheduleFilter {
  teamId?: TeamId | undefined
  sandboxId?: SandboxId | undefined
}

export interface OperationFilter {
  teamId?: TeamId | undefined
  states?: OperationState[] | undefined
  kinds?: OperationKind[] | undefined
  sandboxId?: SandboxId | undefined
  snapshotId?: SnapshotId | undefined
  imageId?: ImageId | undefined
}

/** Lists are newest first (by id, descending), except events: oldest first. */
export interface LedgerReads extends AccountReads {
  team(id: TeamId): Promise<Team | null>
  teamByName(name: string): Promise<Team | null>
  /** Live key by the SHA-256 of its 256-bit hex, `null` if unknown or revoked. */
  keyByHash(hash: string): Promise<ApiKey | null>
  /** Also one that is revoked */
  key(id: KeyId): Promise<ApiKey | null>
  keys(teamId: TeamId, page: PageRequest): Promise<Page<ApiKey>>
  image(id: ImageId): Promise<Image | null>
  images(filter: ImageFilter, page: PageRequest): Promise<Page<Image>>
  sandbox(id: SandboxId): Promise<Sandbox | null>
  sandboxes(filter: SandboxFilter, page: PageRequest): Promise<Page<Sandbox>>
  snapshot(id: SnapshotId): Promise<Snapshot | null>
  snapshots(filter: SnapshotFilter, page: PageRequest): Promise<Page<Snapshot>>
  nameById(id: NameId): Promise<Name | null>
  nameByText(teamId: TeamId, name: string): Promise<Name | null>
  names(teamId: TeamId, page: PageRequest): Promise<Page<Name>>
  /** Latest set first, at most 1,000. */
  tags(filter: TagFilter): Promise<Tag[]>
  /** From entry number `offset` on, at most `limit`. */
  buildLog(imageId: ImageId, offset: number, limit: number): Promise<BuildLogEntry[]>
  registry(id: RegistryId): Promise<Registry | null>
  volume(id: VolumeId): Promise<Volume | null>
  /** Newest first. */
  volumes(filter: VolumeFilter, page: PageRequest): Promise<Page<Volume>>
  registries(filter: RegistryFilter, page: PageRequest): Promise<Page<Registry>>
  /** Its password, sealed; `null` if it has none. */
  sealedPassword(id: RegistryId): Promise<string | null>
  secrets(filter: SecretFilter, page: PageRequest): Promise<Page<Secret>>
  /** The team's secrets of these names, in any order. */
  sealedSecrets(teamId: TeamId, names: readonly string[]): Promise<{ secret: Secret; sealedValue: string }[]>
  schedule(id: ScheduleId): Promise<Schedule | null>
  schedules(filter: ScheduleFilter, page: PageRequest): Promise<Page<Schedule>>
  operation(id: OperationId): Promise<Operation | null>
  operations(filter: OperationFilter, page: PageRequest): Promise<Page<Operation>>
  /** Events with `seq > after`, at most `limit`. */
  events(filter: { teamId: TeamId; sandboxId?: SandboxId | undefined }, after: number, limit: number): Promise<Event[]>
  /** `seq` of the team's latest event, also if it was purged; 0 if there was none. What follows it is new. */
  latestEvent(teamId: TeamId): Promise<number>
  /** `seq` of the latest of the team's events that were purged, 0 if none was. A reader who has not got that far has missed some. */
  purgedEvents(teamId: TeamId): Promise<number>
  /** As last put; `null` if never. */
  storage(teamId: TeamId): Promise<TeamStorage | null>
  idempotent(teamId: TeamId, key: string): Promise<IdempotencyRecord | null>
  /** Answered records whose keys begin with `prefix`, newest first, at most `limit`. */
  idempotentUnder(teamId: TeamId, prefix: string, limit: number): Promise<IdempotencyRecord[]>
}

/** Records that are kept for a while after their end and then purged. */
export type HistoryKind = 'events' | 'operations' | 'sandboxes' | 'names' | 'keys' | 'idempotency' | 'usage' | 'audit'

export interface IdempotencyRecord {
  teamId: TeamId
  key: string
  /** Digest of the request it was first used for */
  requestHash: string
  /** The operation that it began, once it has */
  operationId: OperationId | null
  /** `null` while the first request is under way */
  response: { status: number; body: unknown } | null
  createdAt: Date
}

/**
 * Kinds that keep their sandbox in an in-between state until they end: at most one of them is open per sandbox. Snapshots and
 * forks are not among them, since they go on after the sandbox runs again; nor is a kill, which may begin beside those.
 */
export const EXCLUSIVE_OPERATION_KINDS = [
  'sandbox.create',
  'sandbox.pause',
  'sandbox.resume',
  'sandbox.stop',
  'sandbox.start',
  'sandbox.rollback',
] as const satisfies OperationKind[]

/**
 * A write may resolve before the database has accepted it. Reads after it see it, but it may still be refused: then every later
 * call rejects (with any error), and `transact` rejects with the reason of the refused write. So the work of a transaction
 * cannot recover from a refused write, and a write is certain only when `transact` has resolved.
 */
export interface LedgerTx extends LedgerReads, AccountWrites {
  /** As `sandbox`, and locks the row until the transaction ends. */
  lockSandbox(id: SandboxId): Promise<Sandbox | null>
  lockSnapshot(id: SnapshotId): Promise<Snapshot | null>
  lockImage(id: ImageId): Promise<Image | null>
  lockVolume(id: VolumeId): Promise<Volume | null>
  lockRegistry(id: RegistryId): Promise<Registry | null>
  lockSchedule(id: ScheduleId): Promise<Schedule | null>
  lockOperation(id: OperationId): Promise<Operation | null>
  /** Insert or replace, whole rows. Rejects `name_taken` if another team bears the name. */
  putTeam(team: Team): Promise<void>
  putKey(key: ApiKey, hash: string): Promise<void>
  /** False if there was none. */
  revokeKey(teamId: TeamId, id: KeyId, at: Date): Promise<boolean>
  putImage(image: Image): Promise<void>
  /** With its build log. */
  deleteImage(id: ImageId): Promise<void>
  /** Numbers go on from the last entry of this image. Preconditions: one writer per image. */
  addBuildLog(imageId: ImageId, entries: readonly BuildLogEntry[]): Promise<void>
  /** Inserts it, or returns the one that the team already has of this text. It cannot be deleted until the transaction ends. */
  ensureName(name: Name): Promise<Name>
  /** With its tags. */
  deleteName(id: NameId): Promise<void>
  /** Deletes a name that has no tags, and that no image or snapshot bears but ones that are being deleted. */
  deleteUnusedName(teamId: TeamId, name: string): Promise<void>
  /** Insert or replace. Preconditions: the name is there, see `ensureName`. */
  putTag(tag: Tag): Promise<void>
  deleteTag(nameId: NameId, tag: string): Promise<void>
  /** All that point to it. */
  deleteTagsOf(target: ImageId | SnapshotId): Promise<void>
  /** Rejects `name_taken` if another sandbox of the team bears the name and is not killed. */
  putSandbox(sandbox: Sandbox): Promise<void>
  putSnapshot(snapshot: Snapshot): Promise<void>
  deleteSnapshot(id: SnapshotId): Promise<void>
  /** Rejects `name_taken` if another volume of the team bears the name. */
  putVolume(volume: Volume): Promise<void>
  deleteVolume(id: VolumeId): Promise<void>
  /** Rejects `name_taken` if another registry of the team bears the name. */
  putRegistry(registry: Registry, sealedPassword: string | null): Promise<void>
  deleteRegistry(id: RegistryId): Promise<void>
  /** Rejects `name_taken` if another secret of the team bears the name. */
  putSecret(secret: Secret, sealedValue: string): Promise<void>
  deleteSecret(id: SecretId): Promise<void>
  putSchedule(schedule: Schedule): Promise<void>
  deleteSchedule(id: ScheduleId): Promise<void>
  putStorage(teamId: TeamId, storage: TeamStorage): Promise<void>
  /** Rejects `operation_in_progress` where `EXCLUSIVE_OPERATION_KINDS` forbid it. */
  putOperation(operation: Operation): Promise<void>
  /** Appends; the ledger gives `seq`. Events of one transaction become visible together, in commit order. */
  addEvent(event: Omit<Event, 'seq'>): Promise<void>
  /** Returns the record already there, or `null` after inserting this one. */
  claimIdempotency(record: IdempotencyRecord): Promise<IdempotencyRecord | null>
  /** Keeps with a claimed key which operation answers it; the first one tied stays. */
  tieIdempotency(teamId: TeamId, key: string, operationId: OperationId): Promise<void>
  finishIdempotency(teamId: TeamId, key: string, response: { status: number; body: unknown }): Promise<void>
  releaseIdempotency(teamId: TeamId, key: string): Promise<void>
  /**
   * Removes at most `limit` records of a kind, oldest first, and returns how many: events, audited calls and idempotency records
   * from before `before`; operations, killed sandboxes and usage intervals that ended before it; keys that were revoked and
   * names that were made before it. However old they are, these stay: open operations, and the latest operation of a living
   * sandbox; killed sandboxes that have snapshots, a living fork or an open operation; names that have a tag, or that an image or
   * snapshot bears.
   */
  purge(kind: HistoryKind, before: Date, limit: number): Promise<number>
}
