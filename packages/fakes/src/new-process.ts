import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import type { GuestIdentity, ProcessSpec } from '@spawnpoint/core'
import { type FileView, guestError } from './file-view.ts'
import type { ProcessState } from './machine-state.ts'
import { OutputBuffer } from './output-buffer.ts'

const MIN_BUFFER_BYTES = 1024
const DEFAULT_BUFFER_BYTES = 2 ** 20
const MAX_BUFFER_BYTES = 16 * 2 ** 20

/** As it is before it has run, with what was not asked for from the sandbox and its user. Throws `guest` for a directory that is none. */
export function newProcess(
  spec: ProcessSpec,
  { pid, identity, files }: { pid: number; identity: GuestIdentity | null; files: FileView },
): ProcessState {
  const account = files.account(spec.user ?? identity?.defaults.user ?? 'root')
  const workdir = identity?.defaults.workdir || account.home
  const cwd = posix.resolve(account.home, (spec.cwd ?? workdir).replace(/^~(?=\/|$)/, '.'))
  // The default directory need not exist; one that was asked for must.
  if (spec.cwd !== undefined) {
    if (!files.exists(cwd)) throw guestError('ENOENT', cwd, 'cwd')
    if (files.info(cwd).type !== 'directory') throw guestError('ENOTDIR', cwd, 'cwd')
  }
  const bufferBytes = Math.max(MIN_BUFFER_BYTES, Math.min(spec.bufferBytes ?? DEFAULT_BUFFER_BYTES, MAX_BUFFER_BYTES))
  return {
    id: spec.id ?? randomBytes(8).toString('hex'),
    pid,
    args: [...spec.args],
    env: { HOME: account.home, USER: account.name, PATH: '/usr/bin:/bin', ...identity?.env, ...spec.env },
    asked: { ...spec.env },
    cwd,
    user: account.name,
    tag: spec.tag ?? null,
    pty: spec.pty ? { ...spec.pty } : null,
    startedAt: new Date(),
    exit: null,
    ending: null,
    left: null,
    untilOutputEnds: spec.untilOutputEnds ?? false,
    stdin: 'open',
    stopped: false,
    state: {},
    ports: [],
    output: OutputBuffer.empty(bufferBytes),
    due: {},
  }
}
