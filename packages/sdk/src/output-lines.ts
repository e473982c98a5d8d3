import type { Answer } from './answer.ts'
import { sleep } from './deadline.ts'
import { ConnectionError, errorFromServer, SpawnpointError } from './errors.ts'
import { ndjson } from './ndjson.ts'
import { isPassing, pauseBefore, type Transport } from './transport.ts'
import type { OutputStream, ProcessExit, ProcessOutput } from './types.ts'
import { toProcessExit } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

/** The next byte wanted of each stream. */
export type Offsets = { [S in OutputStream]?: number }

/** `end`: the last of what was not to be followed, of a process that runs on */
export type OutputLine = ProcessOutput | { type: 'exit'; exit: ProcessExit } | { type: 'end' }

/** Opens one connection that yields lines; `from` says which bytes are still wanted. */
export type OpenOutput = (from: Offsets, signal: AbortSignal | undefined) => Promise<OutputConnection>

export interface OutputConnection {
  /** Those together that came together */
  readonly lines: AsyncIterable<readonly unknown[]>
  /** Sends no heartbeats: that nothing comes means nothing */
  readonly quiet?: boolean
  close(): void
}

/** The server sends a heartbeat every 15 s or less; a connection silent for longer than this is dead. */
const SILENCE_MS = 60_000

/**
 * Everything a process puts out, in order, ending after its `exit` or `end`; together what came together. A connection that breaks is
 * opened again where it left off, for as long as `reconnectMs` without a line; bytes that come twice are dropped, bytes that
 * are missing are told as a `gap`. `offsets` is advanced with what is handed out, so that a later call goes on behind it.
 */
export async function* outputLines(
  transport: Transport,
  open: OpenOutput,
  offsets: Offsets,
  signal?: AbortSignal,
  first?: OutputConnection,
): AsyncGenerator<OutputLine[]> {
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
          const { lines, error } = inOrder(raw as readonly RawLine[], offsets)
          // An error line does not count as a sign of life, or a server that sends nothing else would be asked forever.
          if (raw.length > (error === null ? 0 : 1)) {
            lastLineAt = performance.now()
            failures = 0
          }
          if (lines.length > 0) yield lines
          const last = lines.at(-1)?.type
          if (last === 'exit' || last === 'end') return
          if (error !== null) throw error
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
export function linesOf({ answer, close }: { answer: Answer; close: () => void }): OutputConnection {
  return { lines: ndjson(answer.chunks()), close }
}

/** As the door sends it; frames of a WebSocket carry bytes as they are. */
export type RawLine = Schemas['OutputLine'] | (Omit<RawText, 'data' | 'encoding'> & { data: Uint8Array })
type RawText = Schemas['OutputLine'] & { type: 'data' }

/** The problem that a stream of lines ends with. */
export function errorOfLine({ error }: RawLine & { type: 'error' }): SpawnpointError {
  return errorFromServer(error.code, error.detail, 'context' in error ? error.context : {})
}

const encoder = new TextEncoder()

/** What is new of the lines, as far as the exit or an error. */
export function inOrder(
  raw: readonly RawLine[],
  offsets: Offsets,
): { lines: OutputLine[]; error: SpawnpointError | null } {
  const lines: OutputLine[] = []
  for (const line of raw) {
    if (line.type === 'error') return { lines, error: errorOfLine(line) }
    if (line.type === 'data') takeData(line, offsets, lines)
    else if (line.type === 'gap') skip(line.stream, line.resumeAt, offsets, lines)
    else if (line.type === 'exit') {
      lines.push({ type: 'exit', exit: toProcessExit(line.exit) })
      break
    } else if (line.type === 'end') {
      lines.push(line)
      break
    }
  }
  return { lines, error: null }
}

function takeData(line: RawLine & { type: 'data' }, offsets: Offsets, lines: OutputLine[]): void {
  let data = toBytes(line)
  let { offset } = line
  const wanted = offsets[line.stream]
  if (wanted !== undefined && offset < wanted) {
    data = data.subarray(wanted - offset)
    offset = wanted
  } else if (wanted !== undefined) skip(line.stream, offset, offsets, lines)
  offsets[line.stream] = offset + data.length
  if (data.length > 0) lines.push({ type: 'data', stream: line.stream, offset, data })
}

function skip(stream: OutputStream, resumeAt: number, offsets: Offsets, lines: OutputLine[]): void {
  const offset = offsets[stream] ?? 0
  if (resumeAt <= offset) return
  offsets[stream] = resumeAt
  lines.push({ type: 'gap', stream, offset, resumeAt })
}

function toBytes(line: RawLine & { type: 'data' }): Uint8Array {
  if (!('encoding' in line)) return line.data
  if (line.encoding !== 'base64') return encoder.encode(line.data)
  return Uint8Array.from(atob(line.data), (character) => character.charCodeAt(0))
}

/** Ends with an error when nothing comes for too long, as when the other machine has vanished without a word. */
async function* withoutSilence<T>(lines: AsyncIterable<T>): AsyncGenerator<T> {
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
