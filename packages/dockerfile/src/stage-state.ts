import type { Env, ImageDefaults, Labels } from '@spawnpoint/core'
import type { Variables } from './words.ts'

/** What the instructions of a stage have said so far. */
export interface StageState {
  env: Env
  args: ReadonlyMap<string, string>
  user: string
  workdir: string
  shell: string[]
  entrypoint: string[]
  command: string[]
  /** This stage has said it, so a new ENTRYPOINT leaves it alone */
  ownCommand: boolean
  exposedPorts: number[]
  labels: Labels
}

const SHELL = ['/bin/sh', '-c']
/** Docker gives it to images that have none. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export function stateOf(defaults: ImageDefaults | null): StageState {
  const {
    env = {},
    user = 'root',
    workdir = '/',
    startCommand = [],
    entrypoint = [],
    exposedPorts = [],
  } = defaults ?? {}
  const begins = entrypoint.every((part, index) => startCommand[index] === part)
  return {
    env: { PATH, ...env },
    args: new Map(),
    ...{ user, workdir, shell: SHELL },
    entrypoint: begins ? entrypoint : [],
    command: begins ? startCommand.slice(entrypoint.length) : startCommand,
    ownCommand: false,
    ...{ exposedPorts, labels: {} },
  }
}

/** An image of another stage: what was said of it holds, its shell too. */
export function stateAfter(state: StageState): StageState {
  return { ...state, ownCommand: false }
}

/** ENV counts more than ARG. */
export function variablesOf({ env, args }: Pick<StageState, 'env' | 'args'>): Variables {
  return (name) => (Object.hasOwn(env, name) ? env[name] : args.get(name))
}
