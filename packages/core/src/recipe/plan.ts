import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import type { BuildStep, Env, ImageDefaults, RecipeSource } from '../model.ts'

/** What a step finds beside the files that earlier ones left. */
export type RecipeState = Pick<ImageDefaults, 'env' | 'user' | 'workdir'>

export interface PlannedStep {
  /** Counted from 1 */
  number: number
  step: BuildStep
  before: RecipeState
  after: RecipeState
  /** Digest of everything that the files after it follow from */
  key: string
  /** Whether it may change files; what it leaves is then kept as a layer */
  leaves: boolean
  /** It is run whatever earlier builds left */
  forced: boolean
  /** What the log calls it; empty for what the log does not tell of */
  label: string
  /** One line to know it by */
  title: string
}

/** Enters every key: what a step does to files changes with the server's version at most. */
const GENERATION = 'recipe 1'

/**
 * Which step runs as whom, where, and under which key. `images` says what the files are whose names copy steps have, by
 * number of the step; `key` is that of the last step.
 */
export function planRecipe(
  base: { id: string; state: RecipeState },
  recipe: Pick<RecipeSource, 'steps' | 'force'>,
  images: Readonly<Record<number, string>>,
): { steps: PlannedStep[]; after: RecipeState; key: string } {
  let key = digest(GENERATION, base.id, base.state)
  let state = base.state
  let forced = recipe.force ?? false
  const steps = recipe.steps.map((step, index): PlannedStep => {
    const number = index + 1
    const before = state
    key = digest(key, identityOf(step, images[number] ?? null))
    forced ||= step.force ?? false
    state = afterStep(state, step)
    const leaves = step.type === 'run' || (step.type === 'copy' && step.passing !== true) || step.type === 'workdir'
    return { number, step, before, after: state, key, leaves, forced, label: String(number), title: titleOf(step) }
  })
  return { steps, after: state, key }
}

function afterStep(state: RecipeState, step: BuildStep): RecipeState {
  switch (step.type) {
    case 'env':
      return { ...state, env: { ...state.env, ...step.env } }
    case 'workdir':
      return { ...state, workdir: posix.resolve(state.workdir, step.path) }
    case 'user':
      return { ...state, user: step.user }
    case 'run':
    case 'copy':
      return state
  }
}

/** All of a step that matters, in one order. */
function identityOf(step: BuildStep, image: string | null): unknown[] {
  switch (step.type) {
    case 'run':
      return [
        ...(step.args === undefined ? ['run', step.command] : ['exec', ...step.args]),
        step.user ?? null,
        ...(step.env === undefined ? [] : sorted(step.env)),
        ...(step.mounts ?? []).map((mount) => ({ ...mount })),
        ...(step.secrets ?? []).map((secret) => ({ ...secret })),
      ]
    case 'copy':
      return [
        ...['copy', step.blob ?? image, step.source, step.destination, step.user ?? null, step.mode ?? null],
        ...(step.keepOwners ? ['keep'] : []),
      ]
    case 'env':
      return ['env', sorted(step.env)]
    case 'workdir':
      return ['workdir', step.path, ...(step.user === undefined ? [] : [step.user])]
    case 'user':
      return ['user', step.user]
  }
}

function sorted(env: Env): [string, string][] {
  return Object.entries(env).sort(([one], [other]) => (one < other ? -1 : 1))
}

function digest(...parts: unknown[]): string {
  const text = JSON.stringify(parts, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  )
  return createHash('sha256').update(text).digest('hex')
}

/** Values of variables are left out: they may be secrets. */
function titleOf(step: BuildStep): string {
  switch (step.type) {
    case 'run':
      return short(`run ${step.command}`)
    case 'copy':
      return short(
        `copy ${step.fromImage === undefined ? '' : `${step.fromImage}: `}${step.source} ${step.destination}`,
      )
    case 'env':
      return short(`env ${Object.keys(step.env).join(' ')}`)
    case 'workdir':
      return short(`workdir ${step.path}`)
    case 'user':
      return `user ${step.user}`
  }
}

function short(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 200 ? `${line.slice(0, 199)}…` : line
}
