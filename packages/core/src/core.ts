import { mustMay } from './access.ts'
import type { KeysApi, SpawnpointApi } from './api.ts'
import { isCode } from './errors.ts'
import { guarded } from './guarded.ts'
import { Guests } from './guests.ts'
import type { Sandbox, Team } from './model.ts'
import { type Changes, observed } from './observed-ledger.ts'
import { OperationRunner } from './operations/runner.ts'
import { eachItem } from './paging.ts'
import type { Parts } from './parts.ts'
import type { RuntimeInfo } from './ports/index.ts'
import { Retention } from './retention.ts'
import { Deadlines } from './sandbox/deadlines.ts'
import { Due } from './sandbox/due.ts'
import { Exchanger } from './sandbox/exchanger.ts'
import { Exits } from './sandbox/exits.ts'
import { Incarnations } from './sandbox/incarnations.ts'
import { LIVING_STATES } from './sandbox/lifecycle.ts'
import { Refresher } from './sandbox/refresher.ts'
import { resumed } from './sandbox/resumed.ts'
import { type ScheduledSnapshots, Scheduler } from './schedule/scheduler.ts'
import { Archives } from './services/archives.ts'
import { Audit } from './services/audit.ts'
import { BlobStore } from './services/blobs.ts'
import { Browse } from './services/browse.ts'
import { callbackKeys } from './services/callback-key.ts'
import { Compare } from './services/compare.ts'
import { Events } from './services/events.ts'
import { Signal } from './services/follow.ts'
import { Idempotency } from './services/idempotency.ts'
import { type IdentityDocuments, identityDocuments } from './services/identity.ts'
import { Images } from './services/images.ts'
import { Keys } from './services/keys.ts'
import { Names } from './services/names.ts'
import { Operations } from './services/operations.ts'
import { findSource } from './services/refs.ts'
import { Registries } from './services/registries.ts'
import { Samples } from './services/samples.ts'
import { Sandboxes } from './services/sandboxes.ts'
import { Schedules } from './services/schedules.ts'
import { Secrets } from './services/secrets.ts'
import { Snapshots } from './services/snapshots.ts'
import { Storage } from './services/storage.ts'
import { FIRST_TEAM, Teams } from './services/teams.ts'
import { Tokens } from './services/tokens.ts'
import { Usage } from './services/usage.ts'
import { Verification } from './services/verification.ts'
import { VolumeFiles } from './services/volume-files.ts'
import { Volumes } from './services/volumes.ts'
import { Standby } from './standby.ts'
import { definitionOf, type StartUpReport, startUp } from './start-up.ts'
import { Meter, metered } from './usage/meter.ts'

/**
 * The core: everything that can be asked, over the parts it is given. Use `Core.open`. Its own calls are for the server
 * itself: a door gets those that look at what a key may ask for, see `through`.
 */
export class Core implements SpawnpointApi, AsyncDisposable {
  readonly keys: KeysApi
  readonly teams: Teams
  readonly usage: Usage
  readonly storage: Storage
  readonly audit: Audit
  readonly names: Names
  readonly blobs: BlobStore
  readonly images: Images
  readonly sandboxes: Sandboxes
  readonly snapshots: Snapshots
  readonly schedules: Schedules
  readonly registries: Registries
  readonly secrets: Secrets
  readonly volumes: Volumes
  readonly volumeFiles: VolumeFiles
  readonly archives: Archives
  readonly browse: Browse
  readonly compare: Compare
  readonly operations: Operations
  readonly events: Events
  readonly idempotency: Idempotency
  readonly tokens: Tokens
  readonly #parts: Parts
  readonly #runner: OperationRunner
  readonly #guests: Guests
  readonly #deadlines: Deadlines
  readonly #standby: Standby
  readonly #retention: Retention
  readonly #verification: Verification
  readonly #keys: Keys
  readonly #meter: Meter
  readonly #samples: Samples
  readonly #incarnations = new Incarnations()
  readonly #scheduler: Scheduler
  readonly #happened = new Signal()
  readonly #closing: AbortController
  readonly #exits: Exits
  readonly #refresher: Refresher

  private constructor(given: Omit<Parts, 'closing'>) {
    this.#closing = new AbortController()
    const meter = new Meter(given.clock, given.log)
    this.#meter = meter
    const ledger = observed(
      given.ledger,
      { clock: given.clock, meter },
      (changes) => this.#changed(changes),
      ({ sandboxes, operations }, error) => {
        for (const sandbox of sandboxes) {
          this.sandboxes.changed(sandbox.id)
          this.#deadlines.watch(sandbox) // an alarm too many does nothing: whoever it wakes reads the record
        }
        if (!isCode(error, 'unavailable')) return
        for (const operation of operations) this.#runner.doubted(definitionOf(operation.kind), operation)
      },
    )
    const closing = this.#closing.signal
    const runtime = resumed(metered(given.runtime, meter, given.log), { ...given, closing })
    const parts: Parts = { ...given, ledger, runtime, closing }
    this.#parts = parts
    this.#guests = new Guests(parts)
    this.#runner = new OperationRunner(parts, this.#guests)
    const exchanger = new Exchanger(parts, this.#guests)
    this.#refresher = new Refresher(parts, this.#guests, exchanger)
    this.#exits = new Exits(parts, this.#guests, this.#incarnations)
    const due = new Due(parts, { sandboxes: () => this.sandboxes, snapshots: () => this.snapshots })
    this.#deadlines = new Deadlines(parts, {
      sandbox: (id) => due.sandbox(id, this.#deadlines),
      snapshot: (id) => due.snapshot(id, this.#deadlines),
    })
    this.#standby = new Standby(parts)
    this.#retention = new Retention(parts, (image) => this.images.forget(image))
    this.#keys = new Keys(parts)
    this.teams = new Teams(parts, this.#keys)
    this.keys = accessTo(this.#keys, this.teams)
    this.usage = new Usage(parts)
    this.storage = new Storage(parts)
    this.audit = new Audit(parts)
    this.names = new Names(parts)
    this.blobs = new BlobStore(parts)
    this.registries = new Registries(parts)
    this.secrets = new Secrets(parts, (teamId, name) => this.sandboxes.secretChanged(teamId, name))
    this.volumes = new Volumes(parts)
    this.volumeFiles = new VolumeFiles(parts)
    this.archives = new Archives(parts, this.#runner, this.registries)
    this.images = new Images(parts, this.#runner, this.registries, (teamId, id) =>
      this.snapshots.deleteById(teamId, id),
    )
    this.#samples = new Samples(parts)
    this.sandboxes = new Sandboxes(parts, {
      runner: this.#runner,
      guests: this.#guests,
      deadlines: this.#deadlines,
      standby: this.#standby,
      incarnations: this.#incarnations,
      samples: this.#samples,
      exchanger,
      scheduled: (schedule) => this.#scheduler.watch(schedule),
    })
    this.#verification = new Verification(parts, this.#runner)
    this.snapshots = new Snapshots(parts, this.#runner, this.#deadlines, this.#verification, exchanger)
    this.#scheduler = new Scheduler(parts, scheduledSnapshots(this.snapshots))
    this.schedules = new Schedules(parts, this.#scheduler)
    this.browse = new Browse(parts, this.sandboxes)
    this.compare = new Compare(parts, this.#guests)
    this.operations = new Operations(parts, this.#runner)
    this.events = new Events(parts, this.#happened)
    this.idempotency = new Idempotency(parts)
    this.tokens = new Tokens(parts)
  }

  /** What clouds are told that ask who sandboxes are; `null` where sandboxes have no identity for them. */
  get identityDocuments(): IdentityDocuments | null {
    const { identity } = this.#parts.config
    return identity === undefined ? null : identityDocuments(identity)
  }

  /** What web services check the questions of this server with (a JSON Web Key Set), see `CredentialCallback`. */
  get callbackKeys(): ReturnType<typeof callbackKeys> {
    return callbackKeys(this.#parts.config.secret)
  }

  /**
   * Opens the parts, in the order they need each other, and settles whatever an earlier server left. Rejects with what the
   * part that is missing says; whatever was opened is closed again.
   */
  static async open(given: Omit<Parts, 'closing'>): Promise<Core> {
    const core = new Core(given)
    await using undo = new AsyncDisposableStack()
    const { ledger, pool, blobs, runtime } = core.#parts
    for (const part of [ledger, pool, blobs, runtime]) {
      await part.open()
      undo.defer(() => part.close())
    }
    runtime.onExit((exit) => core.#exits.noted(exit))
    await core.#settleUsage()
    core.lastStart = await startUp(core.#parts, core.#runner, core.#guests)
    await core.#watchAll()
    core.#exits.begin()
    core.#retention.start()
    core.storage.start()
    core.#verification.start()
    core.#meter.start(core.#parts.ledger)
    await core.#scheduler.start()
    undo.move()
    return core
  }

  /** What the last start found and did. */
  lastStart: StartUpReport = { recovered: [], lost: [], swept: [] }

  get runtime(): RuntimeInfo {
    return this.#parts.runtime.info
  }

  get limits(): SpawnpointApi['limits'] {
    const { resources, maxResources } = this.#parts.config
    return { resources, maxResources }
  }

  authenticate: SpawnpointApi['authenticate'] = (key) => this.#keys.authenticate(key)

  resolve: SpawnpointApi['resolve'] = (by, ref) => findSource(this.#parts.ledger.read, by.teamId, ref)

  /** What is asked through one door: by its name in the audit log. */
  through(door: string): SpawnpointApi {
    const { runtime, limits, authenticate } = this
    const resolve: SpawnpointApi['resolve'] = async (by, ref) => {
      mustMay(by, 'read', 'resolve')
      return this.resolve(by, ref)
    }
    return { ...guarded(this, this.audit, door), runtime, limits, authenticate, resolve }
  }

  /**
   * A key of the first team with every scope: `present`, if it is known, else a new one. For the server's start: whoever can
   * read the data directory owns the machine's sandboxes anyway.
   */
  adminKey(present?: string): Promise<string> {
    return this.teams.adminKey(present)
  }

  /** `name` is 1 to 63 of `[a-z0-9-]`; rejects `name_taken`. `key` is shown this once. */
  async createTeam(name: string): Promise<{ team: Team; key: string }> {
    const { team, secret } = await this.teams.create(null, { name })
    return { team, key: secret }
  }

  /** Rejects `unavailable` while the ledger does not answer. */
  async ping(): Promise<void> {
    await this.#parts.ledger.read.team(FIRST_TEAM)
  }

  /** Resolves when nothing is under way, clean-up included. */
  async idle(): Promise<void> {
    await this.#scheduler.idle()
    await this.#runner.idle()
    await this.idempotency.idle()
    await this.#standby.idle()
    await this.#keys.idle()
  }

  /** Lets work under way end, then lets go of everything. Sandboxes run on. */
  async close(): Promise<void> {
    const { ledger, pool, blobs, runtime } = this.#parts
    // Also if something before it fails: what stays open is left to run, and the next server finds it in use.
    await using parts = new AsyncDisposableStack()
    for (const part of [ledger, pool, blobs, runtime]) parts.defer(() => part.close())
    this.#deadlines.close()
    this.#samples.close()
    this.#closing.abort()
    this.#happened.notify()
    await this.#scheduler.close()
    await this.#refresher.close()
    await this.#verification.close()
    await this.#runner.idle()
    await this.idempotency.idle()
    await this.#standby.close()
    await this.#retention.close()
    await this.storage.close()
    await this.#meter.close()
    await this.audit.close()
    await this.#keys.idle()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #changed(changes: Changes): void {
    for (const sandbox of changes.sandboxes) this.#seen(sandbox)
    for (const snapshot of changes.snapshots) {
      this.#deadlines.watchSnapshot(snapshot)
      if (snapshot.state === 'deleting' || snapshot.state === 'trashed') this.#standby.forget(snapshot.id)
    }
    if (changes.events) this.#happened.notify()
  }

  #seen(sandbox: Sandbox): void {
    this.sandboxes.changed(sandbox.id)
    this.#deadlines.watch(sandbox)
    this.#refresher.seen(sandbox)
    this.#samples.seen(sandbox)
    this.#incarnations.seen(sandbox)
    if (sandbox.state === 'killed') this.#deadlines.forget(sandbox.id)
    this.#exits.seen(sandbox)
  }

  /**
   * Incarnations that ended while nobody looked are charged for until they were last seen, before recovery finds their
   * sandboxes and takes now for their end.
   */
  async #settleUsage(): Promise<void> {
    const { ledger, runtime } = this.#parts
    const living = new Set((await runtime.list()).map(({ id }) => id))
    for (const { id, seenAt } of await ledger.read.openIncarnations()) {
      if (living.has(id)) this.#meter.began(id)
      else await ledger.transact((tx) => tx.endUsage(id, seenAt))
    }
    await this.#meter.write(ledger)
  }

  async #watchAll(): Promise<void> {
    const { read } = this.#parts.ledger
    for await (const sandbox of eachItem((page) => read.sandboxes({ states: LIVING_STATES }, page))) this.#seen(sandbox)
    for await (const snapshot of eachItem((page) => read.snapshots({ includeInternal: true }, page)))
      this.#deadlines.watchSnapshot(snapshot)
  }
}

function accessTo(keys: Keys, teams: Teams): KeysApi {
  return {
    create: (by, request) => keys.create(by, request),
    self: (by) => keys.self(by),
    list: (by, page) => keys.list(by, page),
    revoke: (by, id) => keys.revoke(by, id),
    team: (by) => teams.own(by),
    updateTeam: (by, request) => teams.updateOwn(by, request),
  }
}

function scheduledSnapshots(snapshots: Snapshots): ScheduledSnapshots {
  return {
    async take({ id, teamId, sandboxId, kind }) {
      const by = { teamId, keyId: null }
      const { value, done } = await snapshots.create(by, sandboxId, { kind, whenBusy: 'reject' }, id)
      return { snapshot: value, done }
    },
    delete: ({ teamId, id }) => snapshots.deleteById(teamId, id),
  }
}
