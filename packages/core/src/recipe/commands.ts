import { SpawnpointError } from '../errors.ts'
import type { Env } from '../model.ts'
import { stopped } from '../operations/cut-off.ts'
import type { Parts } from '../parts.ts'
import type { Guest, ProcessExit, ProcessOutput } from '../ports/index.ts'

export type Shell = 'bash' | 'sh'

/** The shell that commands of a recipe are for, as this sandbox has it. */
export async function shellOf(guest: Guest): Promise<Shell> {
  try {
    await guest.files.stat('/bin/bash')
    return 'bash'
  } catch (error) {
    if (error instanceof SpawnpointError && error.code === 'guest_error') return 'sh'
    throw error
  }
}

/** How a command of a recipe is run. A login shell sets PATH anew; the one that was asked for holds. */
export function shellArgs(shell: Shell, command: string, env: Env): string[] {
  if (shell === 'sh') return ['/bin/sh', '-c', command]
  const path = env.PATH === undefined ? '' : `export PATH='${env.PATH.replaceAll("'", "'\\''")}'\n`
  return ['/bin/bash', '-l', '-c', path + command]
}

/** Reads a program's output to its end. */
export async function exitOf(
  output: AsyncIterable<ProcessOutput>,
  take: (item: ProcessOutput) => void,
): Promise<ProcessExit> {
  for await (const item of output) {
    take(item)
    if (item.type === 'exit') return item.exit
  }
  throw new SpawnpointError('cancelled', 'The output of a program ended before the program', { what: 'build step' })
}

/** Throws if the build is cancelled, or the server closes. */
export function mustGoOn({ closing }: Pick<Parts, 'closing'>): void {
  if (closing.aborted) throw stopped(closing)
}

/**
 * Rejects `timeout` after `ms` milliseconds, `cancelled` when the build is and `unavailable` when the server closes, whatever the guest does or leaves
 * undone: what goes on inside ends when the incarnation is killed.
 */
export async function limited<T>(
  parts: Pick<Parts, 'clock' | 'closing'>,
  limit: { what: string; ms: number },
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, closing } = parts
  const controller = new AbortController()
  const over = Promise.withResolvers<never>()
  over.promise.catch(() => {}) // whoever still waits has it
  const end = (error: SpawnpointError) => {
    over.reject(error)
    controller.abort(error)
  }
  const closed = () => end(stopped(closing))
  const timedOut = () =>
    end(
      new SpawnpointError('timeout', `${limit.what} took longer than ${limit.ms / 1000} s`, {
        what: limit.what,
        timeoutMs: limit.ms,
      }),
    )
  using _timer = clock.after(limit.ms, timedOut)
  closing.addEventListener('abort', closed, { once: true })
  if (closing.aborted) closed()
  try {
    const running = run(controller.signal)
    running.catch(() => {}) // if it is not waited for any more
    return await Promise.race([running, over.promise])
  } finally {
    closing.removeEventListener('abort', closed)
    controller.abort()
  }
}
