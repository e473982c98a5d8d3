import { type BuildImageRequest, invalidArgument, type Principal, type SpawnpointApi } from '@spawnpoint/core'
import type { BuildOrder } from './builds.ts'
import { buildSteps, type StartBody } from './recipe.ts'

/** Container images that are E2B's own base: here that is the template of this name. */
const BASE_IMAGE = /^(docker\.io\/)?e2bdev\/(base|code-interpreter)(:latest)?$/
const BASE_TEMPLATES = { base: 'base', 'code-interpreter': 'code-interpreter-v1' } as const

export async function buildRequest(
  _api: SpawnpointApi,
  _by: Principal,
  order: BuildOrder,
  body: StartBody,
): Promise<BuildImageRequest> {
  const from = fromOf(body)
  return {
    name: order.name,
    tags: order.tags,
    resources: {
      ...(order.cpus === null ? {} : { cpus: order.cpus }),
      ...(order.memoryBytes === null ? {} : { memoryBytes: order.memoryBytes }),
    },
    source: {
      type: 'recipe',
      from,
      steps: buildSteps(body.steps ?? []),
      startCommand: body.startCmd,
      readyCommand: body.readyCmd,
      force: body.force,
    },
  }
}

function fromOf({ fromImage, fromTemplate }: StartBody): string {
  const image = fromImage || undefined
  const template = fromTemplate || undefined
  if ((image === undefined) === (template === undefined))
    throw invalidArgument('fromImage', 'give exactly one of fromImage and fromTemplate')
  if (template !== undefined) return template
  const base = BASE_IMAGE.exec(image ?? '')?.[2]
  return base === undefined ? (image ?? '') : BASE_TEMPLATES[base as keyof typeof BASE_TEMPLATES]
}
