import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { runConfined } from './confined.ts'

/** Milliseconds that unpacking may take */
const TIMEOUT_MS = 3_600_000

/**
 * What a stream holds that is packed in a way that Node does not know, or not all of, by a program in a cage. Its error is one of
 * `runConfined`; who takes it bounds how much. The program ends when the stream is destroyed.
 */
export function unpacked(packing: 'bzip2' | 'xz' | 'zstd', packed: Readable): Readable {
  const plain = new PassThrough()
  // Harmless: whoever reads it meets the error there, also if it came before, when nobody did yet.
  plain.on('error', () => {})
  const left = new AbortController()
  plain.once('close', () => left.abort())
  const pass = async (stdout: Readable) => {
    for await (const piece of stdout) {
      if (!plain.write(piece)) await once(plain, 'drain', { signal: left.signal })
    }
  }
  runConfined({
    step: `unpack what is packed with ${packing}`,
    program: packing,
    args: ['--decompress', '--stdout'],
    readable: [],
    writable: [],
    capabilities: [],
    fileBytes: 0,
    timeoutMs: TIMEOUT_MS,
    input: (stdin) => pipeline(packed, stdin),
    output: pass,
    signal: left.signal,
  }).then(
    () => plain.end(),
    (error: Error) => plain.destroy(error),
  )
  return plain
}
