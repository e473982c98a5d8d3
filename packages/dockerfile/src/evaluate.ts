import type { BuildStep, DockerfileOrigin, Labels } from '@spawnpoint/core'
import { type BuildArguments, expandAt } from './arguments.ts'
import { type Copies, copySteps } from './copy-instruction.ts'
import { execForm } from './exec-form.ts'
import { DockerfileError } from './failure.ts'
import type { Escape, Instruction } from './instructions.ts'
import { commandOf, runSteps } from './run.ts'
import { type StageState, variablesOf } from './stage-state.ts'
import { rawWords } from './words.ts'

export interface Evaluated {
  state: StageState
  steps: { step: BuildStep; from: DockerfileOrigin | null }[]
}

export interface Surroundings {
  escapeChar: Escape
  args: BuildArguments
  copies: Copies
  warn(line: number, message: string): void
}

/** Instructions that are told of while they are worked on, as Docker does. */
export const SHOWN = new Set(['RUN', 'COPY', 'ADD', 'WORKDIR'])

/** Everything that may stand after FROM. */
export const KNOWN = new Set([
  ...SHOWN,
  ...['ENV', 'ARG', 'LABEL', 'MAINTAINER', 'USER', 'EXPOSE', 'SHELL', 'CMD', 'ENTRYPOINT'],
  ...['HEALTHCHECK', 'STOPSIGNAL', 'VOLUME', 'ONBUILD'],
])

/** Said of what means nothing to a sandbox. */
const IGNORED: Record<string, string> = {
  HEALTHCHECK: 'nobody asks for it here',
  STOPSIGNAL: 'programs get SIGTERM here, then SIGKILL',
  VOLUME: 'what is below it is in the image and the sandbox like any other file',
  ONBUILD: 'images here have no triggers',
}

/** What one instruction makes of what was said before it. */
export function evaluate(instruction: Instruction, state: StageState, around: Surroundings): Evaluated {
  const { line, keyword, rest } = instruction
  const { escapeChar, args, warn } = around
  const variables = variablesOf(state)
  const word = (text: string) => expandAt(line, text, variables, escapeChar)
  const only = (over: Partial<StageState>, ...steps: BuildStep[]): Evaluated => ({
    state: { ...state, ...over },
    steps: steps.map((step) => ({ step, from: null })),
  })
  const needed = (text: string): string => {
    if (text === '') throw new DockerfileError(line, `${keyword} needs something to say`)
    return text
  }
  if (!['RUN', 'COPY', 'ADD', 'HEALTHCHECK'].includes(keyword)) noFlags(instruction)
  switch (keyword) {
    case 'RUN':
      return { state, steps: runSteps(instruction, state, args.always, word, around.copies) }
    case 'COPY':
    case 'ADD':
      return { state, steps: copySteps(instruction, word, around.copies) }
    case 'ENV': {
      const env = pairs(instruction, escapeChar, word)
      return only({ env: { ...state.env, ...env } }, { type: 'env', env })
    }
    case 'ARG':
      return only({ args: withArgs(state.args, args.declared(instruction, variables)) })
    case 'LABEL':
      return only({ labels: { ...state.labels, ...(pairs(instruction, escapeChar, word) satisfies Labels) } })
    case 'MAINTAINER':
      return only({ labels: { ...state.labels, maintainer: needed(rest) } })
    case 'WORKDIR': {
      const path = needed(word(rest))
      // Made by root, whoever the user is.
      return only({ workdir: path }, { type: 'workdir', path, user: '0:0' })
    }
    case 'USER': {
      const user = needed(word(rest))
      return only({ user }, { type: 'user', user })
    }
    case 'EXPOSE':
      return only({ exposedPorts: exposed(instruction, state.exposedPorts, word) })
    case 'SHELL': {
      const shell = execForm(rest)
      if (shell === null || shell.length === 0) throw new DockerfileError(line, 'SHELL is written as a JSON array')
      return only({ shell })
    }
    case 'CMD':
      return only({ command: commandOf(instruction, state.shell), ownCommand: true })
    case 'ENTRYPOINT':
      return only({
        entrypoint: commandOf(instruction, state.shell),
        command: state.ownCommand ? state.command : [],
      })
    default: {
      warn(line, `${keyword} is ignored: ${IGNORED[keyword]}`)
      return only({})
    }
  }
}

function noFlags({ line, keyword, flags: [flag] }: Instruction): void {
  if (flag !== undefined) throw new DockerfileError(line, `${keyword} knows no --${flag[0]}`)
}

/** `A=1 B="x y"`, or `A the rest of the line`. */
function pairs(
  { line, keyword, rest }: Instruction,
  escapeChar: Escape,
  word: (text: string) => string,
): Record<string, string> {
  const words = rawWords(rest, escapeChar)
  const [first = ''] = words
  if (first === '') throw new DockerfileError(line, `${keyword} needs a name and a value`)
  if (!first.includes('=')) {
    const value = rest.slice(first.length).trim()
    if (value === '') throw new DockerfileError(line, `${keyword} ${first.slice(0, 80)} has no value`)
    return { [word(first)]: word(value) }
  }
  return Object.fromEntries(
    words.map((each) => {
      const equals = each.indexOf('=')
      if (equals < 1) throw new DockerfileError(line, `${keyword} wants NAME=VALUE, not ${each.slice(0, 80)}`)
      return [word(each.slice(0, equals)), word(each.slice(equals + 1))]
    }),
  )
}

function withArgs(args: StageState['args'], declared: [string, string | undefined][]): StageState['args'] {
  const next = new Map(args)
  for (const [name, value] of declared) if (value !== undefined) next.set(name, value)
  return next
}

const MAX_PORTS = 1_024

/** TCP only: nothing else is reached through this server. */
function exposed({ line, rest }: Instruction, before: number[], word: (text: string) => string): number[] {
  const ports = new Set(before)
  for (const each of word(rest).split(/\s+/)) {
    const [whole, from = '', to = from, protocol = 'tcp'] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(\w+))?$/.exec(each) ?? []
    const [first, last] = [Number(from), Number(to)]
    if (whole === undefined || first < 1 || last > 65_535 || last < first || last - first >= MAX_PORTS)
      throw new DockerfileError(line, `not a port: ${each.slice(0, 80)}`)
    if (protocol.toLowerCase() !== 'tcp') continue
    for (let port = first; port <= last; port += 1) ports.add(port)
  }
  if (ports.size > MAX_PORTS) throw new DockerfileError(line, `more than ${MAX_PORTS} ports`)
  return [...ports].sort((one, other) => one - other)
}
