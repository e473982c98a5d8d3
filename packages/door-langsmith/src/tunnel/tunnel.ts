import type { Duplex } from 'node:stream'
import type { Guest } from '@spawnpoint/core'
import { YamuxSession } from './yamux.ts'

/** What the client asks of a stream: a version, and a port in two bytes */
const VERSION = 1
const ASKED_BYTES = 3
const ASKED_WITHIN_MS = 30_000
const STATUS = { ok: 0, notReached: 2, otherVersion: 3 } as const

/** Connections to TCP ports of a sandbox, many over one connection of a client. `reach` finds its inside, brought back if it rests. */
export function serveTunnel(transport: Duplex, reach: () => Promise<Guest>): void {
  new YamuxSession(transport, (stream) => {
    serveStream(stream, reach).catch(() => stream.destroy())
  })
}

async function serveStream(stream: Duplex, reach: () => Promise<Guest>): Promise<void> {
  const asked = await beginning(stream)
  if (asked[0] !== VERSION) {
    stream.end(Buffer.of(STATUS.otherVersion))
    return
  }
  let port: Duplex
  try {
    port = await (await reach()).connectPort(asked.readUInt16BE(1))
  } catch {
    // Nobody listens, or there is no inside any more: all that this protocol can say.
    stream.end(Buffer.of(STATUS.notReached))
    return
  }
  port.on('error', () => stream.destroy())
  port.once('close', () => stream.destroyed || stream.writableEnded || stream.end())
  stream.once('close', () => port.destroy())
  if (stream.destroyed) {
    port.destroy()
    return
  }
  stream.write(Buffer.of(STATUS.ok))
  port.pipe(stream)
  stream.pipe(port)
}

/** Its first bytes; what comes after them stays in the stream. */
async function beginning(stream: Duplex): Promise<Buffer> {
  const late = setTimeout(() => stream.destroy(), ASKED_WITHIN_MS)
  try {
    for (;;) {
      const bytes: Buffer | null = stream.read(ASKED_BYTES)
      if (bytes !== null && bytes.length === ASKED_BYTES) return bytes
      if (bytes !== null || stream.destroyed || stream.readableEnded) throw new Error('it ended before it named a port')
      await new Promise<void>((next) => {
        for (const event of ['readable', 'end', 'close']) stream.once(event, next)
      })
    }
  } finally {
    clearTimeout(late)
  }
}
