import { randomUUID } from 'node:crypto'
import {
  type FileEvent,
  invalidArgument,
  notFound,
  type Principal,
  type SpawnpointApi,
  SpawnpointError,
} from '@spawnpoint/core'

/** Of one sandbox, and events kept until somebody takes them */
const MAX_WATCHES = 64
const MAX_EVENTS = 10_000

export interface WatchEvent {
  seq: number
  path: string
  op: string
  timestamp: number
}

const OPS: { readonly [T in FileEvent['type']]: string } = {
  created: 'create',
  modified: 'write',
  removed: 'remove',
  renamed: 'rename',
  attributes: 'chmod',
}

/** A directory that is watched from when it was asked for, whoever listens and when. */
export class Watch {
  readonly id = randomUUID()
  readonly sandboxId: string
  readonly path: string
  readonly recursive: boolean
  readonly createdAt = Date.now()
  readonly #stop = new AbortController()
  readonly #events: WatchEvent[] = []
  #seq = 0
  #over = false
  #told: () => void = () => {}

  constructor(sandboxId: string, path: string, recursive: boolean) {
    this.sandboxId = sandboxId
    this.path = path
    this.recursive = recursive
  }

  get stopping(): AbortSignal {
    return this.#stop.signal
  }

  async read(events: AsyncIterable<FileEvent>): Promise<void> {
    try {
      for await (const { type, path } of events) {
        this.#seq += 1
        this.#events.push({ seq: this.#seq, path, op: OPS[type], timestamp: Date.now() })
        if (this.#events.length > MAX_EVENTS) this.#events.shift()
        this.#told()
      }
    } catch {
      // The sandbox ended, or the watch was stopped: whoever listens is told that it is over.
    }
    this.#over = true
    this.#told()
  }

  /** Events after number `cursor`, then what comes, until it is stopped. */
  async *follow(cursor: number, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    let last = cursor
    for (;;) {
      const first = this.#events[0]?.seq ?? this.#seq + 1
      const next = this.#events[Math.max(0, last + 1 - first)]
      if (next !== undefined) {
        last = next.seq
        yield next
        continue
      }
      if (this.#over || signal.aborted) return
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#told = resolve
      signal.addEventListener('abort', () => resolve(), { once: true })
      await promise
    }
  }

  stop(): void {
    this.#stop.abort()
    this.#over = true
    this.#told()
  }
}

/** Watches of all sandboxes, by id. They end with the sandbox, and with the server. */
export class Watches {
  readonly #api: SpawnpointApi
  readonly #watches = new Map<string, Watch>()

  constructor(api: SpawnpointApi) {
    this.#api = api
  }

  async start(
    by: Principal,
    sandboxId: string,
    path: string,
    recursive: boolean,
    user: string | undefined,
  ): Promise<Watch> {
    const of = [...this.#watches.values()].filter((watch) => watch.sandboxId === sandboxId)
    if (of.length >= MAX_WATCHES) {
      throw new SpawnpointError('limit_exceeded', `A sandbox has at most ${MAX_WATCHES} watches`, {
        limit: 'watches',
        allowed: MAX_WATCHES,
        asked: of.length + 1,
      })
    }
    const { guest } = await this.#api.sandboxes.guest(by, sandboxId)
    const info = await guest.files.stat(path, { targets: true, ...(user === undefined ? {} : { user }) })
    if ((info.target?.type ?? info.type) !== 'directory') throw invalidArgument('path', 'not a directory')
    const watch = new Watch(sandboxId, info.path, recursive)
    const events = await guest.files.watch(path, {
      recursive,
      signal: watch.stopping,
      ...(user === undefined ? {} : { user }),
    })
    this.#watches.set(watch.id, watch)
    void watch.read(events).then(() => this.#watches.delete(watch.id))
    return watch
  }

  get(sandboxId: string, id: string): Watch {
    const watch = this.#watches.get(id)
    if (watch?.sandboxId !== sandboxId) throw notFound('route', `watch ${id}`)
    return watch
  }

  close(): void {
    for (const watch of this.#watches.values()) watch.stop()
  }
}
