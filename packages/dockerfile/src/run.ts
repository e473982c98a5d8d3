import type { BuildStep, Env } from '@spawnpoint/core'
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
  warn: (line: number, message: string) => void,
): BuildStep {
  checkFlags(instruction, warn)
  const args = argsOf(instruction, state.shell)
  // What ENV says is there anyway.
  const own = [...state.args].filter(([name]) => !Object.hasOwn(state.env, name))
  const env = { ...always, ...Object.fromEntries(own) }
  return { type: 'run', command: instruction.text, args, ...(Object.keys(env).length === 0 ? {} : { env }) }
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

function checkFlags({ line, flags }: Instruction, warn: (line: number, message: string) => void): void {
  for (const [name, value] of flags) {
    if (name === 'network') {
      if (value !== 'default') throw new DockerfileError(line, `RUN --network=${value} is not supported`)
    } else if (name !== 'mount') throw new DockerfileError(line, `RUN --${name} is not supported`)
    else {
      const type = /(?:^|,)type=([a-z]+)/.exec(value ?? '')?.[1] ?? 'bind'
      if (type !== 'cache' && type !== 'tmpfs')
        throw new DockerfileError(
          line,
          `RUN --mount=type=${type} is not supported${type === 'bind' ? '; use COPY' : ''}`,
        )
      warn(line, `RUN --mount=type=${type} is ignored: what is written there stays in the image`)
    }
  }
}
