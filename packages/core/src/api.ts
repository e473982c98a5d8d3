export type * from './api/archives.ts'
export type * from './api/audit.ts'
export type * from './api/blobs.ts'
export type * from './api/browse.ts'
export type * from './api/compare.ts'
export type * from './api/credentials.ts'
export type * from './api/images.ts'
export type * from './api/keys.ts'
export type * from './api/names.ts'
export type * from './api/operations.ts'
export type * from './api/registries.ts'
export type * from './api/remotes.ts'
export type * from './api/sandboxes.ts'
export type * from './api/schedules.ts'
export type * from './api/secrets.ts'
export type * from './api/snapshots.ts'
export type * from './api/storage.ts'
export type * from './api/teams.ts'
export type * from './api/tokens.ts'
export type * from './api/trash.ts'
export type * from './api/usage.ts'
export type * from './api/volume-files.ts'
export type * from './api/volumes.ts'

import type { ArchivesApi } from './api/archives.ts'
import type { AuditApi } from './api/audit.ts'
import type { BlobsApi } from './api/blobs.ts'
import type { BrowseApi } from './api/browse.ts'
import type { CompareApi } from './api/compare.ts'
import type { ImagesApi } from './api/images.ts'
import type { KeysApi } from './api/keys.ts'
import type { NamesApi } from './api/names.ts'
import type { EventsApi, IdempotencyApi, OperationsApi } from './api/operations.ts'
import type { RegistriesApi } from './api/registries.ts'
import type { SandboxesApi } from './api/sandboxes.ts'
import type { SchedulesApi } from './api/schedules.ts'
import type { SecretsApi } from './api/secrets.ts'
import type { SnapshotsApi } from './api/snapshots.ts'
import type { StorageApi } from './api/storage.ts'
import type { TeamsApi } from './api/teams.ts'
import type { TokensApi } from './api/tokens.ts'
import type { UsageApi } from './api/usage.ts'
import type { VolumeFilesApi } from './api/volume-files.ts'
import type { VolumesApi } from './api/volumes.ts'
import type { AuditEntry, Image, KeyId, Operation, OperationId, Resources, Scope, Snapshot, TeamId } from './model.ts'
import type { RuntimeInfo } from './ports/index.ts'

/**
 * The closed list of what can be asked of Spawnpoint. Doors translate their protocol to these calls and back; nothing
 * else enters the core. Every call rejects with `SpawnpointError` only. What belongs to another team is `not_found`.
 *
 * A `ref` names a resource: a sandbox by id or by the name it bears while it lives; an image or a snapshot by
 *
 *     ID          its own (`ID:TAG` as well; the tag says nothing), or that of a name
 *     NAME        what the tag `default` of the name points to, else the latest ready one that bears the name
 *     NAME:TAG    what that tag points to; so does the id of a name in the place of NAME
 *     NAME@ID     the one of that id, if it bears the name
 *     TEAM/NAME   with or without a tag: TEAM is the name or the id of the caller's own team
 */
export interface SpawnpointApi {
  readonly runtime: RuntimeInfo
  /** What a sandbox gets where nothing else is said, and the most it may ask for */
  readonly limits: { readonly resources: Resources; readonly maxResources: Resources }
  /** Rejects `unauthenticated`. The key's prefix is cosmetic: its last 64 hex characters count. */
  authenticate(key: string): Promise<Principal>
  readonly keys: KeysApi
  readonly teams: TeamsApi
  readonly usage: UsageApi
  readonly storage: StorageApi
  readonly audit: AuditApi
  readonly names: NamesApi
  readonly blobs: BlobsApi
  readonly images: ImagesApi
  /** The image or the snapshot that `ref` names; if a name was given to both, the newer of the latest ready ones. */
  resolve(by: Principal, ref: string): Promise<Resolved>
  readonly sandboxes: SandboxesApi
  readonly snapshots: SnapshotsApi
  readonly schedules: SchedulesApi
  readonly registries: RegistriesApi
  readonly secrets: SecretsApi
  readonly volumes: VolumesApi
  readonly volumeFiles: VolumeFilesApi
  readonly archives: ArchivesApi
  readonly browse: BrowseApi
  readonly compare: CompareApi
  readonly operations: OperationsApi
  readonly events: EventsApi
  readonly idempotency: IdempotencyApi
  readonly tokens: TokensApi
}

export type Resolved = { image: Image } | { snapshot: Snapshot }

export interface Principal {
  teamId: TeamId
  /** `null` for the server itself: expiry, schedules */
  keyId: KeyId | null
  /** What the key may ask for; of nothing but a key they are looked at */
  scopes?: readonly Scope[] | undefined
  keyName?: string | undefined
  member?: string | null | undefined
  /** Set by `IdempotencyApi.once` for the work it runs */
  once?: OnceKey | undefined
  /** Set for the calls that are written to the audit log */
  audit?: AuditDraft | undefined
}

/** What will be written of a call; `accepted` is what the transaction that accepts it writes, if that is committed. */
export interface AuditDraft {
  entry: AuditEntry
  accepted: AuditEntry | null
}

/** The idempotency key that something is asked under. */
export interface OnceKey {
  key: string
  /**
   * What an earlier request with this key has done without being answered: a call of this kind gets its outcome. Rejects
   * where this request is not to be carried out; nothing may have changed by then that is not undone.
   */
  begun: Promise<Operation | null>
}

/** Work that goes on after the call has returned. Not awaiting `done` is fine: it never raises an unhandled rejection. */
export interface Started<T> {
  /** `null` where the resource already was as asked for: there was nothing to do */
  operationId: OperationId | null
  /** The resource as it was when the work was accepted */
  value: T
  /** The resource at the end, or the error that ended the work */
  done: Promise<T>
}
