import type { Kysely } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { unavailable } from '../failures.ts'
import type { Tables } from '../tables.ts'
import * as first from './0001-first.ts'
import * as policies from './0002-policies.ts'
import * as namesAndBuilds from './0003-names-and-builds.ts'
import * as idempotencyOperation from './0004-idempotency-operation.ts'
import * as retention from './0005-retention.ts'
import * as registries from './0010-registries.ts'
import * as schedules from './0020-schedules.ts'
import * as snapshotChecks from './0030-snapshot-checks.ts'
import * as storage from './0031-storage.ts'
import * as trash from './0034-trash.ts'
import * as snapshotPolicies from './0035-snapshot-policies.ts'
import * as limitsAndScopes from './0037-limits-and-scopes.ts'
import * as usage from './0038-usage.ts'
import * as audit from './0039-audit.ts'
import * as credentials from './0042-credentials.ts'
import * as volumes from './0043-volumes.ts'
import * as restAndOrigin from './0045-rest-and-origin.ts'
import * as secrets from './0050-secrets.ts'
import * as secretLabels from './0056-secret-labels.ts'
import * as snapshotCredentials from './0060-snapshot-credentials.ts'
import * as remotes from './0061-remotes.ts'

/** In order. A migration that a release has carried is never changed again: what follows gets a number of its own. */
const MIGRATIONS: Record<string, Migration> = {
  '0001-first': first,
  '0002-policies': policies,
  '0003-names-and-builds': namesAndBuilds,
  '0004-idempotency-operation': idempotencyOperation,
  '0005-retention': retention,
  '0010-registries': registries,
  '0020-schedules': schedules,
  '0030-snapshot-checks': snapshotChecks,
  '0031-storage': storage,
  '0034-trash': trash,
  '0035-snapshot-policies': snapshotPolicies,
  '0037-limits-and-scopes': limitsAndScopes,
  '0038-usage': usage,
  '0039-audit': audit,
  '0042-credentials': credentials,
  '0043-volumes': volumes,
  '0045-rest-and-origin': restAndOrigin,
  '0050-secrets': secrets,
  '0056-secret-labels': secretLabels,
  '0060-snapshot-credentials': snapshotCredentials,
  '0061-remotes': remotes,
}

/**
 * Brings the schema `spawnpoint` up to date; several servers may do so at once, the migrator takes a lock. Rejects when
 * the database was already used by a newer server.
 */
export async function migrate(db: Kysely<Tables>): Promise<string[]> {
  const { error, results } = await migratorOf(db).migrateToLatest()
  if (error) {
    const [, unknown] = /previously executed migration (\S+) is missing/.exec(String(error)) ?? []
    throw unknown ? unavailable(`a newer server has used its database (migration ${unknown})`, error) : error
  }
  return (results ?? []).map((result) => result.migrationName)
}

/** Tests of a migration stop it before that one. */
export function migratorOf(db: Kysely<Tables>): Migrator {
  return new Migrator({
    db,
    provider: { getMigrations: async () => MIGRATIONS },
    migrationTableSchema: 'spawnpoint',
    migrationTableName: 'migrations',
    migrationLockTableName: 'migrations_lock',
  })
}
