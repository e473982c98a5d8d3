import { isCode } from '../errors.ts'
import type { Image, RecipeSource, Snapshot } from '../model.ts'
import { unboot } from '../operations/boot.ts'
import type { BuiltRecord, ImageDetail } from '../operations/image-build.ts'
import type { Work } from '../operations/runner.ts'
import type { RootSource } from '../ports/index.ts'
import type { BuildLog } from './build-log.ts'
import { type Builder, closeBuilder, copyFiles, openBuilder, runCommand } from './builder.ts'
import type { RecipeDetail } from './detail.ts'
import { dropLayers, keepLayer, type Layer, lastLayer } from './layers.ts'
import { captureStarted, type StartPlan } from './memory.ts'
import { type PlannedStep, planRecipe } from './plan.ts'

export interface BuiltRecipe {
  change: BuiltRecord
  /** Its record is to be written with the image's */
  bootSnapshot: Snapshot | null
}

/**
 * base or last layer ─► builder sandbox ─► each step, its layer kept ─► image ─► (booted, started, captured).
 * Everything that may be left when the server dies is named in `detail` from the beginning; `undoRecipe` removes it.
 * Layers that were kept stay for the next build.
 */
export async function buildRecipe(
  work: Work<ImageDetail>,
  image: Image,
  detail: RecipeDetail,
  log: BuildLog,
): Promise<BuiltRecipe> {
  const { source } = image
  if (source.type !== 'recipe') throw new Error(`image ${image.id} has no recipe`)
  const { base } = detail
  const plan = planRecipe({ id: base.source.id, state: base.defaults }, source, detail.images)
  log.add('info', 'base', `from ${source.from}`)
  const sizeBytes = await buildImage(work, image, detail, plan.steps, log)
  const inherited = { ...base.defaults, ...plan.after }
  const start = startOf(source, base)
  if (start.startCommand === null && start.readyCommand === null)
    return { change: { sizeBytes, defaults: inherited }, bootSnapshot: null }
  // It starts as its sandboxes will.
  const { asked } = work.detail
  const defaults = { ...inherited, ...asked, env: { ...inherited.env, ...asked?.env } }
  if (source.startCommand !== undefined) log.add('info', 'finalize', `start ${source.startCommand}`)
  const { startCommand, snapshot } = await captureStarted(work, image, detail.boot, defaults, start, log)
  return {
    change: {
      sizeBytes,
      defaults: startCommand.length === 0 ? inherited : { ...inherited, startCommand },
      bootSnapshotId: snapshot?.id ?? null,
    },
    bootSnapshot: snapshot,
  }
}

/** What a recipe does not say about the start of its image is as in the image that it began with. */
function startOf(source: RecipeSource, base: RecipeDetail['base']): StartPlan {
  if (source.startCommand !== undefined)
    return { startCommand: source.startCommand, readyCommand: source.readyCommand ?? null }
  const startCommand = base.startCommand.length === 0 ? null : base.startCommand
  return { startCommand, readyCommand: source.readyCommand ?? (startCommand === null ? null : base.readyCommand) }
}

/** Removes whatever a build that failed or was cut off has left. Repeatable; reports, never throws. */
export async function undoRecipe(work: Work<unknown>, detail: RecipeDetail): Promise<void> {
  for (const footing of [detail.builder, detail.boot, ...Object.values(detail.donors)]) await unboot(work, footing)
  await work.undo('delete boot snapshot', () => work.parts.pool.deleteSnapshot(detail.boot.snapshotId))
  await dropLayers(work, detail)
}

async function buildImage(
  work: Work<unknown>,
  image: Image,
  detail: RecipeDetail,
  steps: readonly PlannedStep[],
  log: BuildLog,
): Promise<number> {
  const found = await lastLayer(work.parts, image.teamId, steps)
  const make = async (layer: Layer | null) => {
    const files = await buildFiles(work, image, detail, steps, layer, log)
    return (await work.step('image', () => work.parts.pool.createImageFrom(image.id, files))).sizeBytes
  }
  try {
    return await make(found)
  } catch (error) {
    // It was removed at the moment it was found. Nothing had begun on it.
    if (found === null || !isCode(error, 'not_found') || error.context.ref !== found.id) throw error
    return make(null)
  }
}

/** Runs what no earlier build has run; returns where the files are afterwards. */
async function buildFiles(
  work: Work<unknown>,
  image: Image,
  detail: RecipeDetail,
  steps: readonly PlannedStep[],
  found: Layer | null,
  log: BuildLog,
): Promise<RootSource> {
  const done = found?.step.number ?? 0
  for (const step of steps.slice(0, done)) log.add('info', String(step.number), `cached: ${step.title}`)
  let files: RootSource = found === null ? detail.base.source : { from: 'snapshot', id: found.id }
  const rest = steps.slice(done)
  if (!rest.some(({ leaves }) => leaves)) {
    for (const step of rest) log.add('info', String(step.number), step.title)
    return files
  }
  const first = { ...detail.base.defaults, ...rest[0]?.before }
  const builder = await openBuilder(work, image, detail.builder, files, { defaults: first, tmpOnRoot: true })
  for (const step of rest) {
    log.add('info', String(step.number), step.title)
    await runStep(work, image, detail, builder, step, log)
    const layer = detail.layers[step.number - 1] ?? null
    if (layer === null) continue
    await keepLayer(work, builder.sandbox, step, layer)
    files = { from: 'snapshot', id: layer }
    await log.flush()
  }
  await closeBuilder(work, detail.builder)
  return files
}

async function runStep(
  work: Work<unknown>,
  image: Image,
  detail: RecipeDetail,
  builder: Builder,
  planned: PlannedStep,
  log: BuildLog,
): Promise<void> {
  const { step, number, before } = planned
  if (step.type === 'run') await runCommand(work, builder, log, planned, step)
  if (step.type === 'workdir') {
    const path = planned.after.workdir
    await builder.guest.files.mkdir(path, { owner: before.user, parents: true })
  }
  if (step.type !== 'copy') return
  if (step.blob !== undefined) {
    const { body } = await work.parts.blobs.read(image.teamId, step.blob)
    try {
      const { entries, bytes } = await copyFiles(work, builder, planned, step, body)
      log.add('info', String(number), `${entries} entries, ${bytes} bytes`)
    } finally {
      body.destroy()
    }
    return
  }
  await copyFromImage(work, image, detail, builder, planned, log)
}

/** The other image runs beside the builder for as long as its files are read. */
async function copyFromImage(
  work: Work<unknown>,
  image: Image,
  detail: RecipeDetail,
  builder: Builder,
  planned: PlannedStep,
  log: BuildLog,
): Promise<void> {
  const { step, number } = planned
  const id = detail.images[number]
  const footing = detail.donors[number]
  if (step.type !== 'copy' || id === undefined || footing === undefined)
    throw new Error(`step ${number} of image ${image.id} copies from no image`)
  const options = { defaults: detail.base.defaults, tmpOnRoot: true }
  const donor = await openBuilder(work, image, footing, { from: 'image', id }, options)
  const archive = await donor.guest.files.pack(step.source)
  try {
    const { entries, bytes } = await copyFiles(work, builder, planned, step, archive)
    log.add('info', String(number), `${entries} entries, ${bytes} bytes`)
  } finally {
    archive.destroy()
  }
  await closeBuilder(work, footing)
}
