import { createHash, randomBytes } from 'node:crypto'
import type { KeysApi, Principal } from '../api.ts'
import { invalidArgument, notFound, SpawnpointError } from '../errors.ts'
import { isId, type KeyId, newId, type TeamId } from '../ids.ts'
import type { ApiKey } from '../model.ts'
import type { Parts } from '../parts.ts'

/** Keys remembered; with more, all are forgotten. */
const MAX_KNOWN = 10_000
/** Longest key looked at; vendors' prefixes are a few characters. */
const MAX_KEY_CHARS = 128

export class Keys implements KeysApi {
  readonly #parts: Parts
  /** Whom the hashes of keys in use stand for. This server alone writes the ledger, so a revocation is always seen. */
  readonly #known = new Map<string, Principal>()
  #revocations = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** The team and key that a bearer of `secret` acts as. Only the last 64 hex characters count. */
  async authenticate(secret: string): Promise<Principal> {
    const hex =
      secret.length <= MAX_KEY_CHARS ? /^(?:[A-Za-z0-9]{1,32}[_-])*([0-9a-f]{64})$/.exec(secret)?.[1] : undefined
    const hash = hex === undefined ? null : hashOf(hex)
    const known = hash === null ? undefined : this.#known.get(hash)
    if (known !== undefined) return known
    const before = this.#revocations
    const key = hash === null ? null : await this.#parts.ledger.read.keyByHash(hash)
    if (hash === null || key === null) throw new SpawnpointError('unauthenticated', 'Unknown or revoked API key', {})
    const principal = { teamId: key.teamId, keyId: key.id }
    // Not if a key was revoked while this one was read: it may be the one.
    if (before === this.#revocations) {
      if (this.#known.size >= MAX_KNOWN) this.#known.clear()
      this.#known.set(hash, principal)
    }
    return principal
  }

  async create(by: Principal, request: { name: string }) {
    return this.createFor(by.teamId, request.name)
  }

  async createFor(teamId: TeamId, name: string): Promise<{ key: ApiKey; secret: string }> {
    if (name.length < 1 || name.length > 128) throw invalidArgument('name', '1 to 128 characters')
    const { key, hash, secret } = newKey(this.#parts, teamId, name)
    await this.#parts.ledger.transact((tx) => tx.putKey(key, hash))
    return { key, secret }
  }

  list: KeysApi['list'] = (by, page) => this.#parts.ledger.read.keys(by.teamId, page)

  async revoke(by: Principal, id: string): Promise<void> {
    let revoked: boolean
    try {
      revoked =
        isId(id) &&
        (await this.#parts.ledger.transact((tx) => tx.revokeKey(by.teamId, id as KeyId, this.#parts.clock.now())))
    } finally {
      // Also when it failed: the commit may have happened though its answer was lost.
      this.#revocations += 1
      this.#known.clear()
    }
    if (!revoked) throw notFound('key', id)
  }

  async team(by: Principal) {
    const team = await this.#parts.ledger.read.team(by.teamId)
    if (team === null) throw notFound('team', by.teamId)
    return team
  }
}

/** A key that no ledger knows yet. */
export function newKey({ clock }: Parts, teamId: TeamId, name: string): { key: ApiKey; hash: string; secret: string } {
  const hex = randomBytes(32).toString('hex')
  const key: ApiKey = {
    id: newId<KeyId>(),
    teamId,
    name,
    hint: `sp_${hex.slice(0, 6)}`,
    createdAt: clock.now(),
    lastUsedAt: null,
    revokedAt: null,
  }
  return { key, hash: hashOf(hex), secret: `sp_${hex}` }
}

/** What is stored of a key. A plain hash suffices: the key is 256 random bits, there is nothing to guess. */
function hashOf(hex: string): string {
  return createHash('sha256').update(hex).digest('hex')
}
