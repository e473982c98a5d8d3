import { posix } from 'node:path'
import type { BuildStep, DockerfileOrigin, RunMount, RunSecret } from '@spawnpoint/core'
import { type Copies, passingSteps } from './copy-instruction.ts'
import { DockerfileError } from './failure.ts'
import type { Instruction } from './instructions.ts'

export interface RunMounts {
  /** Come before the step: what it finds at its binds */
  before: { step: BuildStep; from: DockerfileOrigin | null }[]
  mounts: RunMount[]
  secrets: RunSecret[]
}

const MAX_MOUNTS = 16
const TARGET = ['type', 'target', 'dst', 'destination']
const OWNED = ['mode', 'uid', 'gid']
const WRITTEN = ['rw', 'readwrite', 'ro', 'readonly']
/** What each type may say. Nothing is kept from being written to here; of a bind it is not kept afterwards. */
const UNDERSTOOD: Record<string, string[]> = {
  bind: [...TARGET, ...WRITTEN, 'from', 'source', 'src'],
  cache: [...TARGET, ...OWNED, ...WRITTEN, 'id', 'sharing', 'size'],
  tmpfs: [...TARGET, ...OWNED, ...WRITTEN, 'id', 'sharing', 'size'],
  secret: [...TARGET, ...OWNED, 'id', 'env', 'required', 'source', 'src'],
}

/** The `--mount` flags of a RUN. */
export function runMounts(instruction: Instruction, word: (text: string) => string, copies: Copies): RunMounts {
  const { line, flags } = instruction
  const found: RunMounts = { before: [], mounts: [], secrets: [] }
  for (const [name, value] of flags) {
    if (name === 'network') {
      if (value !== 'default') throw new DockerfileError(line, `RUN --network=${value} is not supported`)
    } else if (name !== 'mount') throw new DockerfileError(line, `RUN --${name} is not supported`)
    else add(found, instruction, value ?? '', word, copies)
  }
  if (found.mounts.length + found.secrets.length > MAX_MOUNTS)
    throw new DockerfileError(line, `more than ${MAX_MOUNTS} mounts`)
  return found
}

/** What a mount takes from a stage or an image, if it does; no variable stands for it. */
export function mountFrom(value: string | null): string | null {
  const said = fieldsOf(value ?? '')
  return (said.get('type') ?? 'bind') === 'bind' ? (said.get('from') ?? null) : null
}

function add(
  found: RunMounts,
  instruction: Instruction,
  value: string,
  word: (text: string) => string,
  copies: Copies,
): void {
  const said = fieldsOf(word(value))
  const type = said.get('type') ?? 'bind'
  const fail = (what: string) => new DockerfileError(instruction.line, `RUN --mount=${what}`)
  const understood = UNDERSTOOD[type]
  if (understood === undefined) throw fail(`type=${type.slice(0, 40)} is not supported`)
  const other = [...said.keys()].find((name) => !understood.includes(name))
  if (other !== undefined) throw fail(`type=${type},${other.slice(0, 40)} is not supported`)
  const target = said.get('target') ?? said.get('dst') ?? said.get('destination') ?? ''
  const digits = (name: string, pattern: RegExp) => {
    const given = said.get(name)
    if (given !== undefined && !pattern.test(given)) throw fail(`type=${type}: ${name} is a number`)
    return given
  }
  const bits = digits('mode', /^[0-7]{1,4}$/)
  const mode = bits === undefined ? undefined : Number.parseInt(bits, 8)
  const [uid, gid] = [digits('uid', /^\d{1,9}$/), digits('gid', /^\d{1,9}$/)]
  const owner = `${uid ?? 0}:${gid ?? 0}`
  if (type === 'secret') {
    const env = said.get('env') ?? null
    const id = said.get('id') ?? said.get('source') ?? said.get('src') ?? posix.basename(target)
    if (!/^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,127}$/.test(id)) throw fail('type=secret needs an id')
    if (env !== null && !/^[A-Za-z_][A-Za-z0-9_]{0,255}$/.test(env)) throw fail('type=secret: not a variable')
    const required = said.has('required') && said.get('required') !== 'false'
    const path = target !== '' ? target : env === null ? `/run/secrets/${id}` : null
    found.secrets.push({ id, required, target: path, env, mode: mode ?? 0o400, owner })
    return
  }
  if (target === '' || posix.normalize(target) === '/') throw fail(`type=${type} needs a target`)
  if (/[*?[\]\\]/.test(target)) throw fail(`type=${type}: no '*', '?', '[' or backslash in its target`)
  if (type === 'bind') {
    const held = `/.spawnpoint-mount-${found.mounts.length}`
    const source = said.get('source') ?? said.get('src') ?? '.'
    found.before.push(...passingSteps(instruction, source, held, mountFrom(value), copies))
    found.mounts.push({ target, cache: null, held })
    return
  }
  found.mounts.push({
    target,
    cache: type === 'cache' ? (said.get('id') ?? target) : null,
    ...(mode === undefined ? {} : { mode }),
    ...(uid === undefined && gid === undefined ? {} : { owner }),
  })
}

function fieldsOf(value: string): Map<string, string> {
  return new Map(
    value.split(',').map((pair): [string, string] => {
      const equals = pair.indexOf('=')
      return equals < 0 ? [pair.toLowerCase(), ''] : [pair.slice(0, equals).toLowerCase(), pair.slice(equals + 1)]
    }),
  )
}
