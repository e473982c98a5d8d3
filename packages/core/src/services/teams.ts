import type { KeysApi, Principal, TeamsApi, TeamView } from '../api.ts'
import { invalidArgument, notFound } from '../errors.ts'
import { isId, newId, type TeamId } from '../ids.ts'
import type { ApiKey, LimitsChange, Team, TeamLimits } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { LedgerReads, PageRequest } from '../ports/index.ts'
import { LIMITS } from './checks.ts'
import { ALL_SCOPES, type Keys, newKey } from './keys.ts'
import { NO_LIMITS, quotaExceeded } from './quotas.ts'

export const FIRST_TEAM = '000000000000000000000001' as TeamId

/** What a new team has: 24 hours */
export const DEFAULT_TRASH_MS = 24 * 3_600_000

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/

export class Teams implements TeamsApi {
  readonly #parts: Parts
  readonly #keys: Keys

  constructor(parts: Parts, keys: Keys) {
    this.#parts = parts
    this.#keys = keys
  }

  /**
   * A key of the first team, which is made if it is not there yet, with every scope. `present` stays, if it is one, and is
   * given what it lacks: who can write the file that it is kept in owns the machine's sandboxes anyway.
   */
  async adminKey(present?: string): Promise<string> {
    const { ledger, clock } = this.#parts
    if ((await ledger.read.team(FIRST_TEAM)) === null) {
      await ledger.transact((tx) => tx.putTeam(newTeam(FIRST_TEAM, 'default', NO_LIMITS, clock.now())))
    }
    if (present !== undefined && (await this.#keys.grantAll(present))) return present
    return (await this.#keys.createFor(FIRST_TEAM, { name: 'admin', scopes: [...ALL_SCOPES] })).secret
  }

  async create(
    _by: Principal | null,
    { name, limits }: { name: string; limits?: LimitsChange | undefined },
  ): Promise<{ team: TeamView; key: ApiKey; secret: string }> {
    if (!NAME.test(name))
      throw invalidArgument('name', "1 to 63 lowercase letters, digits or '-', beginning with a letter or digit")
    const { ledger, clock } = this.#parts
    const team = newTeam(newId<TeamId>(), name, mergeLimits(NO_LIMITS, limits), clock.now())
    const { key, hash, secret } = newKey(this.#parts, team.id, { name: 'first' })
    await ledger.transact(async (tx) => {
      await tx.putTeam(team)
      await tx.putKey(key, hash)
    })
    return { team: await this.#view(team), key, secret }
  }

  async get(_by: Principal, ref: string): Promise<TeamView> {
    return this.#view(await findTeam(this.#parts.ledger.read, ref))
  }

  async list(_by: Principal, page: PageRequest) {
    const { items, next } = await this.#parts.ledger.read.teams(page)
    return { items: await Promise.all(items.map((team) => this.#view(team))), next }
  }

  async update(_by: Principal, ref: string, { limits }: { limits?: LimitsChange | undefined }) {
    const { id } = await findTeam(this.#parts.ledger.read, ref)
    return this.#change(id, (team) => ({ ...team, limits: mergeLimits(team.limits, limits) }))
  }

  async own(by: Principal): Promise<TeamView> {
    return this.get(by, by.teamId)
  }

  async updateOwn(by: Principal, { snapshotRetentionMs: kept, trashMs }: Parameters<KeysApi['updateTeam']>[1]) {
    if (trashMs !== undefined && (!Number.isSafeInteger(trashMs) || trashMs < 0 || trashMs > LIMITS.maxTimeoutMs))
      throw invalidArgument('trashMs', `0 to ${LIMITS.maxTimeoutMs} milliseconds`)
    if (kept != null && (!Number.isSafeInteger(kept) || kept < 1 || kept > LIMITS.maxTimeoutMs))
      throw invalidArgument('snapshotRetentionMs', `1 to ${LIMITS.maxTimeoutMs} milliseconds, or null`)
    return this.#change(by.teamId, (team) => {
      const { snapshotRetentionMs: most } = team.limits
      if (kept != null && most !== null && kept > most) throw quotaExceeded('snapshotRetentionMs', most, 0, kept)
      return {
        ...team,
        snapshotRetentionMs: kept === undefined ? team.snapshotRetentionMs : kept,
        trashMs: trashMs ?? team.trashMs,
      }
    })
  }

  /** `next` may refuse. */
  async #change(id: TeamId, next: (team: Team) => Team): Promise<TeamView> {
    const changed = await this.#parts.ledger.transact(async (tx) => {
      const team = await tx.lockTeam(id)
      if (team === null) throw notFound('team', id)
      const changed = next(team)
      await tx.putTeam(changed)
      return changed
    })
    return this.#view(changed)
  }

  async #view(team: Team): Promise<TeamView> {
    return { ...team, used: await this.#parts.ledger.read.teamUse(team.id) }
  }
}

/** By id or name. */
export async function findTeam(read: LedgerReads, ref: string): Promise<Team> {
  const team =
    (isId(ref) ? await read.team(ref as TeamId) : null) ?? (NAME.test(ref) ? await read.teamByName(ref) : null)
  if (team === null) throw notFound('team', ref)
  return team
}

function mergeLimits(limits: TeamLimits, asked: LimitsChange | undefined): TeamLimits {
  const merged = { ...limits }
  for (const name of Object.keys(NO_LIMITS) as (keyof TeamLimits)[]) {
    const value = asked?.[name]
    if (value === undefined) continue
    if (value !== null && !isLimit(name, value))
      throw invalidArgument(`limits.${name}`, LIMIT_TEXT[name] ?? 'a whole number from 0')
    merged[name] = value
  }
  return merged
}

function newTeam(id: TeamId, name: string, limits: TeamLimits, createdAt: Date): Team {
  return { id, name, snapshotRetentionMs: null, trashMs: DEFAULT_TRASH_MS, limits, createdAt }
}

const LIMIT_TEXT: Partial<Record<keyof TeamLimits, string>> = {
  cpus: 'a number from 0',
  snapshotRetentionMs: `1 to ${LIMITS.maxTimeoutMs} milliseconds`,
}

function isLimit(name: keyof TeamLimits, value: number): boolean {
  if (name === 'cpus') return Number.isFinite(value) && value >= 0
  if (name === 'snapshotRetentionMs') return Number.isSafeInteger(value) && value >= 1 && value <= LIMITS.maxTimeoutMs
  return Number.isSafeInteger(value) && value >= 0
}
