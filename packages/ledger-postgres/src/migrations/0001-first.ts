import { type Kysely, sql } from 'kysely'

/**
 * The first schema.
 *
 * What is filtered, ordered or constrained has a typed column. Documents are `json`, not `jsonb`: they carry what guests
 * print, and `jsonb` refuses NUL and lone surrogates, and forgets the order of fields. Labels are `jsonb` for their
 * index. Ids sort by byte whatever the locale of a foreign database is. There are no foreign keys: an operation names
 * the sandbox that it is about to create, a snapshot outlives the sandbox that it came from.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `create table spawnpoint.teams (
    id text collate "C" primary key,
    name text not null,
    created_at timestamptz(3) not null
  )`,

  `create table spawnpoint.api_keys (
    id text collate "C" primary key,
    team_id text collate "C" not null,
    name text not null,
    hint text not null,
    hash text collate "C" not null constraint api_keys_hash unique,
    created_at timestamptz(3) not null,
    last_used_at timestamptz(3),
    revoked_at timestamptz(3)
  )`,
  `create index api_keys_team on spawnpoint.api_keys (team_id, id)`,

  `create table spawnpoint.images (
    id text collate "C" primary key,
    team_id text collate "C" not null,
    name text not null,
    state text not null check (state in ('building', 'ready', 'failed', 'deleting')),
    failure json,
    source json not null,
    defaults json not null,
    size_bytes bigint not null check (size_bytes >= 0),
    labels jsonb not null check (jsonb_typeof(labels) = 'object'),
    created_at timestamptz(3) not null,
    ready_at timestamptz(3)
  )`,
  `create index images_team on spawnpoint.images (team_id, id)`,
  `create index images_name on spawnpoint.images (team_id, name, id)`,
  `create index images_state on spawnpoint.images (state, id)`,

  `create table spawnpoint.sandboxes (
    id text collate "C" primary key,
    team_id text collate "C" not null,
    name text,
    state text not null check (state in ('creating', 'running', 'snapshotting', 'pausing', 'paused', 'resuming',
      'stopping', 'stopped', 'starting', 'rolling_back', 'killing', 'killed', 'failed')),
    failure json,
    incarnation_id text collate "C",
    root_id text collate "C",
    paused_snapshot_id text collate "C",
    image_id text collate "C" not null,
    source_snapshot_id text collate "C",
    parent_sandbox_id text collate "C",
    defaults json not null,
    env json not null,
    labels jsonb not null check (jsonb_typeof(labels) = 'object'),
    resources json not null,
    network json not null,
    timeout json not null,
    generation bigint not null,
    created_at timestamptz(3) not null,
    started_at timestamptz(3),
    expires_at timestamptz(3),
    ended_at timestamptz(3)
  )`,
  `create index sandboxes_team on spawnpoint.sandboxes (team_id, id)`,
  `create index sandboxes_name on spawnpoint.sandboxes (team_id, name, id) where name is not null`,
  `create unique index sandboxes_living_name on spawnpoint.sandboxes (team_id, name)
    where name is not null and state <> 'killed'`,
  `create index sandboxes_state on spawnpoint.sandboxes (state, id)`,
  `create index sandboxes_team_state on spawnpoint.sandboxes (team_id, state, id)`,
  `create index sandboxes_image on spawnpoint.sandboxes (image_id, id)`,
  `create index sandboxes_source_snapshot on spawnpoint.sandboxes (source_snapshot_id, id)
    where source_snapshot_id is not null`,
  `create index sandboxes_expiry on spawnpoint.sandboxes (expires_at) where expires_at is not null`,
  `create index sandboxes_labels on spawnpoint.sandboxes using gin (labels jsonb_path_ops)`,

  `create table spawnpoint.snapshots (
    id text collate "C" primary key,
    team_id text collate "C" not null,
    name text,
    kind text not null check (kind in ('memory', 'filesystem')),
    state text not null check (state in ('creating', 'ready', 'failed', 'deleting')),
    failure json,
    internal boolean not null,
    sandbox_id text collate "C" not null,
    parent_id text collate "C",
    image_id text collate "C" not null,
    defaults json not null,
    env json not null,
    resources json not null,
    generation bigint not null,
    requirements json,
    receipt json,
    size_bytes bigint not null check (size_bytes >= 0),
    labels jsonb not null check (jsonb_typeof(labels) = 'object'),
    created_at timestamptz(3) not null,
    ready_at timestamptz(3),
    expires_at timestamptz(3)
  )`,
  `create index snapshots_team on spawnpoint.snapshots (team_id, id)`,
  `create index snapshots_name on spawnpoint.snapshots (team_id, name, id) where name is not null`,
  `create index snapshots_state on spawnpoint.snapshots (state, id)`,
  `create index snapshots_sandbox on spawnpoint.snapshots (sandbox_id, id)`,
  `create index snapshots_image on spawnpoint.snapshots (image_id, id)`,
  `create index snapshots_parent on spawnpoint.snapshots (parent_id, id) where parent_id is not null`,
  `create index snapshots_expiry on spawnpoint.snapshots (expires_at) where expires_at is not null`,
  `create index snapshots_labels on spawnpoint.snapshots using gin (labels jsonb_path_ops)`,

  `create table spawnpoint.operations (
    id text collate "C" primary key,
    team_id text collate "C" not null,
    kind text not null,
    state text not null check (state in ('open', 'done', 'failed')),
    phase text not null,
    sandbox_id text collate "C",
    snapshot_id text collate "C",
    image_id text collate "C",
    detail json not null,
    error json,
    created_at timestamptz(3) not null,
    ended_at timestamptz(3)
  )`,
  `create index operations_team on spawnpoint.operations (team_id, id)`,
  `create index operations_open on spawnpoint.operations (id) where state = 'open'`,
  `create index operations_sandbox on spawnpoint.operations (sandbox_id, id) where sandbox_id is not null`,
  `create index operations_snapshot on spawnpoint.operations (snapshot_id, id) where snapshot_id is not null`,
  `create index operations_image on spawnpoint.operations (image_id, id) where image_id is not null`,
  // The last net under the row lock and the state of the sandbox: `EXCLUSIVE_OPERATION_KINDS` of the port.
  `create unique index operations_one_exclusive on spawnpoint.operations (sandbox_id)
    where state = 'open' and kind in ('sandbox.create', 'sandbox.pause', 'sandbox.resume', 'sandbox.stop',
      'sandbox.start', 'sandbox.rollback')`,

  `create table spawnpoint.events (
    seq bigserial primary key,
    team_id text collate "C" not null,
    type text not null,
    sandbox_id text collate "C",
    snapshot_id text collate "C",
    image_id text collate "C",
    data json not null,
    at timestamptz(3) not null
  )`,
  `create index events_team on spawnpoint.events (team_id, seq)`,
  `create index events_sandbox on spawnpoint.events (sandbox_id, seq) where sandbox_id is not null`,

  `create table spawnpoint.idempotency (
    team_id text collate "C" not null,
    key text collate "C" not null,
    request_hash text not null,
    response json,
    created_at timestamptz(3) not null,
    primary key (team_id, key)
  )`,
]
