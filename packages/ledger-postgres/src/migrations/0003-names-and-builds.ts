import { type Kysely, sql } from 'kysely'

/** Names with their tags, what a recipe adds to images and snapshots, and the log of builds. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `create table spawnpoint.names (
    id text collate "C" primary key,
    team_id text collate "C" not null,
    name text collate "C" not null,
    created_at timestamptz(3) not null,
    constraint names_of_team unique (team_id, name)
  )`,
  `create index names_team on spawnpoint.names (team_id, id)`,

  `create table spawnpoint.tags (
    name_id text collate "C" not null,
    tag text collate "C" not null,
    image_id text collate "C",
    snapshot_id text collate "C",
    created_at timestamptz(3) not null,
    primary key (name_id, tag),
    check ((image_id is null) <> (snapshot_id is null))
  )`,
  `create index tags_image on spawnpoint.tags (image_id) where image_id is not null`,
  `create index tags_snapshot on spawnpoint.tags (snapshot_id) where snapshot_id is not null`,

  `alter table spawnpoint.images
    add column resources json not null default '{}',
    add column boot_snapshot_id text collate "C",
    add column parent_image_id text collate "C"`,
  `create index images_labels on spawnpoint.images using gin (labels jsonb_path_ops)`,

  `alter table spawnpoint.snapshots add column cache_key text collate "C"`,
  `create index snapshots_cache_key on spawnpoint.snapshots (team_id, cache_key, id) where cache_key is not null`,

  `create table spawnpoint.build_log (
    image_id text collate "C" not null,
    number integer not null,
    at timestamptz(3) not null,
    level text not null check (level in ('debug', 'info', 'warn', 'error')),
    step text,
    message json not null,
    primary key (image_id, number)
  )`,
]
