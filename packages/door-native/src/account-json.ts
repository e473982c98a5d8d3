import type { ApiKey, AuditEntry, TeamView, UsageRow } from '@spawnpoint/core'
import type { z } from 'zod'
import type * as schemas from './schemas/index.ts'
import { at, atOrNull } from './translate.ts'

export function keyJson(key: ApiKey): z.output<typeof schemas.apiKey> {
  return {
    id: key.id,
    name: key.name,
    hint: key.hint,
    scopes: key.scopes,
    member: key.member,
    createdAt: at(key.createdAt),
    lastUsedAt: atOrNull(key.lastUsedAt),
    revokedAt: atOrNull(key.revokedAt),
  }
}

export function teamJson(team: TeamView): z.output<typeof schemas.team> {
  return {
    id: team.id,
    name: team.name,
    snapshotRetentionMs: team.snapshotRetentionMs,
    trashMs: team.trashMs,
    limits: team.limits,
    used: team.used,
    createdAt: at(team.createdAt),
  }
}

export function auditJson(entry: AuditEntry): z.output<typeof schemas.auditEntry> {
  const { teamId: _, ...rest } = entry
  return { ...rest, at: at(entry.at) }
}

const SUMS = ['sandboxSeconds', 'cpuSeconds', 'cpuUsedSeconds', 'memoryGibSeconds', 'snapshotGibHours'] as const
const GROUPS = { team: 'teamId', day: 'day', sandbox: 'sandboxId' } as const

/** Comma-separated, with a header, and a column for each thing that it is grouped by. Nothing in it needs quotes. */
export function usageCsv(rows: readonly UsageRow[], by: readonly (keyof typeof GROUPS)[]): string {
  const groups = (['team', 'day', 'sandbox'] as const).filter((group) => by.includes(group))
  const columns = [...groups.map((group) => GROUPS[group]), ...SUMS]
  const lines = [columns.map(snakeCase), ...rows.map((row) => columns.map((column) => String(row[column] ?? '')))]
  return lines.map((line) => `${line.join(',')}\r\n`).join('')
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
