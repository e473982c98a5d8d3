import { Audit, Keys, Teams, Usage } from './accounts.ts'
import { Blobs } from './blobs.ts'
import { Images } from './images.ts'
import { Names } from './names.ts'
import { Events, Operations } from './operations.ts'
import { type CallOptions, resolveOptions, type SpawnpointOptions } from './options.ts'
import { Registries } from './registries.ts'
import { Sandboxes, Snapshots } from './resources.ts'
import { Schedules } from './schedules.ts'
import { Secrets } from './secrets.ts'
import { Transport } from './transport.ts'
import type { ServerInfo, TeamStorage } from './types.ts'
import { Volumes } from './volumes.ts'
import type { Schemas } from './wire-schemas.ts'

/**
 * A Spawnpoint server. Calls that may safely be repeated are repeated when the connection breaks or the server is busy;
 * every failure is a `SpawnpointError` with a stable `code`.
 */
export class Spawnpoint {
  /** Address of the server, without a slash at the end */
  readonly url: string
  readonly sandboxes: Sandboxes
  readonly snapshots: Snapshots
  readonly schedules: Schedules
  readonly registries: Registries
  readonly secrets: Secrets
  readonly volumes: Volumes
  readonly images: Images
  readonly names: Names
  readonly blobs: Blobs
  readonly operations: Operations
  readonly events: Events
  readonly keys: Keys
  readonly teams: Teams
  readonly usage: Usage
  readonly audit: Audit
  readonly #transport: Transport

  constructor(options: SpawnpointOptions = {}) {
    const transport = new Transport(resolveOptions(options))
    this.#transport = transport
    this.url = transport.options.url
    this.sandboxes = new Sandboxes(transport)
    this.snapshots = new Snapshots(transport)
    this.schedules = new Schedules(transport)
    this.registries = new Registries(transport)
    this.secrets = new Secrets(transport)
    this.volumes = new Volumes(transport)
    this.images = new Images(transport)
    this.names = new Names(transport)
    this.blobs = new Blobs(transport)
    this.operations = new Operations(transport)
    this.events = new Events(transport)
    this.keys = new Keys(transport)
    this.teams = new Teams(transport)
    this.usage = new Usage(transport)
    this.audit = new Audit(transport)
  }

  /** What the team has in the store; `null` until that was first measured, some minutes after it has something. */
  async storage(options: CallOptions = {}): Promise<TeamStorage | null> {
    const request = { method: 'GET', path: '/v1/storage', ...options } as const
    const { storage } = await this.#transport.json<Schemas['TeamStorage']>(request)
    return storage && { ...storage, at: new Date(storage.at) }
  }

  /** What the server is, and what its sandboxes can be asked for in each state. */
  server(options: CallOptions = {}): Promise<ServerInfo> {
    return this.#transport.json<Schemas['Server']>({ method: 'GET', path: '/v1/server', ...options })
  }
}
