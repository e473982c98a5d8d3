import type { Readable } from 'node:stream'

/** Git's framing of lines: four digits of length, themselves included, and what is below four means something else. */
export type Packet = Buffer | 'flush' | 'delimiter' | 'end'

const SPECIAL: Record<number, Packet> = { 0: 'flush', 1: 'delimiter', 2: 'end' }
const MAX_LENGTH = 65_520

/** What was not framed so, or ended in the middle. */
export class BadPacket extends Error {}

export function packets(lines: readonly (string | 'flush' | 'delimiter')[]): Buffer {
  const text = lines.map((line) => {
    if (line === 'flush') return '0000'
    if (line === 'delimiter') return '0001'
    return `${(Buffer.byteLength(line) + 5).toString(16).padStart(4, '0')}${line}\n`
  })
  return Buffer.from(text.join(''))
}

/** Rejects `BadPacket`. */
export async function* readPackets(body: Readable): AsyncGenerator<Packet, void, undefined> {
  let held: Buffer = Buffer.alloc(0)
  for await (const piece of body as AsyncIterable<Buffer>) {
    held = held.length === 0 ? piece : Buffer.concat([held, piece])
    for (let length = lengthOf(held); length !== null && held.length >= length; length = lengthOf(held)) {
      const size = Math.max(length, 4)
      if (held.length < size) break
      yield SPECIAL[length] ?? held.subarray(4, size)
      held = held.subarray(size)
    }
  }
  if (held.length > 0) throw new BadPacket('it ends in the middle of a line')
}

function lengthOf(held: Buffer): number | null {
  if (held.length < 4) return null
  const digits = held.toString('latin1', 0, 4)
  const length = /^[0-9a-f]{4}$/i.test(digits) ? Number.parseInt(digits, 16) : Number.NaN
  if (!(length in SPECIAL) && !(length >= 4 && length <= MAX_LENGTH)) throw new BadPacket('no length before a line')
  return length
}

/** Of a packet that is text; `null` for others. */
export function textOf(packet: Packet): string | null {
  return typeof packet === 'string' ? null : packet.toString('utf8').replace(/\n$/, '')
}
