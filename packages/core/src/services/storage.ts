import type { Principal, StorageApi } from '../api.ts'
import { Background } from '../background.ts'
import type { Snapshot, SnapshotId, TeamId, TeamStorage } from '../model.ts'
import { eachItem } from '../paging.ts'
import type { Parts } from '../parts.ts'
import type { Measured, TreeSource } from '../ports/index.ts'
import { volumeRoot } from '../volume-root.ts'

/** Milliseconds after the start of the server */
const FIRST_MS = 120_000
const EVERY_MS = 15 * 60_000
/** Measuring may take this share of the time */
const SHARE = 1 / 20
/** Records written in one transaction */
const BATCH = 100

interface Things {
  images: TreeSource[]
  /** Those of sandboxes and of volumes */
  roots: TreeSource[]
  snapshots: { from: 'snapshot'; id: SnapshotId }[]
}

/**
 * Says what snapshots and teams have in the store. That takes reading the trees of everything in it, so it is done now and
 * then in the background, and the answers are as old as they say.
 */
export class Storage implements StorageApi {
  readonly #parts: Parts
  readonly #background: Background

  constructor(parts: Parts) {
    this.#parts = parts
    this.#background = new Background(parts, () => this.#run())
  }

  get(by: Principal): Promise<TeamStorage | null> {
    return this.#parts.ledger.read.storage(by.teamId)
  }

  start(): void {
    this.#background.start(FIRST_MS)
  }

  /** Resolves when a run under way has stopped. Preconditions: `closing` is aborted. */
  close(): Promise<void> {
    return this.#background.close()
  }

  async #run(): Promise<number> {
    const { clock, closing, log } = this.#parts
    const began = clock.uptimeMs()
    try {
      await this.#measure()
    } catch (error) {
      // What was under way is done anew by the next server.
      if (!closing.aborted) log.warn({ err: error }, 'what is stored could not be measured; trying again')
    }
    const tookMs = clock.uptimeMs() - began
    return Math.max(EVERY_MS, tookMs / SHARE)
  }

  async #measure(): Promise<void> {
    const { pool, clock, closing } = this.#parts
    const teams = [...(await this.#things())]
    if (teams.length === 0) return
    const at = clock.now()
    const sets = teams.map(([, { images, roots, snapshots }]) => [...snapshots, ...images, ...roots])
    const measured = await pool.measure(sets, closing)
    for (const [n, [teamId, things]] of teams.entries()) {
      const found = measured[n]
      if (found === undefined) continue
      await this.#keepSnapshots(things.snapshots, found.things, at)
      const { images, roots, snapshots } = things
      const counts = { snapshots: snapshots.length, images: images.length, roots: roots.length }
      await this.#parts.ledger.transact((tx) => tx.putStorage(teamId, { ...found.set, ...counts, at }))
    }
  }

  /** Of every team that has something, or had when it was last measured. */
  async #things(): Promise<Map<TeamId, Things>> {
    const { read } = this.#parts.ledger
    const teams = new Map<TeamId, Things>()
    const of = (teamId: TeamId): Things => {
      const things = teams.get(teamId) ?? { images: [], roots: [], snapshots: [] }
      teams.set(teamId, things)
      return things
    }
    const filter = { states: ['ready', 'trashed'] satisfies Snapshot['state'][], includeInternal: true }
    for await (const { teamId, id } of eachItem((page) => read.snapshots(filter, page)))
      of(teamId).snapshots.push({ from: 'snapshot', id })
    for await (const { teamId, id } of eachItem((page) => read.images({ states: ['ready'] }, page)))
      of(teamId).images.push({ from: 'image', id })
    for await (const { teamId, rootId } of eachItem((page) => read.sandboxes({}, page)))
      if (rootId !== null) of(teamId).roots.push({ from: 'root', id: rootId })
    for await (const { teamId, id } of eachItem((page) => read.volumes({}, page)))
      of(teamId).roots.push({ from: 'root', id: volumeRoot(id) })
    for await (const { id } of eachItem((page) => read.teams(page)))
      if (!teams.has(id) && (await read.storage(id)) !== null) of(id)
    return teams
  }

  async #keepSnapshots(
    snapshots: readonly { id: SnapshotId }[],
    found: readonly (Measured | null)[],
    at: Date,
  ): Promise<void> {
    const { ledger, closing } = this.#parts
    for (let from = 0; from < snapshots.length && !closing.aborted; from += BATCH) {
      await ledger.transact(async (tx) => {
        for (const [n, { id }] of snapshots.slice(from, from + BATCH).entries()) {
          const storage = found[from + n]
          if (!storage) continue
          const snapshot = await tx.lockSnapshot(id)
          if (snapshot !== null) await tx.putSnapshot({ ...snapshot, storage: { ...storage, at } })
        }
      })
    }
  }
}
