import { type CommandResult, runCommand } from '@spawnpoint/host-commands'
import { errorText, runtimeFailed } from '../failure.ts'

const TIMEOUT_MS = 20_000

/** Runs lines of `ip` commands in one process, in the host's namespace or in `namespace`. Rejects `runtime_failed`. */
export async function ipBatch(
  lines: readonly string[],
  options: { namespace?: string; force?: boolean } = {},
): Promise<void> {
  if (lines.length === 0) return
  const inside = options.namespace ? ['-n', options.namespace] : []
  const force = options.force ? ['-force'] : []
  await run('ip', [...inside, ...force, '-batch', '-'], `${lines.join('\n')}\n`, options.force ?? false)
}

/** Applies a script of nft statements in one transaction. Rejects `runtime_failed`, and nothing was changed. */
export async function nft(statements: readonly string[]): Promise<void> {
  if (statements.length === 0) return
  await run('nft', ['-f', '-'], `${statements.join('\n')}\n`, false)
}

async function run(program: string, args: string[], input: string, ignoreFailure: boolean): Promise<CommandResult> {
  let result: CommandResult
  try {
    result = await runCommand(program, args, { timeoutMs: TIMEOUT_MS, input, maxOutputBytes: 8_192 })
  } catch (error) {
    throw runtimeFailed('network', `${program} cannot be started: ${errorText(error)}`, error)
  }
  if (result.code !== 0 && !ignoreFailure) {
    const detail = result.timedOut ? `no answer within ${TIMEOUT_MS} ms` : result.stderr.trim()
    throw runtimeFailed('network', `${program} failed: ${detail}`)
  }
  return result
}
