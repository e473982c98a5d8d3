import type { CallOptions } from './options.ts'
import { List, type PageOptions } from './pages.ts'
import type { Transport } from './transport.ts'
import type { ApiKey, AuditEntry, AuditFilter, CreateKey, LimitsChange, Team, UsageRequest, UsageRow } from './types.ts'
import { toApiKey, toAuditEntry, toTeam } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

/** Access to the client's own team. */
export class Keys {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** `secret` is shown this once; the server keeps only its hash. */
  async create(request: CreateKey, options: CallOptions = {}): Promise<{ key: ApiKey; secret: string }> {
    const { key, secret } = await this.#transport.json<Schemas['CreatedKey']>({
      method: 'POST',
      path: '/v1/keys',
      json: request satisfies Schemas['CreateKey'],
      // The route keeps no answers, or it would keep secrets: a repeat would make a second key.
      repeat: 'never',
      ...options,
    })
    return { key: toApiKey(key), secret }
  }

  /** The one that this client uses: what it may do. */
  async self(options: CallOptions = {}): Promise<ApiKey> {
    return toApiKey(await this.#transport.json({ method: 'GET', path: '/v1/keys/self', ...options }))
  }

  list(options: PageOptions = {}): List<ApiKey> {
    return new List(this.#transport, { path: '/v1/keys' }, options, toApiKey)
  }

  async revoke(id: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ method: 'DELETE', path: `/v1/keys/${encodeURIComponent(id)}`, ...options })
  }

  /** The team that the client's own key belongs to. */
  async team(options: CallOptions = {}): Promise<Team> {
    return toTeam(await this.#transport.json({ method: 'GET', path: '/v1/team', ...options }))
  }

  /** Changes settings of that team; what is absent stays. */
  async updateTeam(
    request: { snapshotRetentionMs?: number | null | undefined; trashMs?: number | undefined },
    options: CallOptions = {},
  ): Promise<Team> {
    const json = request satisfies Schemas['UpdateTeam']
    return toTeam(await this.#transport.json({ method: 'PATCH', path: '/v1/team', json, ...options }))
  }
}

/** All teams of the server, for a key with the scope `server`: the admin key in its data directory. */
export class Teams {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** With its first key, whose `secret` is shown this once. */
  async create(
    request: { name: string; limits?: LimitsChange | undefined },
    options: CallOptions = {},
  ): Promise<{ team: Team; key: ApiKey; secret: string }> {
    const { team, key, secret } = await this.#transport.json<Schemas['CreatedTeam']>({
      method: 'POST',
      path: '/v1/teams',
      json: request satisfies Schemas['CreateTeam'],
      repeat: 'never',
      ...options,
    })
    return { team: toTeam(team), key: toApiKey(key), secret }
  }

  /** By id or name. */
  async get(ref: string, options: CallOptions = {}): Promise<Team> {
    return toTeam(await this.#transport.json({ method: 'GET', path: pathOf(ref), ...options }))
  }

  /** Newest first. */
  list(options: PageOptions = {}): List<Team> {
    return new List(this.#transport, { path: '/v1/teams' }, options, toTeam)
  }

  /** What is absent stays. Nothing that the team has already is taken away from it. */
  async update(ref: string, request: { limits?: LimitsChange | undefined }, options: CallOptions = {}): Promise<Team> {
    const json = request satisfies Schemas['ChangeTeam']
    return toTeam(await this.#transport.json({ method: 'PATCH', path: pathOf(ref), json, ...options }))
  }

  /** Of every team, or of one by id or name. */
  async usage(
    request: UsageRequest & { team?: string | undefined } = {},
    options: CallOptions = {},
  ): Promise<UsageRow[]> {
    const query = { ...usageQuery(request), team: request.team }
    const path = '/v1/teams/usage'
    return (await this.#transport.json<{ items: UsageRow[] }>({ method: 'GET', path, query, ...options })).items
  }

  /** As `usage`, as comma-separated values with a header. */
  csv(request: UsageRequest & { team?: string | undefined } = {}, options: CallOptions = {}): Promise<string> {
    const query = { ...usageQuery(request), team: request.team }
    return csvFrom(this.#transport, '/v1/teams/usage', query, options)
  }
}

/** What the client's own team has used. */
export class Usage {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Days and sandboxes without use have no row. */
  async rows(request: UsageRequest = {}, options: CallOptions = {}): Promise<UsageRow[]> {
    const query = usageQuery(request)
    const path = '/v1/usage'
    return (await this.#transport.json<{ items: UsageRow[] }>({ method: 'GET', path, query, ...options })).items
  }

  /** As `rows`, as comma-separated values with a header. */
  csv(request: UsageRequest = {}, options: CallOptions = {}): Promise<string> {
    return csvFrom(this.#transport, '/v1/usage', usageQuery(request), options)
  }
}

/** Every call that changed something in the client's own team, or was to. */
export class Audit {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Newest first. */
  list(filter: AuditFilter = {}, options: PageOptions = {}): List<AuditEntry> {
    const query = { ...filter, from: filter.from?.toISOString(), to: filter.to?.toISOString() }
    return new List(this.#transport, { path: '/v1/audit', query }, options, toAuditEntry)
  }
}

function pathOf(ref: string): string {
  return `/v1/teams/${encodeURIComponent(ref)}`
}

function usageQuery({ from, to, by }: UsageRequest) {
  return { from: from?.toISOString(), to: to?.toISOString(), by }
}

async function csvFrom(
  transport: Transport,
  path: string,
  query: ReturnType<typeof usageQuery>,
  options: CallOptions,
): Promise<string> {
  const { body } = await transport.bytes({ method: 'GET', path, query: { ...query, format: 'csv' }, ...options })
  return new TextDecoder().decode(body)
}
