import { createHash } from 'node:crypto'
import { accessSync, constants, readFileSync, realpathSync } from 'node:fs'
import { isIP } from 'node:net'
import { availableParallelism, totalmem } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { type CoreConfig, isPublicKey, SpawnpointError } from '@spawnpoint/core'
import { type TlsConfig, type TlsOptions, tlsFrom } from './tls-config.ts'

const GIB = 2 ** 30
const DAY_MS = 86_400_000
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

export interface ServerConfig {
  dataDir: string
  /** Address to listen on; loopback unless told otherwise */
  host: string
  /** 0 takes any free port */
  port: number
  /** `host[:port]` below which the API and ports of sandboxes have names of their own; `null` for none */
  domain: string | null
  /** A listener with TLS, beside the plain one */
  tls: TlsConfig | null
  /** An existing PostgreSQL; `null` for a private one under `dataDir` */
  databaseUrl: string | null
  /** The runsc binary */
  runsc: string
  /** The guest agent's binary */
  agent: string
  logLevel: string
  /** Size of a new pool image in bytes; `null` for the pool's default */
  poolBytes: number | null
  /** Layers of pulled images that are kept for the next pull, in bytes */
  layerCacheBytes: number
  /** File that may name a point; reaching it ends the process with SIGKILL. For crash tests */
  crashFile: string | null
  /** CIDRs of private networks, or of this machine, where web services may be asked that credential rules name */
  callbackNetworks: string[]
  /** `https://` address at which clouds find this server's keys; `null` where sandboxes have no identity for them */
  issuer: string | null
  /** Without the secret, which is in the data directory */
  core: Omit<CoreConfig, 'secret'>
}

export interface ServerOptions extends TlsOptions {
  dataDir?: string | undefined
  port?: string | undefined
  host?: string | undefined
}

type Env = Record<string, string | undefined>

/** Options win over the environment, the environment over defaults. Rejects what cannot work, saying what to do. */
export function configFrom(options: ServerOptions, env: Env): ServerConfig {
  if (process.getuid?.() !== 0) throw missing('the server must be root (mounts, namespaces, control groups); use sudo')
  const dataDir = resolve(options.dataDir ?? env.SPAWNPOINT_DATA_DIR ?? '/var/lib/spawnpoint')
  const cpus = availableParallelism()
  const hostMemory = totalmem()
  return {
    dataDir,
    host: options.host ?? env.SPAWNPOINT_HOST ?? '127.0.0.1',
    port: portFrom(options.port ?? env.SPAWNPOINT_PORT ?? '7300'),
    ...tlsFrom(options, env),
    databaseUrl: env.DATABASE_URL || null,
    runsc: findRunsc(env),
    agent: findAgent(env),
    logLevel: logLevelFrom(env.SPAWNPOINT_LOG || 'info'),
    poolBytes: env.SPAWNPOINT_POOL_BYTES ? sizeFrom('SPAWNPOINT_POOL_BYTES', env, 0) : null,
    layerCacheBytes: sizeFrom('SPAWNPOINT_LAYER_CACHE_BYTES', env, 10 * GIB),
    crashFile: env.SPAWNPOINT_CRASH_FILE || null,
    callbackNetworks: networks('SPAWNPOINT_CALLBACK_NETWORKS', env),
    issuer: issuerFrom(env.SPAWNPOINT_ISSUER),
    core: {
      resources: {
        cpus: Math.min(2, cpus),
        memoryBytes: Math.min(GIB, Math.floor(hostMemory / 4)),
        diskBytes: 10 * GIB,
        maxProcesses: Math.min(1024, mostProcesses()),
      },
      maxResources: {
        cpus,
        memoryBytes: Math.floor(hostMemory * 0.9),
        diskBytes: 1024 * GIB,
        maxProcesses: mostProcesses(),
      },
      trustedKeys: trustedKeys(env),
      maxImageBytes: sizeFrom('SPAWNPOINT_IMAGE_BYTES', env, 64 * GIB),
      timeout: { timeoutMs: null, idleTimeoutMs: null, onTimeout: 'kill', autoResume: false, deleteAfterMs: null },
      dns: resolvers(env),
      bootTimeoutMs: 30_000,
      hookTimeoutMs: 10_000,
      keep: { historyMs: daysFrom(env.SPAWNPOINT_KEEP_DAYS ?? '30') * DAY_MS, idempotencyMs: DAY_MS },
      standbys: countFrom(env.SPAWNPOINT_STANDBYS ?? '2'),
      stopGraceMs: 2_000,
      verify: {
        checkEveryMs: everyFrom('SPAWNPOINT_CHECK_DAYS', env.SPAWNPOINT_CHECK_DAYS ?? '7'),
        drillEveryMs: everyFrom('SPAWNPOINT_DRILL_DAYS', env.SPAWNPOINT_DRILL_DAYS ?? '0'),
      },
    },
  }
}

/** Names what belongs to the server of one data directory, outside of it. */
export function serverTag(dataDir: string): string {
  return createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 8)
}

export const REPOSITORY = resolve(import.meta.dirname, '../../..')
export const AGENT_PATH = join(REPOSITORY, '.cache/bin/spawnpoint-agent')
/** Link that bootstrap makes to the runsc of its choice */
const RUNSC_LINK = join(REPOSITORY, '.cache/bin/runsc')

function countFrom(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text)
  throw missing(`SPAWNPOINT_STANDBYS is '${text}'; use a number from 0 to 999`)
}

/** Milliseconds; `null` for never. */
function everyFrom(name: string, text: string): number | null {
  if (/^\d{1,4}$/.test(text)) return Number(text) === 0 ? null : Number(text) * DAY_MS
  throw missing(`${name} is '${text}'; use a number of days up to 9999, 0 for never`)
}

function daysFrom(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text)
  throw missing(`SPAWNPOINT_KEEP_DAYS is '${text}'; use a number of days from 1 to 99999`)
}

function portFrom(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw missing(`'${text}' is not a port; use 0 to 65535`)
  return port
}

function logLevelFrom(text: string): string {
  if (LOG_LEVELS.includes(text)) return text
  throw missing(`SPAWNPOINT_LOG is '${text}'; use one of ${LOG_LEVELS.join(', ')}`)
}

function trustedKeys(env: Env): string[] {
  const keys = (env.SPAWNPOINT_TRUSTED_KEYS ?? '').split(/[\s,]+/).filter((key) => key !== '')
  const wrong = keys.find((key) => !isPublicKey(key))
  if (wrong === undefined) return keys
  throw missing(`SPAWNPOINT_TRUSTED_KEYS has '${wrong}', which is no key of a server; see its archive.pub`)
}

function networks(name: string, env: Env): string[] {
  const all = (env[name] ?? '').split(/[\s,]+/).filter((one) => one !== '')
  const wrong = all.find((one) => {
    const [address = '', bits = '32', ...rest] = one.split('/')
    return isIP(address) !== 4 || !/^\d{1,2}$/.test(bits) || Number(bits) > 32 || rest.length > 0
  })
  if (wrong === undefined) return all
  throw missing(`${name} has '${wrong}', which is no IPv4 address or CIDR`)
}

function issuerFrom(text: string | undefined): string | null {
  if (!text) return null
  const url = URL.parse(text)
  const { protocol, username, password, origin, href } = url ?? {}
  if (protocol === 'https:' && username === '' && password === '' && href === `${origin}/`) return origin ?? null
  throw missing(`SPAWNPOINT_ISSUER is '${text}'; use https://HOST or https://HOST:PORT, where this server is reached`)
}

function sizeFrom(name: string, env: Env, byDefault: number): number {
  const text = env[name]
  if (!text) return byDefault
  const bytes = Number(text)
  if (!Number.isSafeInteger(bytes) || bytes <= 0) throw missing(`${name} is '${text}', not a number of bytes`)
  return bytes
}

function findRunsc(env: Env): string {
  const named = env.SPAWNPOINT_RUNSC
  // What bootstrap chose comes before the search path: memory snapshots restore only on the runsc that took them, so
  // `spawnpoint serve` must not take another than `script/up` did.
  const onPath = (env.PATH ?? '').split(delimiter).map((dir) => join(dir, 'runsc'))
  const found = (named ? [named] : [RUNSC_LINK, ...onPath]).find(isExecutable)
  if (found !== undefined) return realpathSync(found)
  throw missing(
    named
      ? `SPAWNPOINT_RUNSC names ${named}, which cannot be executed; correct or unset it`
      : 'runsc (gVisor) is not installed; run script/bootstrap, or install the package runsc from Debian backports',
  )
}

function findAgent(env: Env): string {
  const path = env.SPAWNPOINT_AGENT ?? AGENT_PATH
  if (isExecutable(path)) return path
  throw missing(`the guest agent is not built at ${path}; run script/bootstrap`)
}

/**
 * Of one sandbox. Each may take three threads of the host and the runtime its own (`hostProcessLimit` of the driver):
 * together not more than half of what the host has, or one sandbox could leave none for anybody else.
 */
function mostProcesses(): number {
  const limit = (name: string) => Number(readFileSync(`/proc/sys/kernel/${name}`, 'utf8'))
  const threads = Math.min(limit('pid_max'), limit('threads-max'))
  return Math.max(64, Math.min(32_768, Math.floor((threads / 2 - 512) / 3)))
}

/** Name servers that a sandbox can reach: the host's, without those on its loopback. */
function resolvers(env: Env): string[] {
  if (env.SPAWNPOINT_DNS) return env.SPAWNPOINT_DNS.split(',').map((address) => address.trim())
  let text = ''
  try {
    text = readFileSync('/etc/resolv.conf', 'utf8')
  } catch {
    // A host without the file resolves nothing itself; the public servers below are as good as any.
  }
  const found = [...text.matchAll(/^nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm)]
    .map((match) => match[1] as string)
    .filter((address) => !address.startsWith('127.'))
  return found.length > 0 ? found.slice(0, 3) : ['1.1.1.1', '8.8.8.8']
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function missing(reason: string): SpawnpointError<'unavailable'> {
  return new SpawnpointError('unavailable', reason, { reason })
}
