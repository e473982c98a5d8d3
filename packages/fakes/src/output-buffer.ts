import type { ProcessStream } from '@spawnpoint/core'

const realSetTimeout = setTimeout
const realClearTimeout = clearTimeout

/** A reader that falls behind holds the process back for so long, then loses bytes. */
const HOLD_BACK_MS = 30_000

export interface Chunk {
  stream: ProcessStream
  offset: number
  data: Uint8Array
}

export interface OutputState {
  limitBytes: number
  /** Kept output, oldest first */
  chunks: Chunk[]
  /** Written by the process but held back by a slow reader */
  pending: Chunk[]
  /** Bytes written of each stream since the process began, held back ones included */
  written: Partial<Record<ProcessStream, number>>
  /** Chunks dropped from the front of `chunks` */
  dropped: number
}

/** Follows a process from some point on. */
export interface Cursor {
  /** Number, counted since the process began, of the chunk to look at next */
  chunk: number
  /** Next byte wanted of each stream */
  next: Partial<Record<ProcessStream, number>>
  /** Bytes of output wait for this reader: cleared when it has lost the right to hold the process back */
  holds: boolean
}

/** Output of one process: the newest bytes of each stream, with their offsets, and the readers that follow. */
export class OutputBuffer {
  readonly #state: OutputState
  readonly #moved: () => void
  readonly #cursors = new Set<Cursor>()
  #patience: NodeJS.Timeout | null = null

  constructor(state: OutputState, moved: () => void) {
    this.#state = state
    this.#moved = moved
    // Readers belong to one life of the machine: a restored process has none, nothing holds it back.
    this.#pump()
  }

  static empty(limitBytes: number): OutputState {
    return { limitBytes, chunks: [], pending: [], written: {}, dropped: 0 }
  }

  static bytes(state: OutputState): number {
    return [...state.chunks, ...state.pending].reduce((sum, chunk) => sum + chunk.data.length, 0)
  }

  get blocked(): boolean {
    return this.#state.pending.length > 0
  }

  write(stream: ProcessStream, data: Uint8Array): void {
    // Pieces no larger than the buffer, so that a reader who keeps up never meets a gap.
    for (let at = 0; at < data.length; at += this.#state.limitBytes) {
      const piece = data.subarray(at, at + this.#state.limitBytes)
      const offset = this.#state.written[stream] ?? 0
      this.#state.written[stream] = offset + piece.length
      this.#state.pending.push({ stream, offset, data: piece })
    }
    this.#pump()
  }

  follow(from: Partial<Record<ProcessStream, number>> | 'now'): Cursor {
    const { chunks, dropped, written } = this.#state
    const cursor: Cursor =
      from === 'now'
        ? { chunk: dropped + chunks.length, next: { ...written }, holds: true }
        : { chunk: dropped, next: { ...from }, holds: true }
    this.#cursors.add(cursor)
    return cursor
  }

  unfollow(cursor: Cursor): void {
    this.#cursors.delete(cursor)
    this.#advance()
  }

  /** The next piece for this reader, `null` if it has all that is in the buffer. */
  take(cursor: Cursor): Chunk | { gap: Chunk; resumeAt: number } | null {
    const { chunks, dropped } = this.#state
    cursor.chunk = Math.max(cursor.chunk, dropped)
    for (;;) {
      const chunk = chunks[cursor.chunk - dropped]
      if (!chunk) return null
      const next = cursor.next[chunk.stream] ?? 0
      if (chunk.offset > next && chunk.data.length > 0) {
        cursor.next[chunk.stream] = chunk.offset
        return { gap: { ...chunk, offset: next }, resumeAt: chunk.offset }
      }
      cursor.chunk += 1
      const skip = next - chunk.offset
      if (skip >= chunk.data.length) continue
      cursor.next[chunk.stream] = chunk.offset + chunk.data.length
      this.#advance()
      return { stream: chunk.stream, offset: next, data: chunk.data.subarray(skip) }
    }
  }

  #advance(): void {
    const wasBlocked = this.blocked
    this.#pump()
    if (wasBlocked) this.#moved()
  }

  /** Moves held-back output into the buffer as far as no reader would lose bytes by it. */
  #pump(): void {
    const { pending } = this.#state
    for (let chunk = pending[0]; chunk && this.#fits(chunk); chunk = pending[0]) {
      pending.shift()
      this.#state.chunks.push(chunk)
      this.#trim(chunk.stream)
    }
    if (pending.length > 0) this.#patience ??= realSetTimeout(() => this.#loseSlowReaders(), HOLD_BACK_MS).unref()
    else if (this.#patience) {
      realClearTimeout(this.#patience)
      this.#patience = null
    }
  }

  #fits(chunk: Chunk): boolean {
    const end = chunk.offset + chunk.data.length
    for (const cursor of this.#cursors) {
      if (!cursor.holds) continue
      const next = cursor.next[chunk.stream] ?? 0
      if (end - next > this.#state.limitBytes) return false
    }
    return true
  }

  #loseSlowReaders(): void {
    this.#patience = null
    for (const cursor of this.#cursors) {
      const end = this.#state.pending[0]
      if (end && (cursor.next[end.stream] ?? 0) < end.offset) cursor.holds = false
    }
    this.#advance()
  }

  #trim(stream: ProcessStream): void {
    const { chunks, limitBytes } = this.#state
    let bytes = 0
    for (const chunk of chunks) if (chunk.stream === stream) bytes += chunk.data.length
    // Empty husks of the other stream stay in place until the front is reached, so chunk numbers hold.
    for (const [index, chunk] of chunks.entries()) {
      if (bytes <= limitBytes) break
      if (chunk.stream !== stream || chunk.data.length === 0) continue
      const cut = Math.min(bytes - limitBytes, chunk.data.length)
      chunks[index] = { stream, offset: chunk.offset + cut, data: chunk.data.subarray(cut) }
      bytes -= cut
    }
    while (chunks[0] && chunks[0].data.length === 0) {
      chunks.shift()
      this.#state.dropped += 1
    }
  }
}
