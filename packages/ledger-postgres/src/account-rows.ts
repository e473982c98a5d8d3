import {
  type ApiKey,
  type AuditEntry,
  NO_LIMITS,
  type Team,
  type TeamLimits,
  type UsageInterval,
} from '@spawnpoint/core'
import type { Insertable, Selectable } from 'kysely'
import { instant, instantOrNull, text } from './rows.ts'
import type { Tables } from './tables.ts'

type Row<T extends keyof Tables> = Selectable<Tables[T]>
type NewRow<T extends keyof Tables> = Insertable<Tables[T]>

export function teamRow(team: Team): NewRow<'teams'> {
  return {
    id: team.id,
    name: text('name', team.name),
    snapshot_retention_ms: team.snapshotRetentionMs,
    trash_ms: team.trashMs,
    limits: JSON.stringify(team.limits),
    created_at: instant('createdAt', team.createdAt),
  }
}

export function toTeam(row: Row<'teams'>): Team {
  return {
    id: row.id,
    name: row.name,
    snapshotRetentionMs: row.snapshot_retention_ms,
    trashMs: row.trash_ms,
    limits: { ...NO_LIMITS, ...(row.limits as Partial<TeamLimits>) },
    createdAt: row.created_at,
  }
}

export function keyRow(key: ApiKey, hash: string): NewRow<'api_keys'> {
  return {
    id: key.id,
    team_id: key.teamId,
    name: text('name', key.name),
    hint: text('hint', key.hint),
    hash: text('hash', hash),
    scopes: key.scopes,
    member: text('member', key.member),
    created_at: instant('createdAt', key.createdAt),
    last_used_at: instantOrNull('lastUsedAt', key.lastUsedAt),
    revoked_at: instantOrNull('revokedAt', key.revokedAt),
  }
}

export function toKey(row: Row<'api_keys'>): ApiKey {
  return {
    id: row.id,
    teamId: row.team_id,
    name: row.name,
    hint: row.hint,
    scopes: row.scopes,
    member: row.member,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
  }
}

export function usageRow(interval: UsageInterval): NewRow<'usage_intervals'> {
  return {
    id: interval.id,
    kind: interval.kind,
    team_id: interval.teamId,
    sandbox_id: interval.sandboxId,
    cpus: interval.cpus,
    memory_bytes: interval.memoryBytes,
    stored_bytes: interval.storedBytes,
    started_at: instant('startedAt', interval.startedAt),
    seen_at: instant('startedAt', interval.startedAt),
    ended_at: instantOrNull('endedAt', interval.endedAt),
  }
}

export function auditRow(entry: AuditEntry): NewRow<'audit'> {
  return {
    id: entry.id,
    team_id: entry.teamId,
    at: instant('at', entry.at),
    door: text('door', entry.door),
    key_id: entry.keyId,
    key_name: text('keyName', entry.keyName),
    member: text('member', entry.member),
    what: text('what', entry.what),
    target: text('target', entry.target),
    outcome: text('outcome', entry.outcome),
    operation_id: entry.operationId,
  }
}

export function toAudit(row: Row<'audit'>): AuditEntry {
  return {
    id: row.id,
    teamId: row.team_id,
    at: row.at,
    door: row.door,
    keyId: row.key_id,
    keyName: row.key_name,
    member: row.member,
    what: row.what,
    target: row.target,
    outcome: row.outcome,
    operationId: row.operation_id,
  }
}
