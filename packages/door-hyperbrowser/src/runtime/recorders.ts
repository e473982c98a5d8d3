import type { Guest, Principal, ProcessSpec, SpawnpointApi } from '@spawnpoint/core'
import { TOOL_TAG } from './inside.ts'
import { Recorder } from './recorder.ts'

/** Milliseconds that the output of a process which has ended can still be asked for */
const KEPT_MS = 600_000
/** Of one server; the oldest that have ended go first */
const MAX = 2_000
/** Bytes of each stream that the agent keeps for a server that comes back */
const BUFFER_BYTES = 4 * 1024 * 1024

interface Entry {
  recorder: Recorder
  guest: Guest
  until: number | null
}

/** The recorders of all sandboxes: one for each process that somebody has asked about. */
export class Recorders {
  readonly #api: SpawnpointApi
  readonly #entries = new Map<string, Entry>()

  constructor(api: SpawnpointApi) {
    this.#api = api
  }

  async start(by: Principal, sandboxId: string, spec: ProcessSpec): Promise<Recorder> {
    const { guest } = await this.#api.sandboxes.guest(by, sandboxId)
    const { info, output } = await guest.processes.startAndFollow({ ...spec, bufferBytes: BUFFER_BYTES })
    return this.#keep(sandboxId, guest, new Recorder(info, output))
  }

  /** Rejects `process_not_found`. */
  async get(by: Principal, sandboxId: string, id: string): Promise<Recorder> {
    const { guest } = await this.#api.sandboxes.guest(by, sandboxId)
    const known = this.#entries.get(keyOf(sandboxId, id))
    // Another life of the sandbox may have a process of that name that did other things.
    if (known?.guest === guest) return known.recorder
    const { info, output } = await guest.processes.follow(id, {})
    return this.#keep(sandboxId, guest, new Recorder(info, output))
  }

  async list(by: Principal, sandboxId: string): Promise<Recorder[]> {
    const { guest } = await this.#api.sandboxes.guest(by, sandboxId)
    const infos = (await guest.processes.list()).filter(({ tag }) => tag !== TOOL_TAG)
    return Promise.all(infos.map((info) => this.get(by, sandboxId, info.id)))
  }

  async guest(by: Principal, sandboxId: string): Promise<Guest> {
    return (await this.#api.sandboxes.guest(by, sandboxId)).guest
  }

  #keep(sandboxId: string, guest: Guest, recorder: Recorder): Recorder {
    this.#tidy()
    this.#entries.set(keyOf(sandboxId, recorder.info.id), { recorder, guest, until: null })
    return recorder
  }

  #tidy(): void {
    const now = Date.now()
    for (const [key, entry] of this.#entries) {
      if (!entry.recorder.over) continue
      entry.until ??= now + KEPT_MS
      if (entry.until <= now || this.#entries.size >= MAX) this.#entries.delete(key)
    }
  }
}

function keyOf(sandboxId: string, id: string): string {
  return `${sandboxId} ${id}`
}
