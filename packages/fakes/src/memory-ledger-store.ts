import type {
  ApiKey,
  AuditEntry,
  BuildLogEntry,
  Event,
  IdempotencyRecord,
  Image,
  Name,
  Operation,
  Registry,
  Sandbox,
  Schedule,
  Secret,
  Snapshot,
  Tag,
  Team,
  TeamStorage,
  Volume,
} from '@spawnpoint/core'
import { Faults } from './faults.ts'
import type { UsageRecord } from './memory-ledger-accounts.ts'

/** Rows as they stand after some commit. Rows are replaced, never changed. */
export class LedgerTables {
  readonly teams: Map<string, Team>
  readonly keys: Map<string, { key: ApiKey; hash: string }>
  readonly images: Map<string, Image>
  readonly buildLogs: Map<string, readonly BuildLogEntry[]>
  readonly names: Map<string, Name>
  /** By name's id and tag */
  readonly tags: Map<string, Tag>
  readonly sandboxes: Map<string, Sandbox>
  readonly snapshots: Map<string, Snapshot>
  readonly volumes: Map<string, Volume>
  readonly registries: Map<string, Registry>
  readonly sealedPasswords: Map<string, string | null>
  readonly secrets: Map<string, { secret: Secret; sealedValue: string }>
  readonly schedules: Map<string, Schedule>
  readonly operations: Map<string, Operation>
  readonly events: Event[]
  /** `seq` of the latest event of all, and by team of the latest that was purged */
  lastSeq: number
  readonly purgedEvents: Map<string, number>
  readonly idempotency: Map<string, IdempotencyRecord>
  readonly usage: Map<string, UsageRecord>
  readonly audit: Map<string, AuditEntry>
  readonly storage: Map<string, TeamStorage>

  constructor(from?: LedgerTables) {
    this.teams = new Map(from?.teams)
    this.keys = new Map(from?.keys)
    this.images = new Map(from?.images)
    this.buildLogs = new Map(from?.buildLogs)
    this.names = new Map(from?.names)
    this.tags = new Map(from?.tags)
    this.sandboxes = new Map(from?.sandboxes)
    this.snapshots = new Map(from?.snapshots)
    this.volumes = new Map(from?.volumes)
    this.registries = new Map(from?.registries)
    this.sealedPasswords = new Map(from?.sealedPasswords)
    this.secrets = new Map(from?.secrets)
    this.schedules = new Map(from?.schedules)
    this.operations = new Map(from?.operations)
    this.events = [...(from?.events ?? [])]
    this.lastSeq = from?.lastSeq ?? 0
    this.purgedEvents = new Map(from?.purgedEvents)
    this.idempotency = new Map(from?.idempotency)
    this.usage = new Map(from?.usage)
    this.audit = new Map(from?.audit)
    this.storage = new Map(from?.storage)
  }
}

/** What every `MemoryLedger` of one "database" shares; it outlives them. */
export class MemoryLedgerStore {
  readonly faults: Faults
  committed = new LedgerTables()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(faults: Faults = new Faults()) {
    this.faults = faults
  }

  /** Runs one piece of work at a time, in the order of the calls. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    // The next in line goes on whatever became of this one; its own caller gets the error.
    this.#turn = done.catch(() => undefined)
    return done
  }
}
