import type { Principal } from '../api.ts'
import { invalidArgument } from '../errors.ts'
import { type Id, type ImageId, newId, type SnapshotId } from '../ids.ts'
import type { RecipeSource } from '../model.ts'
import type { Parts } from '../parts.ts'
import { findImage, findSource } from '../services/refs.ts'
import type { Footing, RecipeDetail } from './detail.ts'
import { planRecipe } from './plan.ts'

export interface Prepared extends Pick<RecipeDetail, 'base'> {
  detail: RecipeDetail
  parentImageId: ImageId
}

/** Finds everything that a recipe names and chooses an id for everything that its build may make. */
export async function prepare(parts: Parts, by: Principal, recipe: RecipeSource): Promise<Prepared> {
  const { base, parentImageId } = await findBase(parts, by, recipe.from)
  const images: RecipeDetail['images'] = {}
  const donors: RecipeDetail['donors'] = {}
  for (const [index, step] of recipe.steps.entries()) {
    if (step.type !== 'copy') continue
    if (step.blob !== undefined && !(await parts.blobs.has(by.teamId, step.blob)))
      throw invalidArgument(`source.steps.${index}.blob`, 'was not uploaded')
    if (step.fromImage === undefined) continue
    const image = await findImage(parts.ledger.read, by.teamId, step.fromImage)
    mustBeReady(`source.steps.${index}.fromImage`, image)
    images[index + 1] = image.id
    donors[index + 1] = newFooting()
  }
  const { steps } = planRecipe({ id: base.source.id, state: base.defaults }, recipe, images)
  const detail: RecipeDetail = {
    base,
    images,
    builder: newFooting(),
    donors,
    layers: steps.map(({ leaves }) => (leaves ? newId<SnapshotId>() : null)),
    boot: { ...newFooting(), snapshotId: newId<SnapshotId>() },
  }
  return { detail, base, parentImageId }
}

async function findBase(
  { ledger }: Parts,
  by: Principal,
  ref: string,
): Promise<Pick<Prepared, 'base' | 'parentImageId'>> {
  const found = await findSource(ledger.read, by.teamId, ref)
  if ('snapshot' in found) {
    const { snapshot } = found
    mustBeReady('source.from', snapshot)
    const { env } = snapshot.defaults
    const defaults = { ...snapshot.defaults, env: { ...env, ...snapshot.env } }
    return {
      base: { source: { from: 'snapshot', id: snapshot.id }, defaults, startCommand: [], readyCommand: null },
      parentImageId: snapshot.imageId,
    }
  }
  const { image } = found
  mustBeReady('source.from', image)
  return {
    base: {
      source: { from: 'image', id: image.id },
      defaults: image.defaults,
      startCommand: image.bootSnapshotId === null ? [] : image.defaults.startCommand,
      readyCommand: (image.source.type === 'recipe' ? image.source.readyCommand : undefined) ?? null,
    },
    parentImageId: image.id,
  }
}

function mustBeReady(path: string, { state, id }: { state: string; id: string }): void {
  if (state !== 'ready') throw invalidArgument(path, `${id} is ${state}, not ready`)
}

export function newFooting(): Footing {
  return { sandboxId: fresh(), incarnationId: fresh(), rootId: fresh() }
}

function fresh<T extends Id<string>>(): T {
  return newId<T>()
}
