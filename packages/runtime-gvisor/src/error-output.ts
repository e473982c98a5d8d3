import type { Socket } from 'node:net'
import { openErrorOutput } from './pipes.ts'

const KEPT_BYTES = 16 * 1024
/** A guest that writes without end may keep us busy for this much a second, then it waits. */
const BYTES_PER_SECOND = 1024 * 1024

/**
 * Reads what the agent and runsc write to standard error, so that they never block, and keeps the end of it for reports.
 * It is the guest's text: shown to operators, never parsed.
 */
export class ErrorOutput {
  readonly #socket: Socket
  #tail = Buffer.alloc(0)
  #window = 0
  #windowStart = performance.now()
  #pause: NodeJS.Timeout | undefined

  /** `onEnd` is called when the last writer is gone. */
  constructor(dir: string, onEnd: () => void) {
    this.#socket = openErrorOutput(dir)
    this.#socket.on('data', (chunk: Buffer) => this.#add(chunk))
    this.#socket.on('end', onEnd)
    // EIO and the like: the end is found by looking at the processes then.
    this.#socket.on('error', onEnd)
  }

  /** The last 16 KiB, unprintable characters replaced. */
  get tail(): string {
    return this.#tail
      .toString('utf8')
      .replace(/[^\P{Cc}\n]/gu, '?')
      .trim()
  }

  close(): void {
    clearTimeout(this.#pause)
    this.#socket.destroy()
  }

  #add(chunk: Buffer): void {
    this.#tail = Buffer.concat([this.#tail, chunk]).subarray(-KEPT_BYTES)
    const now = performance.now()
    if (now - this.#windowStart > 1_000) {
      this.#windowStart = now
      this.#window = 0
    }
    this.#window += chunk.length
    if (this.#window <= BYTES_PER_SECOND) return
    this.#socket.pause()
    this.#pause = setTimeout(() => this.#socket.resume(), 1_000 - (now - this.#windowStart)).unref()
  }
}
