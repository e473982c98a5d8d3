import type { ServerResponse } from 'node:http'
import { totalmem } from 'node:os'

const MIB = 2 ** 20
/** Milliseconds that an answer waits for room, all in all */
const PATIENCE_MS = 10_000

export interface RoomSizes {
  /** Bytes for all */
  totalBytes: number
  /** Bytes for what one team asks for */
  teamBytes: number
  /** Bytes of each lease that count for nothing, so that what is short is never in want of room */
  freeBytes: number
  patienceMs?: number
}

/** Bytes in memory for what was asked for and has not been told yet. Who asks for much and reads none of it fills a team's share, not the server. */
export class Room {
  readonly #sizes: Required<RoomSizes>
  readonly #used = new Map<string, number>()
  #total = 0
  readonly #waiting = new Set<() => void>()

  constructor(sizes: RoomSizes) {
    this.#sizes = { patienceMs: PATIENCE_MS, ...sizes }
  }

  get usedBytes(): number {
    return this.#total
  }

  /** For one request of a team. */
  lease(team: string): Lease {
    return new Lease(this, team, this.#sizes)
  }

  /** Until that is told, or there is nobody to tell. */
  leaseFor(team: string, answer: ServerResponse): Lease {
    const lease = this.lease(team)
    if (answer.destroyed) lease[Symbol.dispose]()
    else answer.once('close', () => lease[Symbol.dispose]())
    return lease
  }

  take(team: string, bytes: number): boolean {
    const used = this.#used.get(team) ?? 0
    const { totalBytes, teamBytes } = this.#sizes
    if (used + bytes > teamBytes || this.#total + bytes > totalBytes) return false
    this.#used.set(team, used + bytes)
    this.#total += bytes
    return true
  }

  give(team: string, bytes: number): void {
    const left = (this.#used.get(team) ?? 0) - bytes
    if (left > 0) this.#used.set(team, left)
    else this.#used.delete(team)
    this.#total -= bytes
    for (const look of [...this.#waiting]) look()
  }

  /** Resolves when there may be more room than there was, or after so many milliseconds. */
  async change(ms: number): Promise<void> {
    const changed = Promise.withResolvers<void>()
    const timer = setTimeout(changed.resolve, ms)
    this.#waiting.add(changed.resolve)
    await changed.promise
    this.#waiting.delete(changed.resolve)
    clearTimeout(timer)
  }
}

/** What one request holds. */
export class Lease implements Disposable {
  readonly #room: Room
  readonly #team: string
  #freeBytes: number
  #patienceMs: number
  #heldBytes = 0
  #over = false

  constructor(room: Room, team: string, { freeBytes, patienceMs }: Required<RoomSizes>) {
    this.#room = room
    this.#team = team
    this.#freeBytes = freeBytes
    this.#patienceMs = patienceMs
  }

  /** Whether there is room for so many bytes more; they are held then. */
  take(bytes: number): boolean {
    if (this.#over) return true
    const free = Math.min(bytes, this.#freeBytes)
    const counted = bytes - free
    if (counted > 0 && !this.#room.take(this.#team, counted)) return false
    this.#freeBytes -= free
    this.#heldBytes += counted
    return true
  }

  /** The same, and waits for others to be told for as long as a lease may wait. */
  async taken(bytes: number): Promise<boolean> {
    while (!this.take(bytes)) {
      if (this.#patienceMs <= 0) return false
      const began = performance.now()
      await this.#room.change(this.#patienceMs)
      this.#patienceMs -= performance.now() - began
    }
    return true
  }

  [Symbol.dispose](): void {
    if (this.#over) return
    this.#over = true
    this.#room.give(this.#team, this.#heldBytes)
  }
}

/** Output and lists in answers that are told in one piece: as JSON it may be six times as many bytes, and in the end there are two copies. */
export const ANSWERS = new Room({
  totalBytes: Math.min(256 * MIB, Math.ceil(totalmem() / 64)),
  teamBytes: Math.min(64 * MIB, Math.ceil(totalmem() / 256)),
  freeBytes: MIB / 8,
})

/** Bodies that are read before they are looked at, and what was made of them, until the request is answered. The longest that a door takes has to fit. */
const BODIES_BYTES = Math.max(128 * MIB, Math.min(512 * MIB, Math.ceil(totalmem() / 16)))
export const BODIES = new Room({
  totalBytes: BODIES_BYTES,
  teamBytes: Math.max(100 * MIB, BODIES_BYTES / 4),
  freeBytes: MIB / 16,
})
