import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, type Box, run } from './bench.ts'

export const PORT = 7777

/** Sends all of `data` through an echo and reads as much back, then ends. */
export async function echoed(stream: Duplex, data: Buffer): Promise<Buffer> {
  const back: Buffer[] = []
  stream.on('data', (chunk: Buffer) => back.push(chunk))
  const ended = once(stream, 'end')
  stream.end(data)
  await ended
  return Buffer.concat(back)
}

export function pattern(length: number, step: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => (index * step) % 253))
}

export function portsSuite(bench: () => Bench): void {
  describe('ports', () => {
    let b: Bench
    let box: Box
    beforeAll(async () => {
      b = bench()
      box = await b.boot()
      await (await run(box.guest, b.programs.tcpEcho(PORT))).line('ready')
    })
    afterAll(() => b.drop(box))

    it('take connections from outside', async () => {
      const stream = await box.guest.connectPort(PORT)
      stream.write('ping')
      expect(String((await once(stream, 'data'))[0])).toBe('ping')
      stream.end()
      stream.resume()
      await once(stream, 'end')
    })

    it('carry several connections at a time, each its own bytes', async () => {
      const data = [3, 5, 7, 11].map((step) => pattern(400_000, step))
      const back = await Promise.all(data.map(async (bytes) => echoed(await box.guest.connectPort(PORT), bytes)))
      for (const [index, bytes] of data.entries()) expect(back[index]?.equals(bytes)).toBe(true)
    })

    it('bear a caller who breaks off', async () => {
      for (let time = 0; time < 5; time += 1) {
        const stream = await box.guest.connectPort(PORT)
        stream.on('error', () => {})
        stream.write(pattern(100_000, 3))
        stream.destroy()
      }
      expect((await echoed(await box.guest.connectPort(PORT), Buffer.from('still there'))).toString()).toBe(
        'still there',
      )
    })

    it('that nobody listens on reject port_closed', async () => {
      await expect(box.guest.connectPort(PORT + 1)).rejects.toMatchObject({
        code: 'port_closed',
        context: { port: PORT + 1 },
      })
    })
  })
}
