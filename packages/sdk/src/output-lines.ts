import { sleep } from './deadline.ts'
import { ConnectionError, errorFromServer, SpawnpointError } from './errors.ts'
import { ndjson } from './ndjson.ts'
import { isPassing, pauseBefore, type Transport } from './transport.ts'
import type { OutputStream, ProcessExit, ProcessOutput } from './types.ts'
import { toProcessExit } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

/** The next byte wanted of each stream. */
export type Offsets = { [S in OutputStream]?: number }

export type OutputLine = ProcessOutput | { type: 'exit'; exit: ProcessExit }

/** Opens one connection that yields lines; `from` says which bytes are still wanted. */
export type OpenOutput = (from: Offsets, signal: AbortSignal | undefined) => Promise<OutputConnection>

export interface OutputConnection {
  readonly lines: AsyncIterable<unknown>
  /** Sends no heartbeats: that nothing comes means nothing */
  readonly quiet?: boolean
  close(): void
}

/** The server sends a heartbeat every 15 s or less; a connection silent for longer than this is dead. */
const SILENCE_MS = 60_000

/**
 * Everything a process puts out, in order, ending after its `exit`. A connection that breaks is opened again where it
 * left off, for as long as `reconnectMs` without a line; bytes that come twice are dropped, bytes that are missing are
 * told as a `gap`. `offsets` is advanced with every item, so that a later call goes on where this one stopped.
 */
export async function* outputLines(
  transport: Transport,
  open: OpenOutput,
  offsets: Offsets,
  signal?: AbortSignal,
  first?: OutputConnection,
): AsyncGenerator<OutputLine> {
  let opened = first
  const { retry } = transport.options
  let lastLineAt = performance.now()
  let failures = 0
  for (;;) {
    let failure: SpawnpointError
    try {
      const connection = opened ?? (await open({ ...offsets }, signal))
      opened = undefined
      try {
        for await (const raw of connection.quiet ? connection.lines : withoutSilence(connection.lines)) {
          const line = raw as RawLine
          if (line.type === 'error') throw errorOfLine(line)
          // An error line does not count as a sign of life, or a server that sends nothing else would be asked forever.
          lastLineAt = performance.now()
          failures = 0
          if (line.type === 'exit') {
            yield { type: 'exit', exit: toProcessExit(line.exit) }
            return
          } else if (line.type === 'data') yield* inOrder(line, offsets)
          else if (line.type === 'gap') yield* skip(line.stream, line.resumeAt, offsets)
        }
      } finally {
        connection.close()
      }
      failure = new ConnectionError('connection_failed', 'The connection ended before the process did', {
        url: transport.options.url,
        attempts: failures + 1,
      })
    } catch (thrown) {
      signal?.throwIfAborted()
      if (thrown instanceof SpawnpointError && thrown.status !== 0 && !isPassing(thrown)) throw thrown
      failure =
        thrown instanceof SpawnpointError
          ? thrown
          : new ConnectionError(
              'connection_failed',
              `The connection broke: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
              { url: transport.options.url, attempts: failures + 1 },
              { cause: thrown },
            )
    }
    failures += 1
    const pauseMs = pauseBefore(failure, failures, retry)
    if (performance.now() + pauseMs - lastLineAt > retry.reconnectMs) throw failure
    await sleep(pauseMs, signal)
  }
}

/** Lines of an HTTP answer; for `OpenOutput`. */
export function linesOf(opened: { response: Response; close: () => void }): OutputConnection {
  const { response, close } = opened
  if (response.body === null) throw new Error('The answer has no body')
  return { lines: ndjson(response.body), close }
}

/** As the door sends it; frames of a WebSocket carry bytes as they are. */
export type RawLine = Schemas['OutputLine'] | (Omit<RawText, 'data' | 'encoding'> & { data: Uint8Array })
type RawText = Schemas['OutputLine'] & { type: 'data' }

/** The problem that a stream of lines ends with. */
export function errorOfLine({ error }: RawLine & { type: 'error' }): SpawnpointError {
  return errorFromServer(error.code, error.detail, 'context' in error ? error.context : {})
}

const encoder = new TextEncoder()

function* inOrder(line: RawLine & { type: 'data' }, offsets: Offsets): Generator<ProcessOutput> {
  let data = toBytes(line)
  let { offset } = line
  const wanted = offsets[line.stream]
  if (wanted !== undefined && offset < wanted) {
    data = data.subarray(wanted - offset)
    offset = wanted
  } else if (wanted !== undefined) yield* skip(line.stream, offset, offsets)
  offsets[line.stream] = offset + data.length
  if (data.length > 0) yield { type: 'data', stream: line.stream, offset, data }
}

function* skip(stream: OutputStream, resumeAt: number, offsets: Offsets): Generator<ProcessOutput> {
  const offset = offsets[stream] ?? 0
  if (resumeAt <= offset) return
  offsets[stream] = resumeAt
  yield { type: 'gap', stream, offset, resumeAt }
}

function toBytes(line: RawLine & { type: 'data' }): Uint8Array {
  if (!('encoding' in line)) return line.data
  if (line.encoding !== 'base64') return encoder.encode(line.data)
  return Uint8Array.from(atob(line.data), (character) => character.charCodeAt(0))
}

/** Ends with an error when nothing comes for too long, as when the other machine has vanished without a word. */
async function* withoutSilence(lines: AsyncIterable<unknown>): AsyncGenerator<unknown> {
  const iterator = lines[Symbol.asyncIterator]()
  try {
    for (;;) {
      let timer: ReturnType<typeof setTimeout> | undefined
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`nothing came for ${SILENCE_MS} ms`)), SILENCE_MS)
      })
      try {
        const result = await Promise.race([iterator.next(), silence])
        if (result.done) return
        yield result.value
      } finally {
        clearTimeout(timer)
      }
    }
  } finally {
    // Not awaited: behind a dead connection it would never settle. Closing that connection settles it.
    iterator.return?.()?.then(undefined, () => undefined)
  }
}
