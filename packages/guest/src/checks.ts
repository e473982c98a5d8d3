import type {
  Census,
  FileEvent,
  FileInfo,
  FileType,
  GuestMetrics,
  HoldReport,
  HookOutcome,
  IdentityReport,
  ProcessExit,
  ProcessInfo,
  ProcessStream,
} from '@spawnpoint/core'
import { ProtocolViolation } from './frames.ts'

/**
 * Everything here reads what an adversary sent. Each check names the field, bounds its size, and copies what it knows;
 * unknown fields are dropped, so that a newer agent can say more.
 */
type Fields = Record<string, unknown>

const MAX_PATH = 8192
const MAX_NAME = 512
const MAX_TIME_MS = 8.64e15

export function object(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(what)
  return value as Fields
}

function wrong(what: string): ProtocolViolation {
  return new ProtocolViolation(`bad ${what}`)
}

function text(value: unknown, what: string, max: number): string {
  if (typeof value !== 'string' || value.length > max) throw wrong(what)
  return value
}

function textOrNull(value: unknown, what: string, max: number): string | null {
  return value === null || value === undefined ? null : text(value, what, max)
}

function integer(value: unknown, what: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) throw wrong(what)
  return value as number
}

function flag(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw wrong(what)
  return value
}

function list<T>(value: unknown, what: string, max: number, item: (value: unknown) => T): T[] {
  if (!Array.isArray(value) || value.length > max) throw wrong(what)
  return value.map(item)
}

/** Texts by name. */
function texts(value: unknown, what: string, count: number, max: number): Record<string, string> {
  const entries = Object.entries(object(value, what))
  if (entries.length > count) throw wrong(what)
  const checked: Record<string, string> = Object.create(null)
  for (const [name, content] of entries) checked[text(name, what, 32 * 1024)] = text(content, what, max)
  return checked
}

function oneOf<T extends string>(value: unknown, what: string, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) throw wrong(what)
  return value as T
}

function time(value: unknown, what: string): Date {
  return new Date(integer(value, what, -MAX_TIME_MS, MAX_TIME_MS))
}

/**
 * Parses a JSON text of the guest. Refuses nesting deeper than 16: nothing that the protocol says is deeper, and depth
 * is what makes a small text a large value.
 */
export function parseJson(bytes: Buffer): unknown {
  let depth = 0
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]
    if (byte === 0x7b || byte === 0x5b) {
      depth += 1
      if (depth > 16) {
        // Braces inside strings count as well; those in a deep text are told apart the slow way.
        if (nesting(bytes) > 16) throw wrong('JSON: nested too deeply')
        break
      }
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1
  }
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    throw wrong('JSON')
  }
}

function nesting(bytes: Buffer): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (inString) {
      if (byte === 0x5c) i += 1
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1
      if (depth > deepest) deepest = depth
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1
  }
  return deepest
}

export interface Hello {
  agent: string
  protocol: number
  capabilities: string[]
}

export function checkHello(value: unknown): Hello {
  const it = object(value, 'hello')
  return {
    agent: text(it.agent, 'hello.agent', 64),
    protocol: integer(it.protocol, 'hello.protocol', 1, 1000),
    capabilities: list(it.capabilities, 'hello.capabilities', 256, (c) => text(c, 'hello.capabilities', 64)),
  }
}

export interface Failure {
  kind: string
  message: string
  errno: string
  path: string | null
  what: 'user' | 'cwd' | 'program' | null
}

export function checkFailure(value: unknown): Failure {
  const it = object(value, 'error')
  const errno = it.errno === undefined ? 'EIO' : text(it.errno, 'error.errno', 32)
  if (!/^E[A-Z0-9]{1,30}$/.test(errno)) throw wrong('error.errno')
  return {
    kind: text(it.kind, 'error.kind', 64),
    message: text(it.message, 'error.message', 4096),
    errno,
    path: textOrNull(it.path, 'error.path', MAX_PATH),
    what: it.what === 'user' || it.what === 'cwd' || it.what === 'program' ? it.what : null,
  }
}

function checkHook(value: unknown): HookOutcome {
  const it = object(value, 'hook')
  return {
    name: text(it.name, 'hook.name', MAX_NAME),
    outcome: oneOf(it.outcome, 'hook.outcome', ['ok', 'failed', 'timed_out'] as const),
    exitCode: it.exitCode === null ? null : integer(it.exitCode, 'hook.exitCode', 0, 255),
    durationMs: integer(it.durationMs, 'hook.durationMs'),
    output: text(it.output, 'hook.output', 4096),
  }
}

export function checkIdentityReport(value: unknown): IdentityReport {
  const it = object(value, 'identity report')
  return {
    hostname: flag(it.hostname, 'identity.hostname'),
    machineId: flag(it.machineId, 'identity.machineId'),
    entropy: flag(it.entropy, 'identity.entropy'),
    generation: integer(it.generation, 'identity.generation'),
    hooks: list(it.hooks, 'identity.hooks', 64, checkHook),
  }
}

export function checkHoldReport(value: unknown): HoldReport {
  const it = object(value, 'hold report')
  return {
    ...(it.census === undefined || it.census === null ? {} : { census: checkCensus(it.census) }),
    hooks: list(it.hooks, 'hold.hooks', 64, checkHook),
    culprits: list(it.culprits, 'hold.culprits', 64, (value) => {
      const culprit = object(value, 'culprit')
      return {
        pid: integer(culprit.pid, 'culprit.pid'),
        what: text(culprit.what, 'culprit.what', 128),
        path: text(culprit.path, 'culprit.path', MAX_PATH),
      }
    }),
  }
}

function checkCensus(value: unknown): Census {
  const it = object(value, 'census')
  return {
    at: time(it.atMs, 'census.atMs'),
    processes: list(it.processes, 'census.processes', 4096, (value) => {
      const process = object(value, 'census.process')
      return {
        pid: integer(process.pid, 'census.pid', 1),
        parentPid: integer(process.parentPid, 'census.parentPid'),
        user: text(process.user, 'census.user', MAX_NAME),
        command: text(process.command, 'census.command', 1024),
        memoryBytes: integer(process.memoryBytes, 'census.memoryBytes'),
        startTicks: integer(process.startTicks, 'census.startTicks'),
      }
    }),
    ports: list(it.ports, 'census.ports', 1024, (value) => {
      const port = object(value, 'census.port')
      return {
        port: integer(port.port, 'census.port', 0, 65_535),
        address: text(port.address, 'census.address', 64),
        pid: port.pid === null ? null : integer(port.pid, 'census.pid', 1),
      }
    }),
    truncated: flag(it.truncated, 'census.truncated'),
  }
}

export function checkMetrics(value: unknown): GuestMetrics {
  const it = object(value, 'metrics')
  return {
    cpuMs: integer(it.cpuMs, 'metrics.cpuMs'),
    memoryUsedBytes: integer(it.memoryUsedBytes, 'metrics.memoryUsedBytes'),
    memoryTotalBytes: integer(it.memoryTotalBytes, 'metrics.memoryTotalBytes'),
    diskUsedBytes: integer(it.diskUsedBytes, 'metrics.diskUsedBytes'),
    diskTotalBytes: integer(it.diskTotalBytes, 'metrics.diskTotalBytes'),
    processes: integer(it.processes, 'metrics.processes'),
  }
}

export function checkExit(value: unknown): ProcessExit {
  const it = object(value, 'exit')
  return {
    code: integer(it.code, 'exit.code', 0, 255),
    signal: textOrNull(it.signal, 'exit.signal', 16),
    timedOut: flag(it.timedOut, 'exit.timedOut'),
    at: time(it.atMs, 'exit.atMs'),
  }
}

export function checkProcess(value: unknown): ProcessInfo {
  const it = object(value, 'process')
  return {
    id: text(it.id, 'process.id', 256),
    pid: integer(it.pid, 'process.pid', 1, 0x7fffffff),
    args: list(it.args, 'process.args', 1001, (arg) => text(arg, 'process.args', 32 * 1024)),
    env: it.env === undefined || it.env === null ? {} : texts(it.env, 'process.env', 1000, 32 * 1024),
    cwd: text(it.cwd, 'process.cwd', MAX_PATH),
    user: text(it.user, 'process.user', MAX_NAME),
    tag: textOrNull(it.tag, 'process.tag', 1024),
    pty: flag(it.pty, 'process.pty'),
    startedAt: time(it.startedAtMs, 'process.startedAtMs'),
    exit: it.exit === null || it.exit === undefined ? null : checkExit(it.exit),
  }
}

export function checkProcessBatch(value: unknown): ProcessInfo[] {
  return list(object(value, 'batch').processes, 'batch.processes', 1024, checkProcess)
}

export const STREAMS: readonly ProcessStream[] = ['stdout', 'stderr', 'pty']

/** Where each stream ended when the reader came; `null` from an agent that does not say. */
export function checkEnds(value: unknown): Map<ProcessStream, number> | null {
  const { ends } = object(value, 'process')
  if (ends === undefined) return null
  const entries = Object.entries(object(ends, 'process.ends'))
  if (entries.length > STREAMS.length) throw wrong('process.ends')
  return new Map(entries.map(([stream, end]) => [oneOf(stream, 'process.ends', STREAMS), integer(end, 'process.ends')]))
}

/** `gap` and `exit`, the JSON items of a followed process. */
export function checkProcessItem(
  value: unknown,
): { type: 'gap'; stream: ProcessStream; offset: number; resumeAt: number } | { type: 'exit'; exit: ProcessExit } {
  const it = object(value, 'item')
  if (it.type === 'exit') return { type: 'exit', exit: checkExit(it.exit) }
  if (it.type !== 'gap') throw wrong('item.type')
  const offset = integer(it.offset, 'gap.offset')
  return {
    type: 'gap',
    stream: oneOf(it.stream, 'gap.stream', STREAMS),
    offset,
    resumeAt: integer(it.resumeAt, 'gap.resumeAt', offset),
  }
}

const FILE_TYPES: readonly FileType[] = ['file', 'directory', 'symlink', 'fifo', 'socket', 'char', 'block']

export function checkFile(value: unknown): FileInfo {
  const it = object(value, 'file')
  return {
    path: text(it.path, 'file.path', MAX_PATH),
    name: text(it.name, 'file.name', MAX_NAME),
    type: oneOf(it.type, 'file.type', FILE_TYPES),
    sizeBytes: integer(it.sizeBytes, 'file.sizeBytes'),
    mode: integer(it.mode, 'file.mode', 0, 0o7777),
    uid: integer(it.uid, 'file.uid', 0, 0xffffffff),
    gid: integer(it.gid, 'file.gid', 0, 0xffffffff),
    owner: text(it.owner, 'file.owner', MAX_NAME),
    group: text(it.group, 'file.group', MAX_NAME),
    modifiedAt: time(it.modifiedAtMs, 'file.modifiedAtMs'),
    symlinkTarget: textOrNull(it.symlinkTarget, 'file.symlinkTarget', MAX_PATH),
    target: it.target === undefined || it.target === null ? null : checkTarget(it.target),
    xattrs: it.xattrs === undefined || it.xattrs === null ? {} : texts(it.xattrs, 'file.xattrs', 256, 128 * 1024),
  }
}

function checkTarget(value: unknown): FileInfo['target'] {
  const it = object(value, 'file.target')
  return {
    path: text(it.path, 'file.target', MAX_PATH),
    type: oneOf(it.type, 'file.target', FILE_TYPES),
    mode: integer(it.mode, 'file.target', 0, 0o7777),
  }
}

export function checkFileBatch(value: unknown): FileInfo[] {
  return list(object(value, 'batch').entries, 'batch.entries', 1024, checkFile)
}

export function checkFileEvent(value: unknown): FileEvent {
  const it = object(value, 'event')
  return {
    type: oneOf(it.type, 'event.type', ['created', 'modified', 'removed', 'renamed', 'attributes'] as const),
    path: text(it.path, 'event.path', MAX_PATH),
    fileType:
      it.fileType === null || it.fileType === undefined ? null : oneOf(it.fileType, 'event.fileType', FILE_TYPES),
  }
}

export function checkXattr(value: unknown): Record<string, string> {
  return texts(object(value, 'attributes').attributes, 'attributes', Number.POSITIVE_INFINITY, 128 * 1024)
}

export function checkUnpacked(value: unknown): { entries: number; bytes: number } {
  const it = object(value, 'unpacked')
  return { entries: integer(it.entries, 'unpacked.entries'), bytes: integer(it.bytes, 'unpacked.bytes') }
}
