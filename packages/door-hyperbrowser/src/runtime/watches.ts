import { randomUUID } from 'node:crypto'
import { type FileEvent, invalidArgument, SpawnpointError } from '@spawnpoint/core'
import { cursorExpired } from './cursor-expired.ts'
import type { Inside } from './inside.ts'
import { Waiters } from './waiters.ts'

/** Of one sandbox, and events kept until somebody takes them */
const MAX_WATCHES = 64
/** Milliseconds that a watch which has ended can still be asked about */
const KEPT_MS = 600_000
/** Of one server, those that have ended among them */
const MAX_KEPT = 1_000
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
  #stoppedAt: number | null = null
  readonly #stop = new AbortController()
  readonly #events: WatchEvent[] = []
  #seq = 0
  #over = false
  readonly #waiters = new Waiters()

  constructor(sandboxId: string, path: string, recursive: boolean) {
    this.sandboxId = sandboxId
    this.path = path
    this.recursive = recursive
  }

  json(withEvents: boolean) {
    return {
      id: this.id,
      path: this.path,
      recursive: this.recursive,
      active: !this.#over,
      createdAt: this.createdAt,
      stoppedAt: this.#stoppedAt,
      oldestSeq: this.#events[0]?.seq ?? 0,
      lastSeq: this.#seq,
      eventCount: this.#events.length,
      ...(withEvents ? { events: this.#events } : {}),
    }
  }

  get stoppedAt(): number | null {
    return this.#stoppedAt
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
        this.#waiters.wake()
      }
    } catch {
      // The sandbox ended, or the watch was stopped: whoever listens is told that it is over.
    }
    this.#end()
  }

  /** Events after number `cursor`, then what comes, until it is stopped. Rejects `cursor_expired` where some are not kept any more. */
  async *follow(cursor: number, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    let last = Math.min(cursor, this.#seq)
    for (;;) {
      const first = this.#events[0]?.seq ?? this.#seq + 1
      // Who names no event takes what there is.
      if (last > 0 && last + 1 < first) throw cursorExpired(last + 1, first)
      const next = this.#events[Math.max(0, last + 1 - first)]
      if (next !== undefined) {
        last = next.seq
        yield next
        continue
      }
      if (this.#over || signal.aborted) return
      await this.#waiters.next(signal)
    }
  }

  stop(): void {
    this.#stop.abort()
    this.#end()
  }

  #end(): void {
    this.#over = true
    this.#stoppedAt ??= Date.now()
    this.#waiters.wake()
  }
}

/** Watches of all sandboxes, by id. They end with the sandbox, and with the server. */
export class Watches {
  readonly #watches = new Map<string, Watch>()

  async start({ guest, id: sandboxId, access }: Inside, path: string, recursive: boolean): Promise<Watch> {
    this.#tidy()
    const of = [...this.#watches.values()].filter((watch) => watch.sandboxId === sandboxId && watch.stoppedAt === null)
    if (of.length >= MAX_WATCHES) {
      throw new SpawnpointError('limit_exceeded', `A sandbox has at most ${MAX_WATCHES} watches`, {
        limit: 'watches',
        allowed: MAX_WATCHES,
        asked: of.length + 1,
      })
    }
    const info = await guest.files.stat(path, { targets: true, ...access })
    if ((info.target?.type ?? info.type) !== 'directory') throw invalidArgument('path', 'not a directory')
    const watch = new Watch(sandboxId, info.path, recursive)
    const events = await guest.files.watch(path, { recursive, signal: watch.stopping, ...access })
    this.#watches.set(watch.id, watch)
    void watch.read(events)
    return watch
  }

  get(sandboxId: string, id: string): Watch {
    const watch = this.#watches.get(id)
    if (watch?.sandboxId !== sandboxId)
      throw new SpawnpointError('not_found', `Watch not found: ${id}`, { resource: 'route', ref: id })
    return watch
  }

  #tidy(): void {
    const before = Date.now() - KEPT_MS
    for (const { id, stoppedAt } of this.#watches.values()) {
      if (stoppedAt !== null && (stoppedAt < before || this.#watches.size > MAX_KEPT)) this.#watches.delete(id)
    }
  }

  close(): void {
    for (const watch of this.#watches.values()) watch.stop()
  }
}
