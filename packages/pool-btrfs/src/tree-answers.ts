import { type ComparedFile, type FileChange, SpawnpointError, type TreeFile, type TreeMatch } from '@spawnpoint/core'

/** What the reader of trees says, line by line; it is ours, but what it tells of was made by a stranger. */
type Fields = Record<string, unknown>

const TYPES = ['file', 'directory', 'symlink', 'fifo', 'socket', 'char', 'block'] as const
const DIFFERENCES = ['type', 'content', 'mode', 'owner', 'target', 'attributes'] as const
const CHANGES = ['added', 'removed', 'changed'] as const

export function fields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(what)
  return Object.fromEntries(Object.entries(value))
}

export function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw bad(what)
  return value
}

const textOrNull = (value: unknown, what: string) => (value === null ? null : text(value, what))

export function number(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw bad(what)
  return value
}

export function oneOf<T extends string>(value: unknown, allowed: readonly T[], what: string): T {
  const found = allowed.find((known) => known === value)
  if (found === undefined) throw bad(what)
  return found
}

function bad(what: string): SpawnpointError<'runtime_failed'> {
  return new SpawnpointError('runtime_failed', 'The pool failed at reading a tree', {
    step: 'trees',
    detail: `bad ${what}`,
  })
}

/** Left out where it is the beginning of time. */
const time = (value: unknown, what: string) => new Date(value === undefined ? 0 : number(value, what))

function comparedIn(it: Fields): ComparedFile {
  return {
    type: oneOf(it.type, TYPES, 'type'),
    sizeBytes: number(it.sizeBytes, 'sizeBytes'),
    mode: number(it.mode, 'mode'),
    uid: number(it.uid, 'uid'),
    gid: number(it.gid, 'gid'),
    modifiedAt: new Date(number(it.modifiedAtMs, 'modifiedAtMs')),
    symlinkTarget: textOrNull(it.symlinkTarget, 'symlinkTarget'),
  }
}

export function fileOf(value: unknown): TreeFile {
  const it = fields(value, 'file')
  return {
    path: text(it.path, 'path'),
    name: text(it.name, 'name'),
    ...comparedIn(it),
    accessedAt: time(it.accessedAtMs, 'accessedAtMs'),
    changedAt: time(it.changedAtMs, 'changedAtMs'),
    owner: text(it.owner, 'owner'),
    group: text(it.group, 'group'),
    target: null,
    xattrs: {},
  }
}

export function matchOf(value: unknown): TreeMatch {
  const it = fields(value, 'match')
  return {
    file: fileOf(it.file),
    line: it.line === null ? null : number(it.line, 'line'),
    text: textOrNull(it.text, 'text'),
  }
}

export function changeOf(value: unknown): FileChange & { change: (typeof CHANGES)[number] } {
  const it = fields(value, 'change')
  const side = (given: unknown) => (given === null ? null : comparedIn(fields(given, 'side')))
  if (!Array.isArray(it.differs)) throw bad('differs')
  return {
    change: oneOf(it.change, CHANGES, 'change'),
    path: text(it.path, 'path'),
    before: side(it.before),
    after: side(it.after),
    differs: it.differs.map((one: unknown) => oneOf(one, DIFFERENCES, 'differs')),
  }
}

/** An error of the tree's own, as the guest's agent would say it of its files. */
export function errorOf(value: unknown): SpawnpointError {
  const it = fields(value, 'error')
  const message = text(it.message, 'message')
  if (it.kind === 'bad_request') {
    return new SpawnpointError('invalid_argument', message, { issues: [{ path: '', message }] })
  }
  if (it.kind !== 'guest_error')
    return new SpawnpointError('runtime_failed', 'The pool failed at reading a tree', {
      step: 'trees',
      detail: message,
    })
  const path = it.path === undefined ? {} : { path: text(it.path, 'path') }
  return new SpawnpointError('guest_error', message, { errno: text(it.errno, 'errno'), ...path })
}
