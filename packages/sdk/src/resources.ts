import type { CallOptions } from './options.ts'
import { List, type PageOptions } from './pages.ts'
import { endedOf, type LongOptions } from './push.ts'
import { LONG_MS, labelQuery } from './requests.ts'
import { Sandbox } from './sandbox.ts'
import { Snapshot } from './snapshot.ts'
import type { Transport } from './transport.ts'
import { deleteSnapshot, planDeletion, undeleteSnapshot } from './trash.ts'
import type { CreateSandbox, DeletePlan, DeleteSnapshot, PullSnapshot, SandboxFilter, SnapshotFilter } from './types.ts'
import { toSandboxInfo, toSnapshotInfo } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

export class Sandboxes {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Resolves when it runs. `await using` kills it at the end of the block. */
  async create(request: CreateSandbox, options: CallOptions = {}): Promise<Sandbox> {
    const path = '/v1/sandboxes'
    return this.#sandbox(
      await this.#transport.json({
        method: 'POST',
        path,
        json: request satisfies Schemas['CreateSandbox'],
        timeoutMs: LONG_MS,
        ...options,
      }),
    )
  }

  /** By id, or by the name it bears while it lives. */
  async get(ref: string, options: CallOptions = {}): Promise<Sandbox> {
    return this.#sandbox(
      await this.#transport.json({ method: 'GET', path: `/v1/sandboxes/${encodeURIComponent(ref)}`, ...options }),
    )
  }

  /** Newest first; every living one unless `states` says otherwise. */
  list(filter: SandboxFilter = {}, options: PageOptions = {}): List<Sandbox> {
    const { states, labels, ...rest } = filter
    const query = { ...rest, state: states, label: labelQuery(labels) }
    return new List(this.#transport, { path: '/v1/sandboxes', query }, options, (wire: Schemas['Sandbox']) =>
      this.#sandbox(wire),
    )
  }

  #sandbox(wire: Schemas['Sandbox']): Sandbox {
    return new Sandbox(this.#transport, toSandboxInfo(wire))
  }
}

export class Snapshots {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** By id, name (the latest ready one) or `name@id`; one in the trash by its id. */
  async get(ref: string, options: CallOptions = {}): Promise<Snapshot> {
    const path = `/v1/snapshots/${encodeURIComponent(ref)}`
    return this.#snapshot(await this.#transport.json({ method: 'GET', path, ...options }))
  }

  /** Newest first. */
  list(filter: SnapshotFilter = {}, options: PageOptions = {}): List<Snapshot> {
    const { states, labels, ...rest } = filter
    const query = { ...rest, state: states, label: labelQuery(labels) }
    return new List(this.#transport, { path: '/v1/snapshots', query }, options, (wire: Schemas['Snapshot']) =>
      this.#snapshot(wire),
    )
  }

  /**
   * Into the trash: resolves to it as it is there. `null`: it is gone for good. Sandboxes started from it live on.
   */
  async delete(ref: string, options: CallOptions & DeleteSnapshot = {}): Promise<Snapshot | null> {
    const info = await deleteSnapshot(this.#transport, ref, options)
    return info === null ? null : new Snapshot(this.#transport, info)
  }

  /** What `delete` with these options would do now. */
  deletePlan(ref: string, options: CallOptions & DeleteSnapshot = {}): Promise<DeletePlan> {
    return planDeletion(this.#transport, ref, options)
  }

  /** Back from the trash, with the tags that nothing else has got meanwhile. A name means the latest that went there. */
  async undelete(ref: string, options: CallOptions = {}): Promise<Snapshot> {
    return new Snapshot(this.#transport, await undeleteSnapshot(this.#transport, ref, options))
  }

  /**
   * Takes in what `push` of another server put there, with its memory. Throws `incompatible` or `forbidden` before anything
   * is transferred. Resolves when it is ready; a connection that breaks meanwhile does no harm.
   */
  async pull(request: PullSnapshot, options: LongOptions = {}): Promise<Snapshot> {
    const { body, answer } = await this.#transport.exchange<Schemas['Snapshot']>({
      method: 'POST',
      path: '/v1/snapshots',
      query: { wait: false },
      json: request satisfies Schemas['PullSnapshot'],
      signal: options.signal,
    })
    await endedOf(this.#transport, answer, options)
    return this.get(body.id, { signal: options.signal })
  }

  #snapshot(wire: Schemas['Snapshot']): Snapshot {
    return new Snapshot(this.#transport, toSnapshotInfo(wire))
  }
}
