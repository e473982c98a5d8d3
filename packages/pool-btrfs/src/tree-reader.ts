import { once } from 'node:events'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import { type ConfinedCommand, runConfined } from '@spawnpoint/confined'
import { SpawnpointError } from '@spawnpoint/core'
import { Places } from './places.ts'
import { unavailable } from './run-tool.ts'
import { errorOf, fields } from './tree-answers.ts'

/** As `guest/agent/tree.go` takes it; `root` and `other` are added here. */
export interface TreeRequest {
  do: 'stat' | 'list' | 'read' | 'pack' | 'search' | 'compare' | 'makeDir' | 'write' | 'change' | 'remove'
  path: string
  [field: string]: string | number | boolean
}

interface Run {
  request: TreeRequest
  /** One, or the two that are compared */
  roots: string[]
  signal: AbortSignal | undefined
}

interface Change extends Run {
  /** Of the file that is written */
  content?: AsyncIterable<Uint8Array>
}

const READER = '/reader'
const LINE_BYTES = 4 * 2 ** 20
/** The reader ends its walks itself, before this. */
const WALK_TIMEOUT_MS = 120_000
const STREAM_TIMEOUT_MS = 60 * 60_000
/** Of one file that is written; what it is written to has its own bound. */
const WRITTEN_BYTES = 2 ** 40
const PIECE_BYTES = 2 ** 20
/** To read everything, and for what changes a tree to do there what root does */
const RIGHTS = {
  read: ['CAP_DAC_READ_SEARCH'],
  change: ['CAP_DAC_READ_SEARCH', 'CAP_DAC_OVERRIDE', 'CAP_CHOWN', 'CAP_FOWNER', 'CAP_FSETID'],
}
/** Whole trees are work for a processor each, and directories must not wait for them; streams wait for whoever takes them. */
const AT_A_TIME = { trees: 2, directories: 8, streams: 32 }

/**
 * Has trees read by a program in a cage of its own, which sees them read-only and nothing else, has no network and no right
 * but to read everything; and changed by one that may write the one tree it sees. Roots are named by paths outside; the
 * program does not learn them.
 */
export class TreeReader {
  readonly #program: string | undefined
  readonly #trees = new Places(AT_A_TIME.trees)
  readonly #directories = new Places(AT_A_TIME.directories)
  readonly #streams = new Places(AT_A_TIME.streams)

  /** `program`: the guest agent's binary */
  constructor(program: string | undefined) {
    this.#program = program
  }

  /** Hands over each line that is found, and returns what the last one says. */
  async lines({ request, roots, signal }: Run, found: (line: Record<string, unknown>) => void): Promise<unknown> {
    const whole = request.do === 'search' || request.do === 'compare'
    using _ = await (whole ? this.#trees : this.#directories).take(signal)
    const end = new End(found)
    await this.#run(confined({ request, roots, signal }, WALK_TIMEOUT_MS), (stdout) => end.in(stdout))
    return end.value
  }

  /** Changes the one tree that is named, and returns what the last line says. */
  async change({ request, roots, signal, content }: Change): Promise<unknown> {
    using _ = await (content === undefined ? this.#directories : this.#streams).take(signal)
    const end = new End(() => {})
    const command = confined({ request, roots, signal }, content === undefined ? WALK_TIMEOUT_MS : STREAM_TIMEOUT_MS)
    const [root] = command.readable
    if (root === undefined) throw new Error('a change is of one tree')
    await this.#run(
      {
        ...command,
        readable: [],
        writable: [root],
        capabilities: RIGHTS.change,
        fileBytes: WRITTEN_BYTES,
        ...(content === undefined ? {} : { input: (stdin) => sendPieces(content, stdin, command.signal) }),
      },
      (stdout) => end.in(stdout),
    )
    return end.value
  }

  /** What the first line says, and the bytes that follow it. `check` runs before their end is told. */
  async bytes(
    { request, roots, signal }: Run,
    check: () => Promise<void>,
  ): Promise<{ head: Record<string, unknown>; body: Readable; done: Promise<void> }> {
    const place = await this.#streams.take(signal)
    const body = new PassThrough({ highWaterMark: 2 ** 18 })
    const head = Promise.withResolvers<Record<string, unknown>>()
    const limit = AbortSignal.timeout(STREAM_TIMEOUT_MS)
    const stop = signal === undefined ? limit : AbortSignal.any([signal, limit])
    // Whoever takes it may be slow: it is not only the program that is ended.
    stop.addEventListener('abort', () => body.destroy(cancelled()))
    const running = this.#run(confined({ request, roots, signal: stop }, STREAM_TIMEOUT_MS), async (stdout) => {
      const pieces = stdout[Symbol.asyncIterator]()
      const { line, rest } = await firstLine(pieces)
      const said = parsed(line)
      if (said.error !== undefined) throw errorOf(said.error)
      head.resolve(said)
      if (rest.length > 0) await give(body, rest)
      for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) await give(body, next.value)
    })
    const done = running
      .then(check)
      .then(
        () => void body.end(),
        (error: unknown) => {
          head.reject(error)
          body.destroy(error instanceof Error ? error : new Error(String(error)))
        },
      )
      .finally(() => place[Symbol.dispose]())
    // Whoever waits for the head has its error; a body that nobody has got yet has no other listener.
    body.on('error', () => {})
    return { head: await head.promise, body, done }
  }

  async #run(command: Confined, output: (stdout: Readable) => Promise<void>): Promise<void> {
    if (this.#program === undefined) throw unavailable('No program to read file trees with is configured')
    await runConfined({ ...command, readable: [[READER, this.#program], ...command.readable], output })
  }
}

type Confined = Omit<ConfinedCommand, 'output'>

function confined({ request, roots, signal }: Run, timeoutMs: number): Confined {
  const inside = roots.map((_, index) => `/tree${index}`)
  const { path, ...rest } = request
  return {
    step: `${request.do} files`,
    program: READER,
    args: ['tree', JSON.stringify({ ...rest, path, root: inside[0], other: inside[1] })],
    readable: roots.map((root, index): [string, string] => [`/tree${index}`, root]),
    writable: [],
    capabilities: RIGHTS.read,
    fileBytes: 0,
    timeoutMs,
    signal: signal ?? new AbortController().signal,
  }
}

/** What the last line says; those before it are handed over. */
class End {
  readonly #found: (line: Record<string, unknown>) => void
  #said: { value: unknown } | null = null

  constructor(found: (line: Record<string, unknown>) => void) {
    this.#found = found
  }

  async in(stdout: Readable): Promise<void> {
    for await (const line of linesIn(stdout)) {
      const said = parsed(line)
      if (said.error !== undefined) throw errorOf(said.error)
      if ('end' in said) this.#said = { value: said.end }
      else this.#found(said)
    }
  }

  get value(): unknown {
    if (this.#said === null) throw new Error('the reader of trees ended early')
    return this.#said.value
  }
}

/** In pieces with their length before them, the last one empty: without that one nothing has been written. */
async function sendPieces(content: AsyncIterable<Uint8Array>, stdin: Writable, signal: AbortSignal): Promise<void> {
  const ended = once(stdin, 'close').then(() => null)
  // Whoever sends may be slow, or wait for an answer: a program that has ended is not kept waiting for.
  ended.catch(() => {})
  const chunks = content[Symbol.asyncIterator]()
  for (;;) {
    const next = await Promise.race([chunks.next(), ended])
    if (next === null) {
      // It ends when the sender sends again, or goes; nobody has a use for how.
      chunks.return?.().catch(() => {})
      return
    }
    if (next.done === true) break
    for (let at = 0; at < next.value.length; at += PIECE_BYTES) {
      await sendPiece(next.value.subarray(at, at + PIECE_BYTES), stdin)
    }
  }
  // The program is being ended, which it may outlive by the moment that this takes.
  signal.throwIfAborted()
  await sendPiece(Buffer.alloc(0), stdin)
  stdin.end()
}

async function sendPiece(bytes: Uint8Array, stdin: Writable): Promise<void> {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  stdin.write(length)
  await new Promise<void>((resolve, reject) => stdin.write(bytes, (error) => (error ? reject(error) : resolve())))
}

async function give(body: PassThrough, piece: Buffer): Promise<void> {
  if (body.destroyed) throw cancelled()
  if (body.write(piece)) return
  const abandoned = new AbortController()
  const closed = () => abandoned.abort()
  body.once('close', closed)
  try {
    await once(body, 'drain', { signal: abandoned.signal })
  } catch {
    throw cancelled() // closed before it was read to its end
  } finally {
    body.off('close', closed)
  }
}

function cancelled(): SpawnpointError<'cancelled'> {
  return new SpawnpointError('cancelled', 'Stopped on request: read files', { what: 'read files' })
}

async function* linesIn(stdout: Readable): AsyncIterable<Buffer> {
  let held: Buffer = Buffer.alloc(0)
  for await (const piece of stdout) {
    held = held.length === 0 ? piece : Buffer.concat([held, piece])
    for (let end = held.indexOf(10); end >= 0; end = held.indexOf(10)) {
      yield held.subarray(0, end)
      held = held.subarray(end + 1)
    }
    if (held.length > LINE_BYTES) throw new Error('the reader of trees wrote a line without an end')
  }
}

async function firstLine(pieces: AsyncIterator<Buffer>): Promise<{ line: Buffer; rest: Buffer }> {
  let held: Buffer = Buffer.alloc(0)
  for (;;) {
    const next = await pieces.next()
    if (next.done === true) throw new Error('the reader of trees said nothing')
    held = Buffer.concat([held, next.value])
    const end = held.indexOf(10)
    if (end >= 0) return { line: held.subarray(0, end), rest: held.subarray(end + 1) }
    if (held.length > LINE_BYTES) throw new Error('the reader of trees wrote a line without an end')
  }
}

function parsed(line: Buffer): Record<string, unknown> {
  return fields(JSON.parse(line.toString('utf8')), 'line')
}
