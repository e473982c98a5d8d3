import { SpawnpointError } from '../errors.ts'
import type { Image, ImageDefaults, Snapshot, SnapshotId } from '../model.ts'
import { capture } from '../operations/capture.ts'
import type { Work } from '../operations/runner.ts'
import type { ProcessExit } from '../ports/index.ts'
import { newSnapshot } from '../snapshot/new-snapshot.ts'
import { type BuildLog, Lines } from './build-log.ts'
import { type Builder, buildFailed, closeBuilder, openBuilder } from './builder.ts'
import { exitOf, limited, mustGoOn, shellArgs } from './commands.ts'
import type { Footing } from './detail.ts'
import { published } from './layers.ts'

/** Milliseconds that are waited for a start command of which nothing says when it is ready. */
const UNTOLD_MS = 20_000
/** Milliseconds until an image must be ready. */
const READY_LIMIT_MS = 10 * 60_000
/** Milliseconds between two questions whether it is. */
const READY_PAUSE_MS = 500
const STEP = 'finalize'

export interface StartPlan {
  /** Shell command, or a program with its arguments; `null` if only something of the image itself is waited for */
  startCommand: string | string[] | null
  readyCommand: string | null
}

/**
 * Boots the image, starts its command, waits until it is ready, and captures all of it. Returns the start command as it was
 * run, and the snapshot that sandboxes of the image begin from, whose record is still to be written; `null` where the
 * runtime captures no memory.
 */
export async function captureStarted(
  work: Work<unknown>,
  image: Image,
  footing: Footing & { snapshotId: SnapshotId },
  defaults: ImageDefaults,
  plan: StartPlan,
  log: BuildLog,
): Promise<{ startCommand: string[]; snapshot: Snapshot | null }> {
  const source = { from: 'image', id: image.id } as const
  const builder = await openBuilder(work, image, footing, source, { defaults, tmpOnRoot: false })
  const asked = plan.startCommand ?? []
  const startCommand = typeof asked === 'string' ? shellArgs(builder.shell, asked, defaults.env) : asked
  using started = startCommand.length === 0 ? null : await Started.begin(builder, startCommand, log)
  await untilReady(work, builder, defaults, plan, started, log)
  let snapshot: Snapshot | null = null
  if (work.parts.runtime.info.capabilities.memorySnapshots) {
    snapshot = await captureAll(work, builder, image, footing.snapshotId, { ...defaults, startCommand })
    log.add(
      'info',
      STEP,
      `Captured it running, ${Math.round((snapshot.receipt?.memoryBytes ?? 0) / 2 ** 20)} MiB of memory`,
    )
  } else log.add('warn', STEP, 'This server captures no memory: the start command will run anew in every sandbox')
  await closeBuilder(work, footing)
  return { startCommand, snapshot }
}

/** The start command while it runs; what it prints goes to the log. */
class Started implements Disposable {
  readonly #stop = new AbortController()
  exit: ProcessExit | null = null
  readonly ended: Promise<void>

  /** The agent's own name for a start command, so that a capture looks as if the agent had started it. */
  static readonly ID = 'start'

  static async begin(builder: Builder, args: string[], log: BuildLog): Promise<Started> {
    const started = new Started()
    const lines = new Lines((stream, line) => log.add(stream === 'stderr' ? 'warn' : 'info', STEP, line))
    const spec = { id: Started.ID, args, env: {}, stdin: false }
    const { output } = await builder.guest.processes.startAndFollow(spec, started.#stop.signal)
    started.#follow(exitOf(output, (item) => lines.take(item)).finally(() => lines.end()))
    return started
  }

  private constructor() {
    this.ended = this.#over.promise
  }

  readonly #over = Promise.withResolvers<void>()

  #follow(exit: Promise<ProcessExit>): void {
    exit.then(
      (found) => {
        this.exit = found
        this.#over.resolve()
      },
      () => this.#over.resolve(), // let go of, or its sandbox is gone: whoever works on it finds out
    )
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
  }
}

async function untilReady(
  work: Work<unknown>,
  builder: Builder,
  defaults: ImageDefaults,
  { readyCommand }: StartPlan,
  started: Started | null,
  log: BuildLog,
): Promise<void> {
  const fail = () => {
    if (started?.exit && started.exit.code !== 0) throw buildFailed(STEP, started.exit.code, started.exit.signal)
  }
  if (readyCommand === null) {
    log.add('info', STEP, `Waiting for ${UNTOLD_MS / 1000} s, as no ready command was given`)
    await pause(work, UNTOLD_MS, started)
    fail()
    return
  }
  log.add('info', STEP, `Waiting for it to be ready: ${readyCommand}`)
  const args = shellArgs(builder.shell, readyCommand, defaults.env)
  await limited(work.parts, { what: 'The ready command', ms: READY_LIMIT_MS }, async (signal) => {
    while (!signal.aborted) {
      const spec = { args, env: {}, stdin: false, tag: 'build' }
      const { output } = await builder.guest.processes.startAndFollow(spec, signal)
      const exit = await exitOf(output, () => {})
      fail()
      if (exit.code === 0) return
      await pause(work, READY_PAUSE_MS, null)
    }
  })
  log.add('info', STEP, 'It is ready')
}

/** Resolves after so long, or when the start command has ended. Rejects when the build is cancelled or the server closes. */
async function pause({ parts }: Work<unknown>, ms: number, started: Started | null): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  using _timer = parts.clock.after(ms, resolve)
  const closed = () => resolve()
  parts.closing.addEventListener('abort', closed, { once: true })
  if (parts.closing.aborted) resolve()
  await Promise.race([promise, ...(started === null ? [] : [started.ended])])
  parts.closing.removeEventListener('abort', closed)
  mustGoOn(parts)
}

async function captureAll(
  work: Work<unknown>,
  { sandbox }: Builder,
  image: Image,
  id: SnapshotId,
  defaults: ImageDefaults,
): Promise<Snapshot> {
  const plan = { snapshotId: id, kind: 'memory', hooks: true, requireHooks: false, unhurried: true } as const
  const captured = await capture(work, sandbox, plan, 'stay')
  const record = { ...newSnapshot(work.parts, sandbox, { kind: 'memory', internal: true }), id, imageId: image.id }
  if (captured.requirements === null) throw new SpawnpointError('internal', 'A memory snapshot needs nothing', {})
  return published(work, { ...record, defaults }, captured)
}
