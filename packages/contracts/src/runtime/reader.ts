import type { ProcessExit, ProcessInfo, ProcessOutput, ProcessStream } from '@spawnpoint/core'
import { spamByte } from './programs.ts'

/**
 * Reads one process's output and checks while reading that no byte is lost or doubled: each piece begins where the one
 * before it ended, or a gap says otherwise.
 */
export class Reader {
  readonly info: ProcessInfo
  readonly gaps: { stream: ProcessStream; offset: number; resumeAt: number }[] = []
  exit: ProcessExit | null = null
  readonly #iterator: AsyncIterator<ProcessOutput>
  readonly #pieces: Record<ProcessStream, Buffer[]> = { stdout: [], stderr: [], pty: [] }
  readonly #next: Partial<Record<ProcessStream, number>>
  readonly #fromNow: boolean

  constructor(
    followed: { info: ProcessInfo; output: AsyncIterable<ProcessOutput> },
    from: Partial<Record<ProcessStream, number>> | 'now' = {},
  ) {
    this.info = followed.info
    this.#iterator = followed.output[Symbol.asyncIterator]()
    this.#fromNow = from === 'now'
    this.#next = from === 'now' ? {} : { ...from }
  }

  bytes(stream: ProcessStream = 'stdout'): Buffer {
    return Buffer.concat(this.#pieces[stream])
  }

  text(stream: ProcessStream = 'stdout'): string {
    return this.bytes(stream).toString('utf8')
  }

  /** Whole lines read so far. */
  lines(stream: ProcessStream = 'stdout'): string[] {
    return this.text(stream).split('\n').slice(0, -1)
  }

  /** Position after the last byte read. */
  position(stream: ProcessStream = 'stdout'): number {
    return this.#next[stream] ?? 0
  }

  /** Reads one piece; false at the end. */
  async step(): Promise<boolean> {
    const { done, value } = await this.#iterator.next()
    if (done) return false
    if (value.type === 'exit') {
      if (this.exit) throw new Error('a second exit')
      this.exit = value.exit
      return true
    }
    if (this.exit) throw new Error('output after the exit')
    const expected = this.#next[value.stream] ?? (this.#fromNow ? value.offset : 0)
    if (value.offset !== expected) throw new Error(`${value.stream} goes on at ${value.offset}, not at ${expected}`)
    if (value.type === 'gap') {
      this.gaps.push({ stream: value.stream, offset: value.offset, resumeAt: value.resumeAt })
      this.#next[value.stream] = value.resumeAt
    } else {
      this.#pieces[value.stream].push(value.data)
      this.#next[value.stream] = value.offset + value.data.length
    }
    return true
  }

  /** Reads until what was read fulfils the condition. */
  async until(condition: (reader: this) => boolean): Promise<this> {
    while (!condition(this)) {
      if (!(await this.step())) throw new Error(`ended before it came: ${JSON.stringify(this.text().slice(-500))}`)
    }
    return this
  }

  line(text: string, stream: ProcessStream = 'stdout'): Promise<this> {
    return this.until((reader) => reader.lines(stream).some((line) => line.trimEnd() === text))
  }

  async end(): Promise<this> {
    while (await this.step());
    if (!this.exit) throw new Error('ended without an exit')
    return this
  }

  /** Gives up reading. */
  async stop(): Promise<void> {
    await this.#iterator.return?.()
  }
}

/** Index of the first byte that is not what `spam` prints from `from` on, -1 if all are. */
export function firstWrongByte(data: Buffer, from = 0): number {
  return data.findIndex((byte, index) => byte !== spamByte(from + index))
}

/** The numbers a counter printed, its answers left out. */
export function counted(reader: Reader): number[] {
  return reader
    .lines()
    .filter((line) => !line.startsWith('value '))
    .map(Number)
}
