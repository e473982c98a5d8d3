import type { Env } from '@spawnpoint/core'
import type { Context } from './contexts.ts'
import type { Inside } from './inside.ts'
import { type Ending, KernelChannel } from './jupyter/channel.ts'
import { LANGUAGES } from './languages.ts'
import type { LineWriter } from './line-writer.ts'
import { type Line, lineOf } from './output.ts'

export interface Execution {
  inside: Inside
  context: Context
  code: string
  /** For this execution alone, over `sandboxEnv` */
  env: Env
  sandboxEnv: Env
  /** Variable of `sandboxEnv` that differs from sandbox to sandbox */
  marker: string
  lines: LineWriter
  /** Aborted when nobody waits for the answer any more */
  left: AbortSignal
  /** Aborted when the context is restarted, with `restarted` as reason, or removed */
  over: AbortSignal
  interrupt: () => Promise<void>
  /** Rejects if the sandbox is gone, or is going */
  check: () => Promise<void>
}

/** How long a kernel that was interrupted may take to be idle; after it the next execution waits inside */
const INTERRUPTED_WITHIN_MS = 30_000

/** How long a kernel may take over what it is asked first, until it is asked anew; doubled each time, to a minute */
const ANSWERS_WITHIN_MS = 5_000
const ANSWERS_WITHIN_MAX_MS = 60_000

/** What a client is told of an execution that did not come to its own end. */
const CUT_OFF: { readonly [E in Exclude<Ending, 'idle'>]: Line } = {
  restarted: { type: 'error', name: 'ContextRestarting', value: 'Context was restarted', traceback: '' },
  dead: {
    type: 'error',
    name: 'ContextDied',
    value: 'The kernel of the context died and was not started again',
    traceback: '',
  },
  closed: {
    type: 'error',
    name: 'UnexpectedEndOfExecution',
    value: 'Connection to the execution was closed before the execution was finished',
    traceback: '',
  },
}

/**
 * Runs code in a context and writes what comes of it. Rejects before anything was written, or if the sandbox is gone.
 * Preconditions: no other execution of ours in this context.
 */
export async function execute(job: Execution): Promise<void> {
  const { context, lines, env } = job
  const { channel, prepared } = await reach(job)
  lines.onFull = () => channel.pause()
  lines.onDrain = () => channel.resume()
  try {
    const ending = prepared === 'idle' ? await run(job, channel) : prepared
    // Gone with the sandbox: that is not told as if it were the code's affair.
    if (ending !== 'idle' && !job.over.aborted && !job.left.aborted) await job.check()
    if (ending !== 'idle') lines.write(CUT_OFF[job.over.reason === 'restarted' ? 'restarted' : ending])
    lines.end()
    const names = Object.keys(env)
    const language = LANGUAGES.get(context.language)
    if (ending === 'idle' && names.length > 0 && language !== undefined) {
      const reset = channel.execute(language.reset(names, job.sandboxEnv), { silent: true }, () => {})
      await withinTime(reset, INTERRUPTED_WITHIN_MS, 'closed')
    }
  } finally {
    channel.close()
  }
}

/**
 * The kernel, made ready for the code. A channel that was opened while Jupyter moved the kernel to other ports reaches
 * nobody, for good, and is not closed either: what is not answered is asked anew, through another one.
 */
async function reach(job: Execution): Promise<{ channel: KernelChannel; prepared: Ending }> {
  for (let patience = ANSWERS_WITHIN_MS; ; patience = Math.min(patience * 2, ANSWERS_WITHIN_MAX_MS)) {
    const channel = await KernelChannel.open(job.inside, job.context.id, job.over, job.left)
    const prepared = await withinTime(prepare(job, channel), patience, 'late', job.left)
    if (prepared !== 'late') return { channel, prepared }
    channel.close()
    if (job.left.aborted) return { channel, prepared: 'closed' }
  }
}

async function run(job: Execution, channel: KernelChannel): Promise<Ending> {
  if (job.left.aborted) return 'closed'
  const ended = channel.execute(job.code, { silent: false }, (message) => {
    const line = lineOf(message)
    if (line !== null) job.lines.write(line)
  })
  const left = Promise.withResolvers<'left'>()
  const leave = () => left.resolve('left')
  job.left.addEventListener('abort', leave)
  try {
    const first = await Promise.race([ended, left.promise])
    if (first !== 'left') return first
    // Nobody reads any more: what is printed from now on must not hold it up.
    channel.resume()
    // It fails where the kernel or the sandbox is gone, and with it what was to be interrupted.
    await job.interrupt().catch(() => {})
    return await withinTime(ended, INTERRUPTED_WITHIN_MS, 'closed')
  } finally {
    job.left.removeEventListener('abort', leave)
  }
}

/** The sandbox's environment and the execution's own; for kernels of other languages nothing is known to do. */
async function prepare(job: Execution, channel: KernelChannel): Promise<Ending> {
  const language = LANGUAGES.get(job.context.language)
  if (language === undefined) return 'idle'
  const code = [language.adopt(job.marker, job.sandboxEnv)]
  if (Object.keys(job.env).length > 0) code.push(language.set(job.env))
  return channel.execute(code.join('\n'), { silent: true }, () => {})
}

/** `late` if it takes longer, or if `signal` says that nobody waits any more. */
async function withinTime<L extends string>(
  ended: Promise<Ending>,
  ms: number,
  late: L,
  signal?: AbortSignal,
): Promise<Ending | L> {
  const tired = Promise.withResolvers<L>()
  const give = () => tired.resolve(late)
  const timer = setTimeout(give, ms)
  signal?.addEventListener('abort', give)
  if (signal?.aborted) give()
  try {
    return await Promise.race([ended, tired.promise])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', give)
  }
}
