import type { Volume } from '@spawnpoint/core'
import type { Insertable, Selectable } from 'kysely'
import { instant, text } from './rows.ts'
import type { Tables } from './tables.ts'

export function volumeRow(volume: Volume): Insertable<Tables['volumes']> {
  return {
    id: volume.id,
    team_id: volume.teamId,
    name: text('name', volume.name),
    size_bytes: volume.sizeBytes,
    created_at: instant('createdAt', volume.createdAt),
  }
}

export function toVolume(row: Selectable<Tables['volumes']>): Volume {
  return {
    id: row.id,
    teamId: row.team_id,
    name: row.name,
    sizeBytes: row.size_bytes,
    createdAt: row.created_at,
  }
}
