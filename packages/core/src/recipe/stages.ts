import type { ImageDefaults } from '../model.ts'
import type { DockerfileOrigin, DockerfilePlan } from '../ports/index.ts'
import type { Origin } from './origins.ts'
import { type PlannedStep, planRecipe, type RecipeState } from './plan.ts'

/** A stage of a Dockerfile with the keys of its layers. */
export interface PlannedStage {
  /** `null` for nothing at all */
  from: DockerfileOrigin | null
  /** Of what it begins with */
  defaults: ImageDefaults
  steps: PlannedStep[]
  /** Line of each step */
  lines: number[]
  /** Where copy steps take their files, by number of the step */
  origins: Record<number, DockerfileOrigin>
  after: RecipeState
  /** Of all that its files follow from */
  key: string
}

const NOTHING: ImageDefaults = { env: {}, user: 'root', workdir: '/', startCommand: [] }

/** What a stage takes from another enters its keys by that one's key: nothing has to be built to know what there is already. */
export function planStages(plan: DockerfilePlan, origins: ReadonlyMap<string, Origin>, force: boolean): PlannedStage[] {
  const stages: PlannedStage[] = []
  const known = (origin: DockerfileOrigin) => {
    const found = 'stage' in origin ? stages[origin.stage] : origins.get(origin.image)
    if (found === undefined) throw new Error(`nothing is known of ${JSON.stringify(origin)}`)
    return 'key' in found
      ? { id: `stage ${found.key}`, defaults: { ...found.defaults, ...found.after } }
      : { id: found.source.id, defaults: found.defaults }
  }
  for (const { from, steps } of plan.stages) {
    const base = from === null ? { id: 'scratch', defaults: NOTHING } : known(from)
    const { env, user, workdir } = base.defaults
    const taken = Object.fromEntries(
      steps.flatMap(({ from }, index) => (from === null ? [] : [[index + 1, from] as const])),
    )
    const ids = Object.fromEntries(Object.entries(taken).map(([number, origin]) => [number, known(origin).id]))
    const recipe = { steps: steps.map(({ step }) => step), force }
    const planned = planRecipe({ id: base.id, state: { env, user, workdir } }, recipe, ids)
    stages.push({
      from,
      defaults: base.defaults,
      steps: planned.steps.map((step, index) => ({
        ...step,
        label: steps[index]?.label ?? '',
        title: steps[index]?.title ?? step.title,
      })),
      lines: steps.map(({ line }) => line),
      origins: taken,
      after: planned.after,
      key: planned.key,
    })
  }
  return stages
}
