import { Duplex, duplexPair } from 'node:stream'
import type { Guest } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { serveTunnel } from './tunnel.ts'

const [DATA, WINDOW, PING] = [0, 1, 2]
const [SYN, ACK, FIN, RST] = [1, 2, 4, 8]

function frame(type: number, flags: number, stream: number, length: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt8(type, 1)
  header.writeUInt16BE(flags, 2)
  header.writeUInt32BE(stream, 4)
  header.writeUInt32BE(length, 8)
  return Buffer.concat([header, data])
}
const data = (stream: number, bytes: Buffer, flags = 0) => frame(DATA, flags, stream, bytes.length, bytes)
const open = (stream: number, port = 80) =>
  Buffer.concat([frame(WINDOW, SYN, stream, 0), data(stream, Buffer.of(1, port >> 8, port & 255))])

/** A client's end, and what its frames say, as they come. */
function tunnel(connectPort: (port: number) => Promise<Duplex>, [client, server] = duplexPair()) {
  serveTunnel(server, async () => ({ connectPort }) as unknown as Guest)
  client.on('error', () => {})
  let bytes: Buffer = Buffer.alloc(0)
  const next = async () => {
    const need = async (count: number) => {
      while (bytes.length < count) {
        if (client.readableEnded || client.destroyed) throw new Error('the tunnel ended')
        const chunk: Buffer | null = client.read()
        if (chunk !== null) bytes = Buffer.concat([bytes, chunk])
        else await new Promise((more) => for_(client, more))
      }
    }
    await need(12)
    const [type, flags, stream, length] = [
      bytes[1],
      bytes.readUInt16BE(2),
      bytes.readUInt32BE(4),
      bytes.readUInt32BE(8),
    ]
    const body = type === DATA ? length : 0
    await need(12 + body)
    const found = { type, flags, stream, length, data: bytes.subarray(12, 12 + body) }
    bytes = bytes.subarray(12 + body)
    return found
  }
  return { client, next }
}

function for_(client: Duplex, more: (value: unknown) => void): void {
  const events = ['readable', 'end', 'close']
  const once = () => {
    for (const event of events) client.off(event, once)
    more(null)
  }
  for (const event of events) client.on(event, once)
}

async function toItsEnd(next: () => Promise<unknown>): Promise<void> {
  await expect(
    (async () => {
      for (;;) await next()
    })(),
  ).rejects.toThrow('the tunnel ended')
}

const echo = async () => {
  const [near, far] = duplexPair()
  far.pipe(far)
  return near
}

describe('a tunnel', () => {
  it('carries connections to ports, several at a time, whatever pieces their frames come in', async () => {
    const ports: number[] = []
    const { client, next } = tunnel((port) => {
      ports.push(port)
      return echo()
    })
    for (const byte of open(1, 8080)) client.write(Buffer.of(byte))
    expect(await next()).toMatchObject({ type: WINDOW, flags: ACK, stream: 1 })
    expect((await next()).data).toEqual(Buffer.of(0))
    client.write(Buffer.concat([open(3, 443), data(3, Buffer.from('three')), data(1, Buffer.from('one'))]))
    const seen = [await next(), await next(), await next(), await next()]
    const of = (stream: number) =>
      Buffer.concat(seen.filter((one) => one.stream === stream).map((one) => one.data)).toString()
    expect([of(1), of(3), ports]).toEqual(['one', '\0three', [8080, 443]])
  })

  it('says that nobody listens, or that it knows no such version', async () => {
    const { client, next } = tunnel(() => Promise.reject(new Error('closed')))
    client.write(open(1))
    await next()
    expect((await next()).data).toEqual(Buffer.of(2))
    expect((await next()).flags).toBe(FIN)
    client.write(Buffer.concat([frame(WINDOW, SYN, 3, 0), data(3, Buffer.of(9, 0, 80))]))
    await next()
    expect((await next()).data).toEqual(Buffer.of(3))
  })

  it('sends no more than the client has room for, and goes on when it has', async () => {
    const [near, far] = duplexPair()
    const { client, next } = tunnel(async () => near)
    client.write(open(1))
    await next()
    await next()
    far.end(Buffer.alloc(400_000, 'x'))
    let got = 0
    while (got < 256 * 1024 - 1) got += (await next()).data.length
    expect(got).toBe(256 * 1024 - 1)
    client.write(frame(WINDOW, 0, 1, 256 * 1024))
    for (;;) {
      const { data, flags } = await next()
      got += data.length
      if (flags & FIN) break
    }
    expect(got).toBe(400_000)
  })

  it('tells the client what was read, so that it may send on, and ends one that does not keep to it', async () => {
    const { client, next } = tunnel(echo)
    client.write(open(1))
    await next()
    await next()
    client.write(data(1, Buffer.alloc(200_000)))
    let told = 0
    let echoed = 0
    while (told === 0 || echoed < 200_000) {
      const one = await next()
      if (one.type === WINDOW) told += one.length
      echoed += one.data.length
    }
    expect(told).toBeGreaterThanOrEqual(128 * 1024)
    for (let n = 0; n < 8; n += 1) client.write(data(1, Buffer.alloc(256 * 1024)))
    await toItsEnd(next)
  })

  it('hears no more of a client that asks and leaves the answers lying', async () => {
    const [client, server] = duplexPair()
    tunnel(echo, [client, server])
    const pings = Buffer.concat(Array.from({ length: 1_000 }, () => frame(PING, SYN, 0, 1)))
    for (let n = 0; n < 100; n += 1) {
      client.write(pings)
      await new Promise(setImmediate)
      expect(server.writableLength).toBeLessThan(4 * server.writableHighWaterMark)
    }
    client.destroy()
  })

  it('ends with what comes behind the end of a stream', async () => {
    const { client, next } = tunnel(echo)
    client.write(Buffer.concat([open(1), frame(DATA, FIN, 1, 0), frame(DATA, FIN, 1, 0), frame(PING, SYN, 0, 9)]))
    while ((await next()).type !== PING);
    client.write(Buffer.concat([open(3), frame(DATA, FIN, 3, 0), data(3, Buffer.of(7))]))
    await toItsEnd(next)
  })

  it('answers pings, cuts what the client cuts, and ends with garbage', async () => {
    const [near, far] = duplexPair()
    const { client, next } = tunnel(async () => near)
    client.write(frame(PING, SYN, 0, 77))
    expect(await next()).toMatchObject({ type: PING, flags: ACK, length: 77 })
    client.write(open(1))
    await next()
    await next()
    const cut = new Promise((gone) => near.once('close', gone))
    client.write(frame(WINDOW, RST, 1, 0))
    await cut
    expect(far).toBeInstanceOf(Duplex)
    client.write(Buffer.alloc(12, 0xff))
    await toItsEnd(next)
  })
})
