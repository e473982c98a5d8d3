import type { BuildStep, Env } from '@spawnpoint/core'
import type { Copies } from './copy-instruction.ts'
import type { Evaluated } from './evaluate.ts'
import { execForm } from './exec-form.ts'
import { DockerfileError } from './failure.ts'
import { chomped, type Heredoc, parseHeredoc } from './heredocs.ts'
import type { Instruction } from './instructions.ts'
import { runMounts } from './run-mounts.ts'
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

/** What it finds at its binds, and the command. */
export function runSteps(
  instruction: Instruction,
  state: StageState,
  always: Env,
  word: (text: string) => string,
  copies: Copies,
): Evaluated['steps'] {
  const { before, mounts, secrets } = runMounts(instruction, word, copies)
  const args = argsOf(instruction, state.shell)
  // What ENV says is there anyway.
  const own = [...state.args].filter(([name]) => !Object.hasOwn(state.env, name))
  const env = { ...always, ...Object.fromEntries(own) }
  const step: BuildStep = {
    type: 'run',
    command: instruction.text,
    args,
    ...(Object.keys(env).length === 0 ? {} : { env }),
    ...(mounts.length === 0 ? {} : { mounts }),
    ...(secrets.length === 0 ? {} : { secrets }),
  }
  return [...before, { step, from: null }]
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
