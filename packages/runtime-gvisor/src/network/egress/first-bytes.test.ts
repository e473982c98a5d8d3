import { once } from 'node:events'
import { createServer } from 'node:net'
import { connect } from 'node:tls'
import { namesInclude } from '@spawnpoint/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { httpHost, tlsServerName } from './first-bytes.ts'

/** What Node's TLS sends first. */
async function clientHello(servername: string): Promise<Buffer> {
  await using server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const client = connect({ host: '127.0.0.1', port, servername })
  client.on('error', () => {}) // nobody answers it
  const [socket] = await once(server, 'connection')
  const [bytes] = await once(socket, 'data')
  client.destroy()
  socket.destroy()
  return bytes
}

/** The same message in records of at most `size` bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size)
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece)
  }
  return Buffer.concat(records)
}

describe('the beginning of a TLS connection', () => {
  it('names the server, as soon as it is all there, in however many records', async () => {
    const hello = await clientHello('Api.Example.com')
    expect(tlsServerName(hello)).toEqual({ host: 'Api.Example.com' })
    for (const size of [1, 7, 100]) expect(tlsServerName(inRecords(hello, size))).toEqual({ host: 'Api.Example.com' })
    for (let length = 0; length < hello.length; length += 13)
      expect(tlsServerName(hello.subarray(0, length))).toEqual({ host: undefined })
  })

  it('names none where there is no server name, or something else is spoken', async () => {
    expect(tlsServerName(await clientHello(''))).toEqual({ host: null })
    expect(tlsServerName(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toEqual({ host: null })
  })

  it('never makes more of garbage than that it names none', async () => {
    const hello = await clientHello('example.com')
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { maxLength: 20 }), (changes) => {
        const bytes = Buffer.from(hello)
        for (const [at, value] of changes) bytes[at] = value
        const { host } = tlsServerName(bytes)
        expect(host === undefined || host === null || /^[\w.-]+$/.test(host)).toBe(true)
      }),
    )
  })
})

describe('the beginning of an HTTP request', () => {
  it.each([
    ['GET / HTTP/1.1\r\nHost: example.com\r\n\r\n', 'example.com'],
    ['GET / HTTP/1.1\r\na: b\r\nhOsT:  example.com:80 \r\n\r\nbody', 'example.com'],
    ['GET / HTTP/1.1\r\nHost: example.com\r\n', undefined],
    ['GET / HTTP/1.1\r\n\r\n', null],
    ['GET / HTTP/1.1\r\nHost: a.com\r\nHost: b.com\r\n\r\n', null],
    ['GET / HTTP/1.1\r\nHost: a.com/../b\r\n\r\n', null],
    ['GET / HTTP/1.1\r\nHost: \r\n\r\n', null],
  ])('%j names %j', (text, host) => {
    expect(httpHost(Buffer.from(text))).toEqual({ host })
  })
})

describe('names', () => {
  it.each([
    ['example.com', 'example.com', true],
    ['example.com', 'EXAMPLE.com.', true],
    ['example.com', 'a.example.com', false],
    ['*.example.com', 'a.example.com', true],
    ['*.example.com', 'b.a.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'badexample.com', false],
  ])('%s has %s: %s', (pattern, host, has) => {
    expect(namesInclude([pattern], host)).toBe(has)
  })
})
