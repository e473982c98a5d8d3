import type { Secret } from '@spawnpoint/core'
import type { Insertable, Selectable } from 'kysely'
import { instant, json, labelsJson, text } from './rows.ts'
import type { Tables } from './tables.ts'

export function secretRow(secret: Secret, sealedValue: string): Insertable<Tables['secrets']> {
  return {
    id: secret.id,
    team_id: secret.teamId,
    name: text('name', secret.name),
    hosts: json(secret.hosts),
    labels: labelsJson(secret.labels),
    version: secret.version,
    sealed_value: sealedValue,
    created_at: instant('createdAt', secret.createdAt),
    updated_at: instant('updatedAt', secret.updatedAt),
  }
}

/** Without the value, which is asked for by itself. */
export function toSecret(row: Selectable<Tables['secrets']>): Secret {
  return {
    id: row.id,
    teamId: row.team_id,
    name: row.name,
    hosts: row.hosts as Secret['hosts'],
    labels: row.labels as Secret['labels'],
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
