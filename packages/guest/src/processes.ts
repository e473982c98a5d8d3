import type {
  AnswerRoom,
  AttachOptions,
  GuestProcesses,
  ListOptions,
  Output,
  ProcessExit,
  ProcessInfo,
  ProcessOutput,
  ProcessSpec,
  ProcessStream,
} from '@spawnpoint/core'
import { checkProcessSpec, SpawnpointError } from '@spawnpoint/core'
import type { Channel, Piece } from './channel.ts'
import { checkEnds, checkExit, checkProcess, checkProcessBatch, checkProcessItem, STREAMS } from './checks.ts'
import { MAX_PAYLOAD_BYTES, ProtocolViolation } from './frames.ts'
import { asFarAs, untilSilent } from './kept-output.ts'
import { type Checked, pieces } from './pieces.ts'
import type { Session } from './session.ts'

export class Processes implements GuestProcesses {
  readonly #session: Session
  readonly #checked: Checked
  /** Writes to one process's stdin happen in the order of the calls. */
  readonly #stdinTurns = new Map<string, Promise<unknown>>()

  constructor(session: Session, checked: Checked) {
    this.#session = session
    this.#checked = checked
  }

  async start(spec: ProcessSpec): Promise<ProcessInfo> {
    return this.#checked(await this.#session.call('process.start', wireSpec(spec)), checkProcess)
  }

  async startAndFollow(spec: ProcessSpec, signal?: AbortSignal): Promise<{ info: ProcessInfo; output: Output }> {
    return this.#follow('process.start', { ...wireSpec(spec), follow: true }, signal)
  }

  async follow(ref: string, options: AttachOptions): Promise<{ info: ProcessInfo; output: Output }> {
    const from = options.from === 'now' ? { now: true } : { from: options.from ?? {} }
    if (options.kept) return withRef(ref, this.#followKept({ ref, ...from, kept: true }, options))
    return withRef(ref, this.#follow('process.follow', { ref, ...from }, options.signal))
  }

  async #followKept(params: { ref: string; kept: true }, { from = {}, signal }: AttachOptions) {
    const { info, output, answer } = await this.#attach('process.follow', params, signal)
    // All that an ended one has put out is there, and its exit.
    if (info.exit !== null) return { info, output }
    const ends = this.#checked(answer, checkEnds)
    const later = () => this.#session.call('process.get', { ref: params.ref })
    return { info, output: ends === null ? untilSilent(output, later) : asFarAs(ends, output, from) }
  }

  async #follow(method: string, params: object, signal?: AbortSignal): Promise<{ info: ProcessInfo; output: Output }> {
    const { info, output } = await this.#attach(method, params, signal)
    return { info, output }
  }

  async #attach(method: string, params: object, signal?: AbortSignal) {
    signal?.throwIfAborted()
    const channel = this.#session.open(method, params, true)
    const answer = await this.#session.answerOf(channel, method, { signal })
    const info = this.#checked(answer, checkProcess)
    return { info, output: pieces(channel, this.#checked, outputReader(), signal), answer }
  }

  writeStdin(ref: string, data: Buffer): Promise<void> {
    return this.#inTurn(ref, () => {
      const first = data.subarray(0, MAX_PAYLOAD_BYTES)
      const ended = first.length === data.length
      const channel = this.#session.open('process.stdin', { ref }, false, { data: first, ended })
      return finishBody(channel, ended ? null : data.subarray(first.length))
    })
  }

  closeStdin(ref: string): Promise<void> {
    return this.#inTurn(ref, async () => {
      await this.#session.call('process.closeStdin', { ref })
    })
  }

  #inTurn(ref: string, act: () => Promise<void>): Promise<void> {
    const before = this.#stdinTurns.get(ref)
    const done = withRef(ref, before === undefined ? act() : before.then(act, act))
    this.#stdinTurns.set(ref, done)
    const leave = () => {
      if (this.#stdinTurns.get(ref) === done) this.#stdinTurns.delete(ref)
    }
    done.then(leave, leave)
    return done
  }

  async signal(ref: string, signal: string | number, toGroup: boolean): Promise<void> {
    const which = typeof signal === 'number' ? { signal } : { name: signal }
    await withRef(ref, this.#session.call('process.signal', { ref, ...which, group: toGroup }))
  }

  async resize(ref: string, size: { cols: number; rows: number }): Promise<void> {
    await withRef(ref, this.#session.call('process.resize', { ref, cols: size.cols, rows: size.rows }))
  }

  async list({ room }: ListOptions = {}): Promise<ProcessInfo[]> {
    return listOf(this.#session, this.#checked, 'process.list', {}, checkProcessBatch, room)
  }

  async get(ref: string): Promise<ProcessInfo> {
    return this.#checked(await withRef(ref, this.#session.call('process.get', { ref })), checkProcess)
  }

  async wait(ref: string, signal?: AbortSignal): Promise<ProcessExit> {
    signal?.throwIfAborted()
    const answer = this.#session.call('process.wait', { ref }, { endless: true, signal })
    return this.#checked(await withRef(ref, answer), checkExit)
  }
}

async function finishBody(channel: Channel, rest: Buffer | null): Promise<void> {
  if (rest !== null) {
    await channel.send(rest)
    channel.end()
  }
  await channel.answer
}

/** Puts the reference into `process_not_found`: what the guest says there is not repeated to users. */
async function withRef<T>(ref: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof SpawnpointError && error.code === 'process_not_found') {
      const shown = ref.slice(0, 80)
      throw new SpawnpointError('process_not_found', `No such process: ${shown}`, { ref: shown })
    }
    throw error
  }
}

function wireSpec(spec: ProcessSpec): object {
  checkProcessSpec(spec)
  return {
    id: spec.id,
    args: spec.args,
    env: spec.env,
    cwd: spec.cwd,
    user: spec.user,
    pty: spec.pty,
    stdin: spec.stdin,
    tag: spec.tag,
    timeoutMs: spec.timeoutMs,
    bufferBytes: spec.bufferBytes,
    gatherMs: spec.gatherMs,
    untilOutputEnds: spec.untilOutputEnds,
  }
}

/** Reads a followed process: a byte for the stream, eight for the offset, the data; `gap` and `exit` are items. */
function outputReader(): (piece: Piece) => ProcessOutput {
  const position: Record<ProcessStream, number> = { stdout: 0, stderr: 0, pty: 0 }
  const advance = (stream: ProcessStream, offset: number, to: number) => {
    if (offset < position[stream]) throw new ProtocolViolation('output goes backwards')
    position[stream] = to
  }
  return (piece) => {
    if (piece.type === 'item') {
      const item = checkProcessItem(piece.value)
      if (item.type === 'gap') advance(item.stream, item.offset, item.resumeAt)
      return item
    }
    if (piece.data.length < 10) throw new ProtocolViolation('output without data')
    const stream = STREAMS[piece.data[0] as number]
    if (stream === undefined) throw new ProtocolViolation('output of an unknown stream')
    const offset = Number(piece.data.readBigUInt64LE(1))
    if (!Number.isSafeInteger(offset)) throw new ProtocolViolation('output too far')
    const data = piece.data.subarray(9)
    advance(stream, offset, offset + data.length)
    return { type: 'data', stream, offset, data }
  }
}

/** Most bytes of JSON that a list may come in: as values they are some times as many. */
const MAX_LIST_BYTES = 32 * 1024 * 1024

/** Milliseconds after which somebody else's answer is likely to have been told */
const CROWDED_MS = 1_000

/**
 * Collects what comes in batches. Rejects `limit_exceeded` where a guest does not come to an end, and `rate_limited` where there is
 * no room for it; while it waits for that, the guest does.
 */
export async function listOf<T>(
  session: Session,
  checked: Checked,
  method: string,
  params: object,
  check: (value: unknown) => T[],
  room?: AnswerRoom,
): Promise<T[]> {
  const channel = session.open(method, params, true)
  const answer = session.answerOf(channel, method)
  answer.catch(() => {}) // awaited below, after the items
  const all: T[] = []
  let [bytes, held] = [0, 0]
  const counted = (piece: Piece) => {
    if (piece.type === 'item') bytes += piece.bytes
    return itemReader(check)(piece)
  }
  for await (const batch of pieces(channel, checked, counted)) {
    if (bytes > MAX_LIST_BYTES) {
      throw new SpawnpointError('limit_exceeded', 'The list is too long; ask for less of it', {
        limit: method,
        allowed: MAX_LIST_BYTES,
        asked: bytes,
      })
    }
    if (room !== undefined && !(await room.taken(bytes - held)))
      throw new SpawnpointError('rate_limited', 'Too much that was asked for is not told yet; read it, and ask again', {
        retryAfterMs: CROWDED_MS,
      })
    held = bytes
    for (const item of batch) all.push(item)
  }
  await answer
  return all
}

export function itemReader<T>(check: (value: unknown) => T): (piece: Piece) => T {
  return (piece) => {
    if (piece.type !== 'item') throw new ProtocolViolation('data where items belong')
    return check(piece.value)
  }
}
