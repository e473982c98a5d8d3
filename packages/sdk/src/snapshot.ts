import { type CompareOptions, compare, compareText, toCensus } from './comparison.ts'
import type { CallOptions } from './options.ts'
import { type LongOptions, push } from './push.ts'
import { LONG_MS } from './requests.ts'
import { Sandbox } from './sandbox.ts'
import { SnapshotFiles } from './snapshot-files.ts'
import type { Transport } from './transport.ts'
import { deleteSnapshot, planDeletion, undeleteSnapshot } from './trash.ts'
import type {
  Census,
  Comparison,
  DeletePlan,
  DeleteSnapshot,
  Drill,
  MountVolume,
  NewSandboxSchedule,
  Push,
  Pushed,
  Receipt,
  SandboxOverrides,
  SnapshotInfo,
  SnapshotKind,
  SnapshotState,
  TextComparison,
} from './types.ts'
import { verify } from './verification.ts'
import { toSandboxInfo, toSnapshotInfo } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

export interface Spawn extends SandboxOverrides {
  /** Boot a memory snapshot from its filesystem alone */
  cold?: boolean | undefined
  /** Made together with the sandbox: there are both, or neither */
  schedule?: NewSandboxSchedule | undefined
  /** Absent for those that the memory of the snapshot holds on to, if any */
  volumes?: MountVolume[] | undefined
}

/** A captured point of a sandbox, from which any number of new ones can start. */
export class Snapshot {
  readonly id: string
  readonly files: SnapshotFiles
  readonly #transport: Transport
  readonly #path: string
  #info: SnapshotInfo

  /** @internal */
  constructor(transport: Transport, info: SnapshotInfo) {
    this.#transport = transport
    this.#info = info
    this.id = info.id
    this.#path = `/v1/snapshots/${info.id}`
    this.files = new SnapshotFiles(transport, this.#path)
  }

  get info(): SnapshotInfo {
    return this.#info
  }

  get name(): string | null {
    return this.#info.name
  }

  get kind(): SnapshotKind {
    return this.#info.kind
  }

  get state(): SnapshotState {
    return this.#info.state
  }

  /** What it cost and what it holds; `null` until it is ready */
  get receipt(): Receipt | null {
    return this.#info.receipt
  }

  async refresh(options: CallOptions = {}): Promise<this> {
    this.#info = toSnapshotInfo(
      await this.#transport.json<Schemas['Snapshot']>({ method: 'GET', path: this.#path, ...options }),
    )
    return this
  }

  /** What is different in a later one: files, processes, ports, memory by process. */
  diff(other: Snapshot | string, options: CompareOptions = {}): Promise<Comparison> {
    return compare(this.#transport, this.#diffPath(other), options)
  }

  /** The difference of one text file in a later one. */
  diffText(other: Snapshot | string, path: string, options: CallOptions = {}): Promise<TextComparison> {
    return compareText(this.#transport, this.#diffPath(other), path, options)
  }

  #diffPath(other: Snapshot | string): string {
    return `${this.#path}/diff/${encodeURIComponent(typeof other === 'string' ? other : other.id)}`
  }

  /** What ran when it was taken; `null` if that is not known. */
  async census(options: CallOptions = {}): Promise<Census | null> {
    const request = { method: 'GET', path: `${this.#path}/census`, ...options } as const
    const { census } = await this.#transport.json<{ census: Schemas['Census'] | null }>(request)
    return census && toCensus(census)
  }

  /** A new sandbox that goes on from here; with `count`, a list of so many, of which none is left if one fails. */
  spawn(request?: Spawn, options?: CallOptions): Promise<Sandbox>
  spawn(request: Spawn & { name?: undefined; count: number }, options?: CallOptions): Promise<Sandbox[]>
  async spawn(
    request: Spawn & { count?: number | undefined } = {},
    options: CallOptions = {},
  ): Promise<Sandbox | Sandbox[]> {
    const { count, ...each } = request
    if (count === undefined) return this.#spawnOne(each, options)
    const outcomes = await Promise.allSettled(Array.from({ length: count }, () => this.#spawnOne(each, options)))
    const sandboxes = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed === undefined) return sandboxes
    // The caller never gets these handles; the first failure says more than one of cleaning up.
    await Promise.allSettled(sandboxes.map((sandbox) => sandbox.kill()))
    throw failed.reason
  }

  /** `ttlMs` counts from now; `null` for never. `labels` replace all. What is pinned does not expire. */
  async update(
    changes: {
      labels?: Record<string, string> | undefined
      ttlMs?: number | null | undefined
      pinned?: boolean | undefined
    },
    options: CallOptions = {},
  ): Promise<this> {
    this.#info = toSnapshotInfo(
      await this.#transport.json<Schemas['Snapshot']>({
        method: 'PATCH',
        path: this.#path,
        json: changes satisfies Schemas['UpdateSnapshot'],
        ...options,
      }),
    )
    return this
  }

  /**
   * Puts it with its memory where another server can go on from it: `snapshots.pull` there. For an image that container
   * engines run, see `images.push`. It holds whatever secrets were in memory.
   */
  push(request: Push, options: LongOptions = {}): Promise<Pushed> {
    return push(this.#transport, `${this.#path}/push`, request, options)
  }

  /**
   * Into the trash, from where `undelete` brings it back until `info.purgeAt`; with `permanent`, or if the team has no
   * trash, it is gone at once. Sandboxes started from it live on.
   */
  async delete(options: CallOptions & DeleteSnapshot = {}): Promise<void> {
    this.#info = (await deleteSnapshot(this.#transport, this.id, options)) ?? this.#info
  }

  /** What `delete` with these options would do now. */
  deletePlan(options: CallOptions & DeleteSnapshot = {}): Promise<DeletePlan> {
    return planDeletion(this.#transport, this.id, options)
  }

  /** Back from the trash, with the tags that nothing else has got meanwhile. */
  async undelete(options: CallOptions = {}): Promise<this> {
    this.#info = await undeleteSnapshot(this.#transport, this.id, options)
    return this
  }

  /** Reads it back; what is wrong is in `info.checkFailure`. The server does so of itself now and then. */
  async check(options: LongOptions = {}): Promise<this> {
    await verify(this.#transport, this.id, 'check', undefined, options)
    return this.refresh({ signal: options.signal })
  }

  /**
   * Starts a sandbox from it that nobody sees and that reaches nothing outside, runs the probe in it, and removes it. What
   * went wrong is in `info.checkFailure`.
   */
  async drill(request: Drill = {}, options: LongOptions = {}): Promise<this> {
    await verify(this.#transport, this.id, 'drill', request, options)
    return this.refresh({ signal: options.signal })
  }

  async #spawnOne(request: Spawn, options: CallOptions): Promise<Sandbox> {
    const path = `${this.#path}/spawn`
    const wire = await this.#transport.json<Schemas['Sandbox']>({
      method: 'POST',
      path,
      json: request satisfies Schemas['SpawnSandbox'],
      timeoutMs: LONG_MS,
      ...options,
    })
    return new Sandbox(this.#transport, toSandboxInfo(wire))
  }
}
