import { type BuildStep, type Env, invalidArgument } from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { copySource } from './copy-source.ts'
import { expanded, isTorn, unquoted, variable, withKnown } from './env-values.ts'
import { accountStep } from './provision.ts'

const STEPS_MAX = 1000

/** One instruction of a template. What its `args` are depends on its type. */
const step = z.object({
  type: z.string(),
  args: optional(z.array(z.string())),
  filesHash: optional(z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex')),
  force: optional(z.boolean()),
})

type Step = z.output<typeof step>

export const startBody = z.object({
  fromImage: optional(z.string().max(512)),
  fromTemplate: optional(z.string().max(256)),
  fromImageRegistry: optional(
    z.discriminatedUnion('type', [
      z.object({ type: z.literal('registry'), username: z.string(), password: z.string() }),
      z.object({
        type: z.literal('aws'),
        awsAccessKeyId: z.string(),
        awsSecretAccessKey: z.string(),
        awsRegion: z.string(),
      }),
      z.object({ type: z.literal('gcp'), serviceAccountJson: z.string().max(64 * 1024) }),
    ]),
  ),
  startCmd: optional(z.string().max(64 * 1024)),
  readyCmd: optional(z.string().max(64 * 1024)),
  force: optional(z.boolean()),
  /** Novita's `setPatchCmd`: the last thing done to a base that is an image; of no meaning over a template */
  preBootScript: optional(z.string().max(64 * 1024)),
  steps: optional(z.array(step).max(STEPS_MAX)),
})

export type StartBody = z.output<typeof startBody>
/** What is built, whatever it begins with */
export type Recipe = Pick<StartBody, 'startCmd' | 'readyCmd' | 'force' | 'steps' | 'fromTemplate' | 'preBootScript'>

/** Key under which the files of a copy are kept; the hash is of the files, not of the archive they come in. */
export function blobKey(filesHash: string): string {
  return `e2b:${filesHash}`
}

/** Over files whose variables are `base`. Rejects, naming the step by its number from 1. */
export function buildSteps(steps: readonly Step[], base: Env): BuildStep[] {
  let env = base
  return steps.flatMap((one, at) => {
    const path = `steps.${at + 1}`
    const built = buildStep(one, env, path)
    if (built.type === 'env') env = { ...env, ...built.env }
    const account = built.type === 'user' ? accountStep(built.user) : []
    return [...account, { ...built, ...(one.force === true ? { force: true } : {}) }]
  })
}

function buildStep({ type, args = [], filesHash }: Step, env: Env, path: string): BuildStep {
  switch (type.toUpperCase()) {
    case 'RUN': {
      const [command, user] = expected(args, 1, 2, path)
      return { type: 'run', command: inShell(command), ...given({ user }) }
    }
    case 'COPY':
    case 'ADD': {
      const [source, destination, user, mode] = expected(args, 2, 4, path)
      if (filesHash === undefined) throw invalidArgument(path, 'needs filesHash')
      return {
        type: 'copy',
        blob: blobKey(filesHash),
        source: copySource(source),
        destination: withKnown(destination, env),
        ...given({ user: user && withKnown(user, env) }),
        ...(mode === undefined || mode === '' ? {} : { mode: octal(mode, path) }),
      }
    }
    case 'ENV':
    case 'ARG':
      return { type: 'env', env: pairs(args, env, path) }
    case 'WORKDIR':
      return { type: 'workdir', path: withKnown(unquoted(expected(args, 1, 1, path)[0]), env) }
    case 'USER':
      return { type: 'user', user: withKnown(unquoted(expected(args, 1, 1, path)[0]), env) }
    default:
      throw invalidArgument(path, `unknown type: ${type.slice(0, 40)}`)
  }
}

function expected(args: string[], least: 1, most: number, path: string): [string, ...string[]]
function expected(args: string[], least: 2, most: number, path: string): [string, string, ...string[]]
function expected(args: string[], least: number, most: number, path: string): string[] {
  if (args.length < least || args.length > most) throw invalidArgument(path, `needs ${least} to ${most} arguments`)
  return args
}

/** A Dockerfile's list of arguments, which the clients pass on as it is written, as a shell has it; else `command` itself. */
function inShell(command: string): string {
  if (!/^\[\s*"/.test(command)) return command
  let list: unknown
  try {
    list = JSON.parse(command)
  } catch {
    // Harmless: it is a command that begins like one, as `[ "$A" = b ]` does.
    return command
  }
  if (!Array.isArray(list) || !list.every((argument) => typeof argument === 'string')) return command
  return list.map((argument) => `'${argument.replaceAll("'", () => `'\\''`)}'`).join(' ')
}

/** An empty argument holds the place of one that is not given. */
function given({ user }: { user: string | undefined }): { user?: string } {
  return user === undefined || user === '' ? {} : { user }
}

function octal(text: string, path: string): number {
  if (!/^0?[0-7]{3,4}$/.test(text)) throw invalidArgument(path, `not a mode: ${text.slice(0, 20)}`)
  return Number.parseInt(text, 8)
}

function pairs(args: string[], before: Env, path: string): Env {
  if (args.length === 0 || args.length % 2 !== 0) throw invalidArgument(path, 'needs names and values in turn')
  const variables = Array.from({ length: args.length / 2 }, (_, n) =>
    variable(args[2 * n] ?? '', args[2 * n + 1] ?? ''),
  )
  const torn = variables.find(({ value }) => isTorn(value))
  if (torn !== undefined)
    throw invalidArgument(
      path,
      `the value of ${torn.name} has a quote without an end: say it with setEnvs, without quotes`,
    )
  return Object.fromEntries(variables.map(({ name, value }) => [name, expanded(value, before)]))
}
