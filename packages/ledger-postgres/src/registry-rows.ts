import type { Registry } from '@spawnpoint/core'
import type { Insertable, Selectable } from 'kysely'
import { instant, text } from './rows.ts'
import type { Tables } from './tables.ts'

export function registryRow(registry: Registry, sealedPassword: string | null): Insertable<Tables['registries']> {
  return {
    id: registry.id,
    team_id: registry.teamId,
    name: text('name', registry.name),
    url: text('url', registry.url),
    username: text('username', registry.username),
    sealed_password: sealedPassword,
    created_at: instant('createdAt', registry.createdAt),
    updated_at: instant('updatedAt', registry.updatedAt),
  }
}

/** Without the password, which is asked for by itself. */
export function toRegistry(row: Selectable<Tables['registries']>): Registry {
  return {
    id: row.id,
    teamId: row.team_id,
    name: row.name,
    url: row.url,
    username: row.username,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
