import type {
  AuditId,
  BuildLogEntry,
  ImageId,
  ImageState,
  IncarnationId,
  KeyId,
  NameId,
  OperationId,
  OperationKind,
  OperationState,
  RegistryId,
  RootId,
  SandboxId,
  SandboxState,
  ScheduleId,
  Scope,
  SecretId,
  SnapshotId,
  SnapshotKind,
  SnapshotState,
  TeamId,
  UsageInterval,
  VolumeId,
} from '@spawnpoint/core'
import type { ColumnType, Generated } from 'kysely'

/** Documents and labels go in as JSON text and come out parsed. */
type Json = ColumnType<unknown, string, string>
type JsonOrNull = ColumnType<unknown, string | null, string | null>
/** Instants go in as ISO text in UTC: the driver's own format follows the server's time zone. */
type Instant = ColumnType<Date, string, string>
type InstantOrNull = ColumnType<Date | null, string | null, string | null>

export interface Tables {
  teams: {
    id: TeamId
    name: string
    snapshot_retention_ms: number | null
    trash_ms: number
    limits: Json
    created_at: Instant
  }
  api_keys: {
    id: KeyId
    team_id: TeamId
    name: string
    hint: string
    hash: string
    scopes: Scope[]
    member: string | null
    created_at: Instant
    last_used_at: InstantOrNull
    revoked_at: InstantOrNull
  }
  images: {
    id: ImageId
    team_id: TeamId
    name: string
    state: ImageState
    failure: JsonOrNull
    source: Json
    defaults: Json
    resources: Json
    boot_snapshot_id: SnapshotId | null
    parent_image_id: ImageId | null
    size_bytes: number
    labels: Json
    created_at: Instant
    ready_at: InstantOrNull
  }
  names: { id: NameId; team_id: TeamId; name: string; created_at: Instant }
  tags: {
    name_id: NameId
    tag: string
    image_id: ImageId | null
    snapshot_id: SnapshotId | null
    created_at: Instant
  }
  build_log: {
    image_id: ImageId
    number: number
    at: Instant
    level: BuildLogEntry['level']
    step: string | null
    message: Json
  }
  sandboxes: {
    id: SandboxId
    team_id: TeamId
    name: string | null
    state: SandboxState
    failure: JsonOrNull
    incarnation_id: IncarnationId | null
    root_id: RootId | null
    paused_snapshot_id: SnapshotId | null
    image_id: ImageId
    source_snapshot_id: SnapshotId | null
    origin_snapshot_id: SnapshotId | null
    origin_cold: boolean
    parent_sandbox_id: SandboxId | null
    defaults: Json
    env: Json
    labels: Json
    resources: Json
    volumes: Json
    remotes: Json
    network: Json
    credentials: Json
    ingress: Json
    timeout: Json
    generation: number
    created_at: Instant
    started_at: InstantOrNull
    expires_at: InstantOrNull
    halted_at: InstantOrNull
    ended_at: InstantOrNull
  }
  snapshots: {
    id: SnapshotId
    team_id: TeamId
    name: string | null
    kind: SnapshotKind
    state: SnapshotState
    failure: JsonOrNull
    internal: boolean
    cache_key: string | null
    sandbox_id: SandboxId
    parent_id: SnapshotId | null
    image_id: ImageId
    defaults: Json
    env: Json
    resources: Json
    volumes: Json
    remotes: Json
    credentials: Json
    network: JsonOrNull
    ingress: JsonOrNull
    generation: number
    requirements: JsonOrNull
    receipt: JsonOrNull
    size_bytes: number
    labels: Json
    schedule_id: ScheduleId | null
    pinned: boolean
    storage: JsonOrNull
    checked_at: InstantOrNull
    verified_at: InstantOrNull
    check_failure: JsonOrNull
    created_at: Instant
    ready_at: InstantOrNull
    expires_at: InstantOrNull
    trashed_at: InstantOrNull
    purge_at: InstantOrNull
    trashed_tags: Json
  }
  volumes: {
    id: VolumeId
    team_id: TeamId
    name: string
    size_bytes: number
    created_at: Instant
  }
  registries: {
    id: RegistryId
    team_id: TeamId
    name: string
    url: string
    username: string | null
    sealed_password: string | null
    created_at: Instant
    updated_at: Instant
  }
  secrets: {
    id: SecretId
    team_id: TeamId
    name: string
    hosts: Json
    labels: Json
    version: number
    sealed_value: string
    created_at: Instant
    updated_at: Instant
  }
  schedules: {
    id: ScheduleId
    team_id: TeamId
    sandbox_id: SandboxId
    cron: string
    time_zone: string
    kind: SnapshotKind
    keep: Json
    enabled: boolean
    created_at: Instant
    decided_until: Instant
    last_tick: JsonOrNull
  }
  storage: { team_id: TeamId; measured: Json }
  operations: {
    id: OperationId
    team_id: TeamId
    kind: OperationKind
    state: OperationState
    phase: string
    sandbox_id: SandboxId | null
    snapshot_id: SnapshotId | null
    image_id: ImageId | null
    detail: Json
    error: JsonOrNull
    created_at: Instant
    ended_at: InstantOrNull
  }
  events: {
    seq: Generated<number>
    team_id: TeamId
    type: string
    sandbox_id: SandboxId | null
    snapshot_id: SnapshotId | null
    image_id: ImageId | null
    data: Json
    at: Instant
  }
  /** By team, the latest event that is not kept any more */
  purged_events: {
    team_id: TeamId
    seq: number
  }
  usage_intervals: {
    id: IncarnationId | SnapshotId
    kind: UsageInterval['kind']
    team_id: TeamId
    sandbox_id: SandboxId
    cpus: number
    memory_bytes: number
    stored_bytes: number
    started_at: Instant
    seen_at: Instant
    ended_at: InstantOrNull
  }
  usage_cpu: { id: IncarnationId; day: string; cpu_ms: number }
  audit: {
    id: AuditId
    team_id: TeamId
    at: Instant
    door: string
    key_id: KeyId | null
    key_name: string | null
    member: string | null
    what: string
    target: string | null
    outcome: string
    operation_id: OperationId | null
  }
  idempotency: {
    team_id: TeamId
    key: string
    request_hash: string
    operation_id: OperationId | null
    response: JsonOrNull
    created_at: Instant
  }
}

/** `true` where both unions have the same members. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false

/**
 * The states that the schema's checks allow. A state new in the model does not compile here until a migration has
 * widened the check.
 */
type KnownImageState = 'building' | 'ready' | 'failed' | 'deleting'
type KnownSandboxState =
  | ('creating' | 'running' | 'snapshotting' | 'pausing' | 'paused' | 'resuming' | 'stopping' | 'stopped')
  | ('starting' | 'rolling_back' | 'killing' | 'killed' | 'failed')
type KnownSnapshotState = 'creating' | 'ready' | 'failed' | 'trashed' | 'deleting'
true satisfies Same<KnownImageState, ImageState>
true satisfies Same<KnownSandboxState, SandboxState>
true satisfies Same<KnownSnapshotState, SnapshotState>
true satisfies Same<'memory' | 'filesystem', SnapshotKind>
true satisfies Same<'debug' | 'info' | 'warn' | 'error', BuildLogEntry['level']>
true satisfies Same<'incarnation' | 'snapshot', UsageInterval['kind']>
true satisfies Same<'open' | 'done' | 'failed', OperationState>
