import { SpawnpointError } from '@spawnpoint/core'
import { runCommand } from '@spawnpoint/host-commands'

export class ToolFailed extends Error {
  readonly tool: string
  readonly stderr: string
  /** The program is not installed */
  readonly missing: boolean

  constructor(tool: string, stderr: string, missing: boolean, cause: unknown) {
    super(`${tool}: ${stderr}`, { cause })
    this.tool = tool
    this.stderr = stderr
    this.missing = missing
  }
}

/** Bytes of output that a tool may have unless told */
const OUTPUT_MAX_BYTES = 2 ** 20

/**
 * Runs a program, no shell, and returns its trimmed stdout. Rejects `ToolFailed`; killed after `timeoutMs` or when `signal`
 * aborts.
 */
export async function runTool(
  tool: string,
  args: string[],
  timeoutMs = 60_000,
  {
    input = '',
    signal,
    outputBytes = OUTPUT_MAX_BYTES,
  }: { input?: string; signal?: AbortSignal | undefined; outputBytes?: number } = {},
): Promise<string> {
  const failed = (said: string, cause?: unknown) =>
    new ToolFailed(
      `${tool} ${args[0] ?? ''}`.trim(),
      said.slice(-2000),
      (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT',
      cause,
    )
  const options = { timeoutMs, input, maxOutputBytes: outputBytes, ...(signal ? { signal } : {}) }
  const result = await runCommand(tool, args, options).catch((error: unknown) => {
    throw failed(error instanceof Error ? error.message : String(error), error)
  })
  if (result.code === 0 && !result.timedOut && !result.truncated) return result.stdout.trim()
  if (result.truncated) throw failed(`more than ${outputBytes} bytes of output`)
  const end = result.timedOut ? `no answer within ${timeoutMs} ms` : `ended with ${result.code ?? result.signal}`
  throw failed(result.stderr.trim() || end)
}

/** EDQUOT, which Node has no name for */
const OVER_QUOTA = -122
const FULL = /No space left on device|Disk quota exceeded/

/** Gives anything a pool step threw the error code a user can act on. */
export function classify(step: string, thrown: unknown, freeBytes: number): SpawnpointError {
  if (thrown instanceof SpawnpointError) return thrown
  const { code, errno } = thrown as NodeJS.ErrnoException
  const detail = thrown instanceof Error ? thrown.message : String(thrown)
  if (code === 'ENOSPC' || errno === OVER_QUOTA || FULL.test(detail)) return diskFull(freeBytes, thrown)
  return new SpawnpointError('runtime_failed', `The pool failed at ${step}`, { step, detail }, { cause: thrown })
}

export function diskFull(freeBytes: number, cause?: unknown): SpawnpointError<'disk_full'> {
  const mebibytes = Math.max(0, Math.floor(freeBytes / 2 ** 20))
  return new SpawnpointError('disk_full', `The store is full: ${mebibytes} MiB left`, { freeBytes }, { cause })
}

export function unavailable(reason: string, cause?: unknown): SpawnpointError<'unavailable'> {
  return new SpawnpointError('unavailable', reason, { reason }, { cause })
}
