import { randomUUID } from 'node:crypto'
import {
  type AnswerRoom,
  type Guest,
  isCode,
  type Principal,
  type ProcessSpec,
  type SpawnpointApi,
} from '@spawnpoint/core'
import { Room } from '@spawnpoint/door-kit'
import { TOOL_TAG } from './inside.ts'
import { Recorder } from './recorder.ts'

/** Milliseconds that the output of a process which has ended can still be asked for */
const KEPT_MS = 600_000
/** Of one server; the oldest that have ended go first */
const MAX = 2_000
/** Bytes of output of processes that have ended; the oldest go first, and are read from the agent if asked for again */
const MAX_BYTES = 256 * 1024 * 1024
/** Of processes that live, together, and of one team's; a little of each is free */
const LIVING = { totalBytes: 512 * 1024 * 1024, teamBytes: 128 * 1024 * 1024, freeBytes: 128 * 1024 }
/** Bytes of each stream that the agent keeps for a server that comes back */
const BUFFER_BYTES = 4 * 1024 * 1024

type Following = ReturnType<Guest['processes']['follow']>

interface Entry {
  guest: Guest
  /** Of all who ask for the process while it is being found, too: two recorders would number its pieces differently */
  recorder: Promise<Recorder>
  /** `null` until it is found */
  found: Recorder | null
  until: number | null
}

/** The recorders of all sandboxes: one for each process that somebody has asked about. */
export class Recorders {
  readonly #api: SpawnpointApi
  readonly #entries = new Map<string, Entry>()
  readonly #maxBytes: number
  readonly #living: Room

  constructor(api: SpawnpointApi, { maxBytes = MAX_BYTES, living = LIVING } = {}) {
    this.#api = api
    this.#maxBytes = maxBytes
    this.#living = new Room(living)
  }

  async start(by: Principal, sandboxId: string, spec: ProcessSpec): Promise<Recorder> {
    const { guest } = await this.#api.sandboxes.guest(by, sandboxId)
    // Known before it runs: whoever finds it in a list in this moment gets the same recorder.
    const id = randomUUID()
    const starting = guest.processes.startAndFollow({ ...spec, id, bufferBytes: BUFFER_BYTES })
    return this.#keep(by, sandboxId, id, guest, starting)
  }

  /** Rejects `process_not_found`. */
  async get(by: Principal, sandboxId: string, ref: string): Promise<Recorder> {
    const { guest } = await this.#api.sandboxes.guest(by, sandboxId)
    // By the number that it has inside; it goes by its id.
    const id = ref.startsWith('pid:') ? (await guest.processes.get(ref)).id : ref
    const known = this.#entries.get(keyOf(sandboxId, id))
    // Another life of the sandbox may have a process of that name that did other things.
    if (known?.guest === guest) return known.recorder
    return this.#keep(by, sandboxId, id, guest, guest.processes.follow(id, {}))
  }

  /** `room` holds what the list came to; rejects `rate_limited` without enough of it. */
  async list(by: Principal, sandboxId: string, room?: AnswerRoom): Promise<Recorder[]> {
    const { guest } = await this.#api.sandboxes.guest(by, sandboxId)
    const infos = (await guest.processes.list({ room })).filter(({ tag }) => tag !== TOOL_TAG)
    const found = await Promise.all(
      infos.map(({ id }) =>
        this.get(by, sandboxId, id).catch((error: unknown) => {
          // The agent has forgotten it since.
          if (isCode(error, 'process_not_found')) return null
          throw error
        }),
      ),
    )
    return found.filter((one) => one !== null)
  }

  /** Of all that the process has started. One that has ended needs none, also if that is not known here yet. */
  async signal(by: Principal, sandboxId: string, ref: string, signal: string | number): Promise<Recorder> {
    const recorder = await this.get(by, sandboxId, ref)
    if (recorder.over) return recorder
    try {
      await (await this.guest(by, sandboxId)).processes.signal(ref, signal, true)
    } catch (error) {
      if (!isCode(error, 'guest_error') || error.context.errno !== 'ESRCH') throw error
    }
    return recorder
  }

  async guest(by: Principal, sandboxId: string): Promise<Guest> {
    return (await this.#api.sandboxes.guest(by, sandboxId)).guest
  }

  #keep(by: Principal, sandboxId: string, id: string, guest: Guest, following: Following): Promise<Recorder> {
    this.#tidy()
    const key = keyOf(sandboxId, id)
    const recorder = following.then(({ info, output }) => {
      entry.found = new Recorder(info, output, this.#living.lease(by.teamId))
      return entry.found
    })
    const entry: Entry = { guest, recorder, found: null, until: null }
    this.#entries.set(key, entry)
    // Whoever asked is told; the next one may find it.
    recorder.catch(() => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key)
    })
    return recorder
  }

  #tidy(): void {
    const now = Date.now()
    const ended: [key: string, bytes: number][] = []
    for (const [key, entry] of this.#entries) {
      if (entry.found?.over !== true) continue
      entry.until ??= now + KEPT_MS
      if (entry.until <= now || this.#entries.size >= MAX) this.#entries.delete(key)
      else ended.push([key, entry.found.keptBytes])
    }
    let kept = ended.reduce((sum, [, bytes]) => sum + bytes, 0)
    for (const [key, bytes] of ended) {
      if (kept <= this.#maxBytes) break
      this.#entries.delete(key)
      kept -= bytes
    }
  }
}

function keyOf(sandboxId: string, id: string): string {
  return `${sandboxId} ${id}`
}
