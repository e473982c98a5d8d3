import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { invalidArgument, SpawnpointError } from '@spawnpoint/core'
import { createTarDecoder, type ParsedTarEntry } from 'modern-tar'

/** Entries of a tar archive, plain or gzip. The content of each must be read or cancelled before the next comes. */
export async function* entriesOf(archive: Readable, maxBytes: number): AsyncGenerator<ParsedTarEntry> {
  const body = Readable.from(counted(await plain(archive), maxBytes), { objectMode: false })
  const entries = Readable.toWeb(body).pipeThrough(createTarDecoder())
  try {
    yield* entries
  } catch (error) {
    if (error instanceof SpawnpointError) throw error
    throw unreadable(error)
  } finally {
    archive.destroy()
  }
}

async function plain(archive: Readable): Promise<AsyncIterable<Uint8Array>> {
  const pieces = archive[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  const held: Uint8Array[] = []
  let bytes = 0
  while (bytes < 2) {
    const { done, value } = await pieces.next()
    if (done) break
    held.push(value)
    bytes += value.length
  }
  const start = Buffer.concat(held)
  const whole = again(start, pieces)
  if (start[0] !== 0x1f || start[1] !== 0x8b) return whole
  const unzipped = createGunzip()
  const source = Readable.from(whole, { objectMode: false })
  source.on('error', (error) => unzipped.destroy(error))
  unzipped.on('close', () => source.destroy())
  return source.pipe(unzipped)
}

async function* again(start: Buffer, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (start.length > 0) yield start
  for (;;) {
    const { done, value } = await rest.next()
    if (done) return
    yield value
  }
}

async function* counted(source: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const piece of source) {
    bytes += piece.length
    if (bytes > maxBytes)
      throw new SpawnpointError('payload_too_large', `The context unpacks to more than ${maxBytes} bytes`, {
        limitBytes: maxBytes,
      })
    yield piece
  }
}

function unreadable(error: unknown): SpawnpointError {
  return invalidArgument('source.context', `cannot be read: ${error instanceof Error ? error.message : String(error)}`)
}
