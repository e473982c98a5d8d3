import type { ProcessExit, ProcessInfo, ProcessOutput, ProcessStream } from '@spawnpoint/core'
import { HeadBuffer, type Lease } from '@spawnpoint/door-kit'
import { cursorExpired } from './cursor-expired.ts'
import { Waiters } from './waiters.ts'

/** Bytes that a client which comes back can still be shown. A piece counts as some more: it takes memory however small it is. */
const WINDOW_BYTES = 1024 * 1024
const PIECE_BYTES = 64
/** As much of the window as there always is */
const LEAST_WINDOW_BYTES = 64 * 1024
const SMALL_BYTES = 1024
/** Bytes of each stream in a result */
const RESULT_BYTES = 4 * 1024 * 1024

export interface RecordedChunk {
  seq: number
  stream: ProcessStream
  data: Buffer
  at: number
}

/**
 * Reads one process to its end and numbers what it writes: this protocol counts pieces of output, not bytes. Keeps the latest
 * pieces for those who come back, and the beginning of each stream for the result.
 */
export class Recorder {
  readonly info: ProcessInfo
  exit: ProcessExit | null = null
  /** Set when the sandbox ended before the process did */
  lost = false
  readonly #window: RecordedChunk[] = []
  #windowBytes = 0
  /** Less than `WINDOW_BYTES` where there was no room for more */
  #windowLimit = WINDOW_BYTES
  #windowHeld = 0
  readonly #room: Lease | undefined
  #seq = 0
  readonly #heads: Record<ProcessStream, Head> = { stdout: new Head(), stderr: new Head(), pty: new Head() }
  readonly #waiters = new Waiters()
  /** Readers that the process waits for, with the bytes that each has read */
  readonly #paced = new Set<{ bytes: number }>()
  #bytes = 0

  /** `room` holds what it keeps while the process lives; where there is none, it keeps less. */
  constructor(info: ProcessInfo, output: AsyncIterable<ProcessOutput>, room?: Lease) {
    this.info = info
    this.exit = info.exit
    this.#room = room
    void this.#read(output)
  }

  /** Number of the last piece */
  get lastSeq(): number {
    return this.#seq
  }

  /** Bytes of output that it holds in memory */
  get keptBytes(): number {
    return Object.values(this.#heads).reduce((sum, head) => sum + head.length, this.#windowBytes)
  }

  /** Whether results lack the end of a stream */
  get isCut(): boolean {
    return this.#heads.stdout.isCut || this.#heads.stderr.isCut
  }

  get over(): boolean {
    return this.exit !== null || this.lost
  }

  result(stream: ProcessStream): string {
    return this.#heads[stream].bytes().toString('utf8')
  }

  /** Throws `cursor_expired` if pieces after number `cursor` are not kept any more. */
  checkKept(cursor: number): void {
    const [first] = this.#window
    if (cursor > 0 && first !== undefined && first.seq > cursor + 1) throw cursorExpired(cursor + 1, first.seq)
  }

  /** Pieces kept. */
  recent(): readonly RecordedChunk[] {
    return this.#window
  }

  /** Resolves with the exit; `null` if `ms` pass before, or the sandbox ends. */
  async ended(ms: number | null, signal: AbortSignal): Promise<ProcessExit | null> {
    const until = ms === null ? null : Date.now() + ms
    while (!this.over && !signal.aborted) {
      const left = until === null ? null : until - Date.now()
      if (left !== null && left <= 0) return null
      await this.#waiters.next(signal, left)
    }
    return this.exit
  }

  /**
   * Pieces from number `from` on, then what comes, to the end. Rejects `cursor_expired` if that is not kept any more; a process
   * waits for a reader that is `paced`, as far as its agent lets it.
   */
  async *follow(from: number, signal: AbortSignal, { paced = false } = {}): AsyncGenerator<RecordedChunk> {
    const pace = { bytes: 0 }
    if (paced) this.#paced.add(pace)
    try {
      yield* this.#follow(from, signal, pace)
    } finally {
      this.#paced.delete(pace)
      this.#waiters.wake()
    }
  }

  async *#follow(from: number, signal: AbortSignal, pace: { bytes: number }): AsyncGenerator<RecordedChunk> {
    // Who is ahead of all there is, as after a restart that numbers anew, misses nothing of what comes.
    let next = Math.min(Math.max(1, from), this.#seq + 1)
    for (;;) {
      const first = this.#window[0]?.seq ?? this.#seq + 1
      if (next < first && this.#seq > 0 && from > 0) throw cursorExpired(next, first)
      // Who asked for no number takes what there is, and goes on with what is left where it was too slow.
      next = Math.max(next, first)
      const chunk = this.#window[next - first]
      if (chunk !== undefined) {
        next += 1
        yield chunk
        pace.bytes += costOf(chunk.data)
        if (this.#paced.has(pace)) this.#waiters.wake()
        continue
      }
      if (this.over || signal.aborted) return
      await this.#waiters.next(signal)
    }
  }

  async #read(output: AsyncIterable<ProcessOutput>): Promise<void> {
    try {
      for await (const item of output) {
        if (item.type === 'data') this.#add(item.stream, item.data)
        else if (item.type === 'exit') {
          for (const stream of ['stdout', 'stderr'] as const) this.#add(stream, Buffer.alloc(0), true)
          this.exit = item.exit
        }
        this.#waiters.wake()
        // Nobody who reads at their own pace is to find a piece gone.
        while ([...this.#paced].some(({ bytes }) => this.#bytes - bytes > this.#windowLimit / 2))
          await this.#waiters.next(NEVER)
      }
    } catch {
      // The sandbox was stopped, rolled back or killed: `lost` tells whoever waits.
    }
    if (this.exit === null) this.lost = true
    this.#room?.[Symbol.dispose]()
    this.#waiters.wake()
  }

  #fits(bytes: number): boolean {
    return bytes <= 0 || this.#room === undefined || this.#room.take(bytes)
  }

  #add(stream: ProcessStream, data: Buffer, last = false): void {
    const head = this.#heads[stream]
    if (this.#fits(head.wants(data))) head.add(data)
    else head.close()
    // A piece never ends within a character, for each is text of its own; what a terminal shows goes out as bytes.
    const piece = stream === 'pty' ? data : head.wholeCharacters(data, last)
    if (piece.length === 0) return
    this.#seq += 1
    // A copy of what is small: the rest of the frame that it came in need not stay.
    const kept = piece.length < SMALL_BYTES ? Buffer.from(piece) : piece
    this.#window.push({ seq: this.#seq, stream, data: kept, at: Date.now() })
    this.#windowBytes += costOf(piece)
    this.#bytes += costOf(piece)
    const more = Math.min(this.#windowBytes, this.#windowLimit) - this.#windowHeld
    if (more > 0 && this.#fits(more)) this.#windowHeld += more
    else if (more > 0) this.#windowLimit = Math.max(this.#windowHeld, LEAST_WINDOW_BYTES)
    while (this.#windowBytes > this.#windowLimit && this.#window.length > 1) {
      const oldest = this.#window.shift()
      if (oldest !== undefined) this.#windowBytes -= costOf(oldest.data)
    }
  }
}

const NEVER = new AbortController().signal

function costOf({ length }: Buffer): number {
  return length + PIECE_BYTES
}

/** The beginning of a stream, and what of its last character has come. */
class Head extends HeadBuffer {
  #tail = Buffer.alloc(0)

  constructor() {
    super(RESULT_BYTES)
  }

  /** What came, without a character that is not all there yet; that comes with the next. */
  wholeCharacters(data: Buffer, last: boolean): Buffer {
    const all = this.#tail.length === 0 ? data : Buffer.concat([this.#tail, data])
    const cut = last ? all.length : all.length - incompleteBytes(all)
    this.#tail = Buffer.from(all.subarray(cut))
    return all.subarray(0, cut)
  }
}

/** Bytes of the character at the end that is not whole. */
function incompleteBytes(data: Buffer): number {
  for (let back = 1; back <= 3 && back <= data.length; back += 1) {
    const byte = data[data.length - back] as number
    if (byte < 0x80) return 0
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
      return back < length ? back : 0
    }
  }
  return 0
}
