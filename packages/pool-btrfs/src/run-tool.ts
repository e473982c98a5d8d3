import { execFile } from 'node:child_process'
import { SpawnpointError } from '@spawnpoint/core'
import { runCommand } from '@spawnpoint/host-commands'

/** Sandboxes' tools live in sbin, which the PATH of a service or of a login without `su -` lacks. */
const PATH = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`

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

/** Bytes of output that a tool may have */
const OUTPUT_MAX_BYTES = 2 ** 20

/**
 * Runs a program, no shell, and returns its trimmed stdout. Rejects `ToolFailed`; killed after `timeoutMs` or when `signal`
 * aborts.
 */
export async function runTool(
  tool: string,
  args: string[],
  timeoutMs = 60_000,
  { input = '', signal }: { input?: string; signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const failed = (said: string, cause?: unknown) =>
    new ToolFailed(
      `${tool} ${args[0] ?? ''}`.trim(),
      said.slice(-2000),
      (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT',
      cause,
    )
  const options = { timeoutMs, input, maxOutputBytes: OUTPUT_MAX_BYTES, ...(signal ? { signal } : {}) }
  const result = await runCommand(tool, args, options).catch((error: unknown) => {
    throw failed(error instanceof Error ? error.message : String(error), error)
  })
  if (result.code === 0 && !result.timedOut && !result.truncated) return result.stdout.trim()
  if (result.truncated) throw failed(`more than ${OUTPUT_MAX_BYTES} bytes of output`)
  const end = result.timedOut ? `no answer within ${timeoutMs} ms` : `ended with ${result.code ?? result.signal}`
  throw failed(result.stderr.trim() || end)
}

/** As `runTool`, for up to 64 MiB of output; started by this process itself, so that they are not copied. */
export function runLargeTool(
  tool: string,
  args: string[],
  timeoutMs = 60_000,
  { input = '', signal }: { input?: string; signal?: AbortSignal | undefined } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      timeout: timeoutMs,
      ...(signal ? { signal } : {}),
      killSignal: 'SIGKILL',
      env: { PATH, LC_ALL: 'C' },
      maxBuffer: 64 << 20,
    } as const
    const child = execFile(tool, args, options, (error, stdout, stderr) => {
      if (!error) return resolve(stdout.trim())
      const said = stderr.trim() || (error.killed ? `no answer within ${timeoutMs} ms` : error.message)
      reject(new ToolFailed(`${tool} ${args[0] ?? ''}`.trim(), said.slice(-2000), error.code === 'ENOENT', error))
    })
    // One that ends without reading is heard of above.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
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
