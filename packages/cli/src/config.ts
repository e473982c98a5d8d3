import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from './exit.ts'

export interface Connection {
  url: string
  apiKey: string
}

const DEFAULT_URL = 'http://127.0.0.1:7300'
const DEFAULT_DATA_DIR = '/var/lib/spawnpoint'

/**
 * Which server, and with which key: options, then the environment, then, for a server on this machine, the admin key it
 * wrote into its data directory. Throws `UsageError` saying what to set.
 */
export function connectionFrom(options: { url?: string | undefined }, env: NodeJS.ProcessEnv): Connection {
  const url = options.url ?? (env.SPAWNPOINT_URL || DEFAULT_URL)
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new UsageError(`'${url}' is not the address of a server; it looks like ${DEFAULT_URL}`)
  }
  if (env.SPAWNPOINT_API_KEY) return { url, apiKey: env.SPAWNPOINT_API_KEY }
  if (!isLocal(url)) throw new UsageError(`set SPAWNPOINT_API_KEY to a key of ${url}`)
  const path = join(env.SPAWNPOINT_DATA_DIR || DEFAULT_DATA_DIR, 'admin.key')
  try {
    return { url, apiKey: readFileSync(path, 'utf8').trim() }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const why = { ENOENT: 'is not there: no server has started yet', EACCES: 'is not readable for you' }[code ?? '']
    throw new UsageError(
      `set SPAWNPOINT_API_KEY to a key of ${url}. A server on this machine keeps one in admin.key of its data directory, ` +
        `but ${path} ${why ?? `cannot be read (${code})`}. ` +
        'Start one with: spawnpoint serve; or set SPAWNPOINT_DATA_DIR to where it keeps its data',
    )
  }
}

function isLocal(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
