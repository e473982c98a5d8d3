import { createHash, randomBytes } from 'node:crypto'
import { may } from '../access.ts'
import type { CreateKeyRequest, KeysApi, Principal } from '../api.ts'
import { invalidArgument, notFound, SpawnpointError } from '../errors.ts'
import { isId, type KeyId, newId, type TeamId } from '../ids.ts'
import type { ApiKey, Scope } from '../model.ts'
import type { Parts } from '../parts.ts'

/** Keys remembered; with more, all are forgotten. */
const MAX_KNOWN = 10_000
/** Longest key looked at; vendors' prefixes are a few characters. */
const MAX_KEY_CHARS = 128
/** How often at most it is noted that a key was used */
const NOTED_EVERY_MS = 60_000

export const ALL_SCOPES: readonly Scope[] = ['read', 'write', 'admin', 'server']
/** What a key may ask for unless told otherwise: all that a team can */
const TEAM_SCOPES: readonly Scope[] = ['read', 'write', 'admin']

type KeyPrincipal = Principal & { keyId: KeyId }

export class Keys implements Omit<KeysApi, 'team' | 'updateTeam'> {
  readonly #parts: Parts
  /** Whom the hashes of keys in use stand for. This server alone writes the ledger, so a revocation is always seen. */
  readonly #known = new Map<string, KeyPrincipal>()
  #revocations = 0
  /** When the last use that was noted was, of each key */
  readonly #noted = new Map<KeyId, number>()
  readonly #noting = new Set<Promise<void>>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** The team and key that a bearer of `secret` acts as. Only the last 64 hex characters count. */
  async authenticate(secret: string): Promise<Principal> {
    const hash = hashOfKey(secret)
    const known = hash === null ? undefined : this.#known.get(hash)
    if (known !== undefined) return this.#used(known)
    const before = this.#revocations
    const key = hash === null ? null : await this.#parts.ledger.read.keyByHash(hash)
    if (hash === null || key === null) throw new SpawnpointError('unauthenticated', 'Unknown or revoked API key', {})
    const { teamId, id: keyId, scopes, name, member } = key
    const principal = { teamId, keyId, scopes, keyName: name, member }
    // Not if a key was revoked while this one was read: it may be the one.
    if (before === this.#revocations) {
      if (this.#known.size >= MAX_KNOWN) this.#known.clear()
      this.#known.set(hash, principal)
    }
    return this.#used(principal)
  }

  /** Resolves when every use that is to be noted is. */
  async idle(): Promise<void> {
    await Promise.all(this.#noting)
  }

  /** Behind the caller's back, and once in a while: it tells which keys are still in use, not when each request was. */
  #used(principal: KeyPrincipal): Principal {
    const { keyId } = principal
    const at = this.#parts.clock.now()
    const last = this.#noted.get(keyId)
    if (last !== undefined && at.getTime() - last < NOTED_EVERY_MS) return principal
    if (this.#noted.size >= MAX_KNOWN) this.#noted.clear()
    this.#noted.set(keyId, at.getTime())
    const noting = this.#note(keyId, at).finally(() => this.#noting.delete(noting))
    this.#noting.add(noting)
    return principal
  }

  async #note(id: KeyId, at: Date): Promise<void> {
    try {
      await this.#parts.ledger.transact((tx) => tx.noteKeyUse(id, at), { durability: 'later' })
    } catch (error) {
      this.#parts.log.warn({ err: error, key: id }, 'the use of a key is not noted')
    }
  }

  async create(by: Principal, { name, scopes, member }: CreateKeyRequest) {
    return this.createFor(by.teamId, {
      name,
      member,
      scopes: scopes === undefined ? undefined : checkScopes(by, scopes),
    })
  }

  /** Preconditions: the scopes may be given. */
  async createFor(teamId: TeamId, request: CreateKeyRequest): Promise<{ key: ApiKey; secret: string }> {
    const { key, hash, secret } = newKey(this.#parts, teamId, request)
    await this.#parts.ledger.transact((tx) => tx.putKey(key, hash))
    return { key, secret }
  }

  /** Every scope for a key; false if it is not known. */
  async grantAll(secret: string): Promise<boolean> {
    const hash = hashOfKey(secret)
    const key = hash === null ? null : await this.#parts.ledger.read.keyByHash(hash)
    if (hash === null || key === null) return false
    if (ALL_SCOPES.some((scope) => !key.scopes.includes(scope)))
      await this.#parts.ledger.transact((tx) => tx.putKey({ ...key, scopes: [...ALL_SCOPES] }, hash))
    return true
  }

  async self({ keyId }: Principal): Promise<ApiKey> {
    const key = keyId === null ? null : await this.#parts.ledger.read.key(keyId)
    if (key === null) throw notFound('key', 'self')
    return key
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
}

/** A key that no ledger knows yet. */
export function newKey(
  { clock }: Parts,
  teamId: TeamId,
  { name, scopes, member }: CreateKeyRequest,
): { key: ApiKey; hash: string; secret: string } {
  if (name.length < 1 || name.length > 128) throw invalidArgument('name', '1 to 128 characters')
  if (member !== undefined && !MEMBER.test(member))
    throw invalidArgument('member', '1 to 128 characters without control characters')
  const hex = randomBytes(32).toString('hex')
  const key: ApiKey = {
    id: newId<KeyId>(),
    teamId,
    name,
    hint: `sp_${hex.slice(0, 6)}`,
    scopes: [...(scopes ?? TEAM_SCOPES)],
    member: member ?? null,
    createdAt: clock.now(),
    lastUsedAt: null,
    revokedAt: null,
  }
  return { key, hash: hashOf(hex), secret: `sp_${hex}` }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const MEMBER = /^[^\u0000-\u001f\u007f]{1,128}$/

/** Rejects `forbidden` for a scope that may not be given, and `invalid_argument` for none. */
function checkScopes(by: Principal, scopes: readonly Scope[]): Scope[] {
  const unknown = scopes.find((scope) => !ALL_SCOPES.includes(scope))
  if (scopes.length === 0 || unknown !== undefined)
    throw invalidArgument('scopes', `one or more of ${ALL_SCOPES.join(', ')}`)
  if (scopes.includes('server') && !may(by, 'server'))
    throw new SpawnpointError('forbidden', "Only a key with the scope 'server' can give it", { what: 'scope server' })
  return ALL_SCOPES.filter((scope) => scopes.includes(scope))
}

/** Of a key that looks like one, else `null`. Only its last 64 hex characters count. */
function hashOfKey(secret: string): string | null {
  const hex =
    secret.length <= MAX_KEY_CHARS ? /^(?:[A-Za-z0-9]{1,32}[_-])*([0-9a-f]{64})$/.exec(secret)?.[1] : undefined
  return hex === undefined ? null : hashOf(hex)
}

/** What is stored of a key. A plain hash suffices: the key is 256 random bits, there is nothing to guess. */
function hashOf(hex: string): string {
  return createHash('sha256').update(hex).digest('hex')
}
