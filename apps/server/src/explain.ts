import { SpawnpointError } from '@spawnpoint/core'
import type { ServerConfig } from './config.ts'

/**
 * What to tell the person who started a server that did not start: one line with what to do about it. `null` for an
 * error that nobody expects, whose stack is what helps.
 */
export function explain(error: unknown, config: Pick<ServerConfig, 'dataDir' | 'host' | 'port'> | null): string | null {
  if (!(error instanceof Error)) return null
  const { code, syscall, path } = error as NodeJS.ErrnoException
  if (noSpaceLeft(error))
    return `no space left on the disk of ${config?.dataDir ?? 'the data directory'}; free some, or give a --data-dir on another disk`
  if (error instanceof SpawnpointError) return error.message
  if (code === undefined) return null
  if (code === 'EADDRINUSE' && syscall === 'listen')
    return `port ${config?.port} of ${config?.host} is in use; stop what listens there, or choose another with --port`
  if (code === 'EADDRNOTAVAIL' && syscall === 'listen')
    return `${config?.host} is not an address of this machine; choose another with --host`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return `the host '${config?.host}' cannot be resolved; correct --host`
  if (code.startsWith('ERR_PARSE_ARGS')) return error.message
  if (
    path !== undefined &&
    config !== null &&
    (path.startsWith(config.dataDir) || config.dataDir.startsWith(`${path}/`))
  )
    return `the data directory ${config.dataDir} cannot be written (${error.message}); choose another with --data-dir`
  return syscall === undefined ? null : error.message
}

/** Of this error or a cause of it; programs that are run (initdb, mkfs) say it in words only. */
function noSpaceLeft(error: Error): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if ((at as NodeJS.ErrnoException).code === 'ENOSPC' || /No space left on device/.test(at.message)) return true
  return false
}
