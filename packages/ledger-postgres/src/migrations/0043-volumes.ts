import { type Kysely, sql } from 'kysely'

/** Volumes, and who mounts them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `create table spawnpoint.volumes (
    id text collate "C" primary key,
    team_id text collate "C" not null,
    name text not null,
    size_bytes bigint not null,
    created_at timestamptz(3) not null,
    constraint volumes_name unique (team_id, name)
  )`,
  `create index volumes_team on spawnpoint.volumes (team_id, id)`,
  `alter table spawnpoint.sandboxes add column volumes jsonb not null default '[]'`,
  `create index sandboxes_volumes on spawnpoint.sandboxes using gin (volumes jsonb_path_ops)
     where ended_at is null and volumes <> '[]'`,
  `alter table spawnpoint.snapshots add column volumes jsonb not null default '[]'`,
]
