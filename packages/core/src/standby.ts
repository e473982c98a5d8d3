import { type IncarnationId, newId, type RootId } from './ids.ts'
import type { Image, Resources, Snapshot, TeamId } from './model.ts'
import { OPEN_NETWORK } from './network.ts'
import { requirementsOf } from './operations/boot.ts'
import type { Parts } from './parts.ts'
import type { RootSource } from './ports/index.ts'

/** What was made ahead for a sandbox. Once the sandbox is asked for, its operation's record names both. */
export interface Ahead {
  incarnationId: IncarnationId
  rootId: RootId
}

/** What sandboxes are made from. `memory` is `null` if they boot. */
export interface Origin {
  source: RootSource
  memory: Snapshot | null
}

interface Entry extends Ahead {
  sourceId: string
  memory: Snapshot | null
  ready: boolean
  expiry: Disposable
}

/** Milliseconds to wait after a sandbox has come up: its user gets the processors first. */
const DELAY_MS = 200
/** Milliseconds that an unused one is kept */
const KEPT_MS = 60_000

/**
 * For images and snapshots in use: clones the next sandbox's root and makes its container before the request comes. No record
 * knows of these, so if the server dies, start-up removes them like everything unknown. A failure costs only the time that
 * would have been saved.
 */
export class Standby {
  readonly #parts: Parts
  readonly #entries = new Map<string, Entry>()
  readonly #waiting = new Map<string, { sourceId: string; timer: Disposable }>()
  readonly #working = new Set<Promise<void>>()
  #closed = false

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Hands one over to the caller, who gives it to `drop` if it is not used after all; `null` if there is none that fits. */
  take(origin: Origin, resources: Resources): Ahead | null {
    const key = keyOf(origin, resources)
    const entry = this.#entries.get(key)
    if (!entry?.ready) return null
    this.#entries.delete(key)
    entry.expiry[Symbol.dispose]()
    return { incarnationId: entry.incarnationId, rootId: entry.rootId }
  }

  /**
   * The snapshot with this id as it was when something was made ahead of its memory: what a sandbox takes from it does not change, but
   * whether it is still there has to be asked. `null` if nothing is ready, or if it names secrets, which may change.
   */
  snapshot(teamId: TeamId, id: string): Snapshot | null {
    for (const { sourceId, memory, ready } of this.#entries.values()) {
      if (sourceId !== id || memory === null || !ready) continue
      const { credentials, remotes, internal } = memory
      if (memory.teamId === teamId && !internal && credentials.length === 0 && remotes.length === 0) return memory
    }
    return null
  }

  /** Makes one ready in a while: another sandbox like this one is likely to be asked for. */
  expect(origin: Origin, resources: Resources): void {
    const { runtime, clock, config } = this.#parts
    // Where an idle sandbox costs processor time, one that nobody has asked for costs too much.
    if (this.#closed || config.standbys === 0 || runtime.prepare === undefined || !runtime.info.capabilities.idleIsFree)
      return
    const key = keyOf(origin, resources)
    if (this.#entries.has(key) || this.#waiting.has(key)) return
    const timer = clock.after(DELAY_MS, () => {
      this.#waiting.delete(key)
      this.#track(this.#make(key, origin, resources))
    })
    this.#waiting.set(key, { sourceId: origin.source.id, timer })
  }

  /** Removes, in the background, what was taken and is not needed. */
  drop(ahead: Ahead): void {
    this.#track(this.#remove(ahead))
  }

  /** For a snapshot that is being deleted. What was made ahead for a deleted image expires by itself. */
  forget(sourceId: string): void {
    for (const [key, entry] of [...this.#entries, ...this.#waiting]) if (entry.sourceId === sourceId) this.#expire(key)
  }

  /** Resolves when nothing is being made or removed. */
  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working)
  }

  /** Removes everything. Preconditions: runtime and pool are still open. */
  async close(): Promise<void> {
    this.#closed = true
    for (const key of [...this.#entries.keys(), ...this.#waiting.keys()]) this.#expire(key)
    await this.idle()
  }

  async #make(key: string, { source, memory }: Origin, resources: Resources): Promise<void> {
    const { pool, runtime, clock, config, log } = this.#parts
    // Entries are in the order of insertion: the oldest make room.
    for (const oldest of [...this.#entries.keys()].slice(0, Math.max(0, this.#entries.size - config.standbys + 1)))
      this.#expire(oldest)
    const entry: Entry = {
      incarnationId: newId<IncarnationId>(),
      rootId: newId<RootId>(),
      sourceId: source.id,
      memory,
      ready: false,
      expiry: clock.after(KEPT_MS, () => this.#expire(key)),
    }
    this.#entries.set(key, entry)
    try {
      await pool.createRoot(entry.rootId, source, { diskBytes: resources.diskBytes })
      await runtime.prepare?.(
        {
          id: entry.incarnationId,
          rootPath: pool.rootPath(entry.rootId),
          hostname: entry.incarnationId,
          resources,
          network: OPEN_NETWORK,
          bootTimeoutMs: config.bootTimeoutMs,
        },
        memory === null ? null : { dir: pool.memoryDir(memory.id), requirements: requirementsOf(memory) },
      )
      entry.ready = true
    } catch (error) {
      log.info({ err: error, source }, 'nothing could be made ahead')
    }
    if (entry.ready && this.#entries.get(key) === entry) return
    // It failed, or is not wanted any more.
    if (this.#entries.get(key) === entry) this.#entries.delete(key)
    entry.expiry[Symbol.dispose]()
    await this.#remove(entry)
  }

  #expire(key: string): void {
    this.#waiting.get(key)?.timer[Symbol.dispose]()
    this.#waiting.delete(key)
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    entry.expiry[Symbol.dispose]()
    // One that is still being made is removed by whoever makes it.
    if (entry.ready) this.drop(entry)
  }

  async #remove({ incarnationId, rootId }: Ahead): Promise<void> {
    const { runtime, pool, log } = this.#parts
    try {
      await runtime.kill(incarnationId)
      await pool.deleteRoot(rootId)
    } catch (error) {
      log.warn({ err: error, incarnationId, rootId }, 'what was made ahead is left to the next start')
    }
  }

  #track(work: Promise<void>): void {
    const tracked: Promise<void> = work.finally(() => this.#working.delete(tracked))
    this.#working.add(tracked)
  }
}

/** What sandboxes made from an image are made from. */
export function imageOrigin(image: Pick<Image, 'id'>): Origin {
  return { source: { from: 'image', id: image.id }, memory: null }
}

export function snapshotOrigin(snapshot: Snapshot, cold: boolean): Origin {
  const memory = snapshot.kind === 'memory' && !cold ? snapshot : null
  return { source: { from: 'snapshot', id: snapshot.id }, memory }
}

function keyOf({ source, memory }: Origin, resources: Resources): string {
  const { cpus, memoryBytes, diskBytes, maxProcesses } = resources
  return [source.from, source.id, memory === null, cpus, memoryBytes, diskBytes, maxProcesses].join(' ')
}
