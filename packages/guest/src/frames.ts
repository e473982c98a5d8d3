import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

/**
 * Frames of `docs/guest-protocol.md`, all integers little-endian:
 *
 *      0      2     3     4         8         12        16
 *     | magic |type |flags| channel | length  | crc32   | payload …
 *
 * The checksum covers bytes 0 to 12 and the payload.
 */
export const HEADER_BYTES = 16
export const MAX_PAYLOAD_BYTES = 64 * 1024
/** What either side may send on a channel before the first `credit`, in payload bytes of `data` and `item`. */
export const INITIAL_WINDOW_BYTES = 256 * 1024
const MAGIC = 0x53a7

export const frameType = { request: 1, result: 2, error: 3, data: 4, item: 5, credit: 6, cancel: 7 } as const
export type FrameType = (typeof frameType)[keyof typeof frameType]

/** The JSON text goes on in the next frame of this channel. */
export const FLAG_MORE = 1
/** Last frame of the sender on this channel. */
export const FLAG_END = 2

/** The peer broke the protocol. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation'
}

/** Encodes one frame. Preconditions: `payload` is at most 64 KiB. */
export function encodeFrame(type: FrameType, flags: number, channel: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length)
  frame.writeUInt16LE(MAGIC, 0)
  frame[2] = type
  frame[3] = flags
  frame.writeUInt32LE(channel, 4)
  frame.writeUInt32LE(payload.length, 8)
  frame.writeUInt32LE(crc32(payload, crc32(frame.subarray(0, 12))), 12)
  frame.set(payload, HEADER_BYTES)
  return frame
}

/** Encodes a text of any length as frames that continue each other. */
export function encodeText(type: FrameType, flags: number, channel: number, text: Buffer): Buffer[] {
  const frames: Buffer[] = []
  let at = 0
  for (; text.length - at > MAX_PAYLOAD_BYTES; at += MAX_PAYLOAD_BYTES) {
    frames.push(encodeFrame(type, FLAG_MORE, channel, text.subarray(at, at + MAX_PAYLOAD_BYTES)))
  }
  frames.push(encodeFrame(type, flags, channel, text.subarray(at)))
  return frames
}

export type TakeFrame = (type: number, flags: number, channel: number, payload: Buffer) => void

/**
 * Cuts the guest's bytes into frames. Holds at most one unfinished frame. Throws `ProtocolViolation` at the first byte
 * that is out of place; there is no way back from that.
 */
export class FrameParser {
  readonly #header = Buffer.alloc(HEADER_BYTES)
  #headerFilled = 0
  #body: Buffer | null = null
  #bodyFilled = 0

  push(chunk: Buffer, take: TakeFrame): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#headerFilled === 0 && chunk.length - at >= HEADER_BYTES) {
        const length = checkHeader(chunk, at)
        const end = at + HEADER_BYTES + length
        if (end <= chunk.length) {
          takeChecked(chunk, at, chunk.subarray(at + HEADER_BYTES, end), take)
          at = end
          continue
        }
      }
      if (this.#headerFilled < HEADER_BYTES) {
        const copied = chunk.copy(this.#header, this.#headerFilled, at)
        this.#headerFilled += copied
        at += copied
        if (this.#headerFilled < HEADER_BYTES) return
        this.#body = Buffer.allocUnsafe(checkHeader(this.#header, 0))
        this.#bodyFilled = 0
      }
      const body = this.#body as Buffer
      const copied = chunk.copy(body, this.#bodyFilled, at)
      this.#bodyFilled += copied
      at += copied
      if (this.#bodyFilled < body.length) return
      this.#headerFilled = 0
      this.#body = null
      takeChecked(this.#header, 0, body, take)
    }
  }
}

function checkHeader(bytes: Buffer, at: number): number {
  if (bytes.readUInt16LE(at) !== MAGIC) throw new ProtocolViolation('frame does not begin with the magic number')
  const length = bytes.readUInt32LE(at + 8)
  if (length > MAX_PAYLOAD_BYTES) throw new ProtocolViolation(`frame of ${length} bytes`)
  return length
}

function takeChecked(header: Buffer, at: number, payload: Buffer, take: TakeFrame): void {
  const sum = crc32(payload, crc32(header.subarray(at, at + 12)))
  if (sum !== header.readUInt32LE(at + 12)) throw new ProtocolViolation('frame with a wrong checksum')
  take(header[at + 2] as number, header[at + 3] as number, header.readUInt32LE(at + 4), payload)
}

const MARKER_MAGIC = Buffer.concat([Buffer.from([0xf5]), Buffer.from('SPAWNPOINT-MARK', 'latin1')])
const MARKER_BYTES = 32

/**
 * What an attach begins with: enough zeros to complete any half frame, which there can be unless the pipe is `fresh`, then
 * a marker with a nonce of its own.
 */
export function makePreamble({ fresh }: { fresh: boolean }): { bytes: Buffer; marker: Buffer } {
  const marker = Buffer.concat([MARKER_MAGIC, randomBytes(MARKER_BYTES - MARKER_MAGIC.length)])
  const zeros = fresh ? 0 : MAX_PAYLOAD_BYTES + HEADER_BYTES
  return { bytes: Buffer.concat([Buffer.alloc(zeros), marker]), marker }
}

/** Discards the guest's bytes up to the echo of a marker. */
export class MarkerScanner {
  readonly #marker: Buffer
  #tail: Buffer = Buffer.alloc(0)

  constructor(marker: Buffer) {
    this.#marker = marker
  }

  /** Returns what follows the marker, `null` while it has not come. */
  push(chunk: Buffer): Buffer | null {
    const seen = this.#tail.length > 0 ? Buffer.concat([this.#tail, chunk]) : chunk
    const at = seen.indexOf(this.#marker)
    if (at >= 0) return seen.subarray(at + MARKER_BYTES)
    this.#tail = Buffer.from(seen.subarray(Math.max(0, seen.length - MARKER_BYTES + 1)))
    return null
  }
}
