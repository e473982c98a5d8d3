import { invalidArgument } from '../errors.ts'
import { isId } from '../ids.ts'
import type { Census, ImageDefaults, Requirements, Resources, SandboxId, Snapshot, SnapshotKind } from '../model.ts'
import { checkEnv, checkLabels } from '../services/checks.ts'
import { isName } from '../services/refs.ts'
import { carriedCensus } from './census.ts'

export const PORTABLE_VERSION = 1

/** What a snapshot takes along to another server, beside its data. */
export type PortableSnapshot = Pick<
  Snapshot,
  'kind' | 'name' | 'defaults' | 'env' | 'resources' | 'generation' | 'requirements' | 'labels' | 'sandboxId'
> & {
  /** Bytes unpacked */
  filesystemBytes: number
  memoryBytes: number
}

export function describeSnapshot(snapshot: Snapshot, census: Census | null): object {
  const { kind, name, defaults, env, resources, generation, requirements, labels, sandboxId, receipt } = snapshot
  return {
    formatVersion: PORTABLE_VERSION,
    ...{ id: snapshot.id, kind, name, defaults, env, resources, generation, requirements, labels, sandboxId },
    filesystemBytes: receipt?.filesystemBytes ?? snapshot.sizeBytes,
    memoryBytes: receipt?.memoryBytes ?? 0,
    census: census && { ...carriedCensus(census), at: census.at.toISOString() },
    createdAt: snapshot.createdAt.toISOString(),
  }
}

/** A stranger's words: everything is checked. Rejects `invalid_argument`, `incompatible` for another format's. */
export function parsePortable(given: unknown): PortableSnapshot {
  const fields = record(given, 'description')
  if (fields.formatVersion !== PORTABLE_VERSION) {
    throw bad('formatVersion', `this server reads ${PORTABLE_VERSION}`)
  }
  const kind = fields.kind
  if (kind !== 'memory' && kind !== 'filesystem') throw bad('kind', 'not a kind of snapshot')
  const name = fields.name
  const labels = texts(fields.labels, 'labels')
  checkLabels(labels)
  const env = texts(fields.env, 'env')
  checkEnv('env', env)
  const sandboxId = fields.sandboxId
  if (typeof sandboxId !== 'string' || !isId(sandboxId)) throw bad('sandboxId', 'not an id')
  return {
    kind,
    name: typeof name === 'string' && isName(name) && !isId(name) ? name : null,
    defaults: defaultsOf(fields.defaults),
    env,
    resources: resourcesOf(fields.resources),
    generation: count(fields.generation, 'generation'),
    requirements: requirementsOf(fields.requirements, kind),
    labels,
    sandboxId: sandboxId as SandboxId,
    filesystemBytes: count(fields.filesystemBytes, 'filesystemBytes'),
    memoryBytes: count(fields.memoryBytes, 'memoryBytes'),
  }
}

function defaultsOf(given: unknown): ImageDefaults {
  const { env, user, workdir, startCommand, entrypoint, exposedPorts, idle } = record(given, 'defaults')
  const begins = entrypoint === undefined ? undefined : list(entrypoint, 'defaults.entrypoint')
  const ports = exposedPorts === undefined ? undefined : list(exposedPorts, 'defaults.exposedPorts')
  const variables = texts(env, 'defaults.env')
  checkEnv('defaults.env', variables)
  return {
    env: variables,
    user: text(user, 'defaults.user'),
    workdir: text(workdir, 'defaults.workdir'),
    startCommand: list(startCommand, 'defaults.startCommand').map((part) => text(part, 'defaults.startCommand')),
    ...(begins === undefined ? {} : { entrypoint: begins.map((part) => text(part, 'defaults.entrypoint')) }),
    ...(ports === undefined ? {} : { exposedPorts: ports.map((port) => count(port, 'defaults.exposedPorts')) }),
    ...(idle === true ? { idle } : {}),
  }
}

function resourcesOf(given: unknown): Resources {
  const { cpus, memoryBytes, diskBytes, maxProcesses } = record(given, 'resources')
  if (typeof cpus !== 'number' || !(cpus > 0) || !Number.isFinite(cpus)) throw bad('resources.cpus', 'not a number')
  return {
    cpus,
    memoryBytes: count(memoryBytes, 'resources.memoryBytes'),
    diskBytes: count(diskBytes, 'resources.diskBytes'),
    maxProcesses: count(maxProcesses, 'resources.maxProcesses'),
  }
}

function requirementsOf(given: unknown, kind: SnapshotKind): Requirements | null {
  if (kind === 'filesystem') return null
  const { runtime, runtimeVersion, agentDigest, cpuFeatures } = record(given, 'requirements')
  const digest = agentDigest === null ? null : text(agentDigest, 'requirements.agentDigest')
  if (digest !== null && !/^[0-9a-f]{64}$/.test(digest)) throw bad('requirements.agentDigest', 'not a digest')
  return {
    runtime: text(runtime, 'requirements.runtime'),
    runtimeVersion: text(runtimeVersion, 'requirements.runtimeVersion'),
    agentDigest: digest,
    cpuFeatures: list(cpuFeatures, 'requirements.cpuFeatures').map((one) => text(one, 'requirements.cpuFeatures')),
  }
}

function record(given: unknown, path: string): Record<string, unknown> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw bad(path, 'not an object')
  return given as Record<string, unknown>
}

function texts(given: unknown, path: string): Record<string, string> {
  const entries = Object.entries(record(given, path))
  return Object.fromEntries(entries.map(([key, value]) => [key, text(value, `${path}.${key.slice(0, 64)}`, 32 * 1024)]))
}

function text(given: unknown, path: string, maxChars = 4_096): string {
  if (typeof given !== 'string' || given.length > maxChars || given.includes('\0')) throw bad(path, 'not a text')
  return given
}

function list(given: unknown, path: string): unknown[] {
  if (!Array.isArray(given) || given.length > 1_024) throw bad(path, 'not a list')
  return given
}

function count(given: unknown, path: string): number {
  if (typeof given !== 'number' || !Number.isSafeInteger(given) || given < 0) throw bad(path, 'not a number')
  return given
}

function bad(path: string, message: string) {
  return invalidArgument(`reference: ${path}`, message)
}
