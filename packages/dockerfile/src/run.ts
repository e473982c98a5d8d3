import { posix } from 'node:path'
import type { BuildStep, Env, RunMount } from '@spawnpoint/core'
import { execForm } from './exec-form.ts'
import { DockerfileError } from './failure.ts'
import { chomped, type Heredoc, parseHeredoc } from './heredocs.ts'
import type { Instruction } from './instructions.ts'
import type { StageState } from './stage-state.ts'

/** Takes a script as its `$0`, and runs it by what its first line names. */
const BY_SHEBANG = 'f=/dev/shm/.script-$$; printf %s "$0" >"$f" && chmod 700 "$f" && "$f"; s=$?; rm -f "$f"; exit "$s"'

/** CMD and ENTRYPOINT: a JSON array as it is, anything else for the shell. */
export function commandOf({ line, rest, keyword }: Instruction, shell: readonly string[]): string[] {
  const args = execForm(rest)
  if (args !== null) return args
  if (rest === '') throw new DockerfileError(line, `${keyword} needs a command`)
  return [...shell, rest]
}

export function runStep(
  instruction: Instruction,
  state: StageState,
  always: Env,
  word: (text: string) => string,
): BuildStep {
  const mounts = mountsOf(instruction, word)
  const args = argsOf(instruction, state.shell)
  // What ENV says is there anyway.
  const own = [...state.args].filter(([name]) => !Object.hasOwn(state.env, name))
  const env = { ...always, ...Object.fromEntries(own) }
  return {
    type: 'run',
    command: instruction.text,
    args,
    ...(Object.keys(env).length === 0 ? {} : { env }),
    ...(mounts.length === 0 ? {} : { mounts }),
  }
}

function argsOf(instruction: Instruction, shell: readonly string[]): string[] {
  const { line, rest, heredocs } = instruction
  const [script] = heredocs
  if (script === undefined) {
    const args = commandOf(instruction, shell)
    if (args.length === 0) throw new DockerfileError(line, 'RUN needs a command')
    return args
  }
  if (heredocs.length === 1 && parseHeredoc(rest.trim()) !== null) {
    const text = chomped(script)
    return text.startsWith('#!') ? ['/bin/sh', '-c', BY_SHEBANG, text] : [...shell, text]
  }
  // The shell knows what to do with them.
  return [...shell, `${rest}\n${heredocs.map(written).join('')}`]
}

function written({ content, name }: Heredoc): string {
  return `${content}${name}\n`
}

function mountsOf({ line, flags }: Instruction, word: (text: string) => string): RunMount[] {
  const mounts: RunMount[] = []
  for (const [name, value] of flags) {
    if (name === 'network') {
      if (value !== 'default') throw new DockerfileError(line, `RUN --network=${value} is not supported`)
    } else if (name !== 'mount') throw new DockerfileError(line, `RUN --${name} is not supported`)
    else mounts.push(mountOf(line, word(value ?? '')))
  }
  if (mounts.length > MAX_MOUNTS) throw new DockerfileError(line, `more than ${MAX_MOUNTS} mounts`)
  return mounts
}

const MAX_MOUNTS = 16
const UNDERSTOOD = [
  'type',
  'id',
  'target',
  'dst',
  'destination',
  'sharing',
  'mode',
  'uid',
  'gid',
  'rw',
  'readwrite',
  'size',
]

function mountOf(line: number, value: string): RunMount {
  const said = new Map(
    value.split(',').map((pair): [string, string] => {
      const equals = pair.indexOf('=')
      return equals < 0 ? [pair.toLowerCase(), ''] : [pair.slice(0, equals).toLowerCase(), pair.slice(equals + 1)]
    }),
  )
  const fail = (what: string) => new DockerfileError(line, `RUN --mount=${what}`)
  const type = said.get('type') ?? 'bind'
  if (type !== 'cache' && type !== 'tmpfs')
    throw fail(`type=${type} is not supported${type === 'bind' ? '; use COPY' : ''}`)
  const other = [...said.keys()].find((name) => !UNDERSTOOD.includes(name))
  if (other !== undefined) throw fail(`type=${type},${other.slice(0, 40)} is not supported`)
  const target = said.get('target') ?? said.get('dst') ?? said.get('destination') ?? ''
  if (target === '' || posix.normalize(target) === '/') throw fail(`type=${type} needs a target`)
  if (/[*?[\]\\]/.test(target)) throw fail(`type=${type}: no '*', '?', '[' or backslash in its target`)
  const digits = (name: string, pattern: RegExp) => {
    const given = said.get(name)
    if (given !== undefined && !pattern.test(given)) throw fail(`type=${type}: ${name} is a number`)
    return given
  }
  const mode = digits('mode', /^[0-7]{1,4}$/)
  const [uid, gid] = [digits('uid', /^\d{1,9}$/), digits('gid', /^\d{1,9}$/)]
  return {
    target,
    cache: type === 'cache' ? (said.get('id') ?? target) : null,
    ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }),
    ...(uid === undefined && gid === undefined ? {} : { owner: `${uid ?? 0}:${gid ?? 0}` }),
  }
}
