import type { BuildImageRequest, Env } from '@spawnpoint/core'
import type { BuildOrder } from './builds.ts'
import { PROVISION_STEPS, patchStep } from './provision.ts'
import { buildSteps, type Recipe } from './recipe.ts'

export interface BuildBase {
  /** Image or snapshot */
  ref: string
  /** It is a container image from elsewhere, and lacks what E2B's clients count on */
  container: boolean
  /** Variables that it has */
  env: Env
}

export function buildRequest(
  order: BuildOrder,
  { steps, startCmd, readyCmd, force, fromTemplate, preBootScript }: Recipe,
  base: BuildBase,
): BuildImageRequest {
  return {
    name: order.name,
    tags: order.tags,
    resources: {
      ...(order.cpus === null ? {} : { cpus: order.cpus }),
      ...(order.memoryBytes === null ? {} : { memoryBytes: order.memoryBytes }),
      ...(order.diskBytes === null ? {} : { diskBytes: order.diskBytes }),
    },
    source: {
      type: 'recipe',
      from: base.ref,
      steps: [
        ...(base.container ? PROVISION_STEPS : []),
        ...(preBootScript && !fromTemplate ? [patchStep(preBootScript)] : []),
        ...buildSteps(steps ?? [], base.env),
      ],
      startCommand: startCmd || undefined,
      readyCommand: readyCmd || undefined,
      force,
    },
  }
}
