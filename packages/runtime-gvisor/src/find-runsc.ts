import { accessSync, constants } from 'node:fs'
import { unavailable } from './failure.ts'

/** Where gVisor's own packages, Debian's and manual installs put it, behind the search path. */
const USUAL = ['/usr/local/bin/runsc', '/usr/bin/runsc', '/usr/local/sbin/runsc', '/opt/gvisor/runsc']

/** The runsc to use when none is configured: `SPAWNPOINT_RUNSC`, the search path, usual places. Throws `unavailable`. */
export function findRunsc(env: NodeJS.ProcessEnv = process.env): string {
  const onPath = (env.PATH ?? '').split(':').filter(Boolean)
  const candidates = [env.SPAWNPOINT_RUNSC ?? '', ...onPath.map((dir) => `${dir}/runsc`), ...USUAL]
  const found = candidates.find((path) => path.startsWith('/') && isExecutable(path))
  if (!found)
    throw unavailable('gVisor is not installed: no runsc on the search path; on Debian: apt-get install runsc')
  return found
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    // ENOENT, EACCES: not here.
    return false
  }
}
