import type { Image, ImageDefaults } from '../model.ts'
import type { Work } from '../operations/runner.ts'
import type { RootSource } from '../ports/index.ts'
import type { BuildLog } from './build-log.ts'
import { type Builder, closeBuilder, copyFiles, openBuilder, runCommand, undoBuilder } from './builder.ts'
import { mustGoOn } from './commands.ts'
import type { StageDetail } from './detail.ts'
import { dropLayers, keepLayer, type Layer } from './layers.ts'
import { withMounts } from './mounts.ts'
import type { PlannedStep } from './plan.ts'
import { type BuildSecrets, withSecrets } from './secrets.ts'

/** What the steps of a stage are run on. */
export interface Ground extends StageDetail {
  source: RootSource
  defaults: ImageDefaults
  /** Files that copy steps take, by number of the step */
  origins: Record<number, RootSource>
  secrets: BuildSecrets
}

/** Runs what no earlier build has run; returns where the files are afterwards. */
export async function buildFiles(
  work: Work<unknown>,
  image: Image,
  ground: Ground,
  steps: readonly PlannedStep[],
  found: Layer | null,
  log: BuildLog,
): Promise<RootSource> {
  const done = found?.step.number ?? 0
  for (const step of steps.slice(0, done)) log.cached(step)
  let files: RootSource = found === null ? ground.source : { from: 'snapshot', id: found.id }
  const rest = steps.slice(done)
  if (!rest.some(({ leaves }) => leaves)) {
    for (const step of rest) log.begun(step)
    return files
  }
  const first = { ...ground.defaults, ...rest[0]?.before }
  const builder = await openBuilder(work, image, ground.builder, files, { defaults: first, tmpOnRoot: true })
  for (const step of rest) {
    mustGoOn(work.parts)
    log.begun(step)
    await runStep(work, image, ground, builder, step, log)
    const layer = ground.layers[step.number - 1] ?? null
    if (layer === null) continue
    await keepLayer(work, builder.sandbox, step, layer)
    files = { from: 'snapshot', id: layer }
    await log.flush()
  }
  await closeBuilder(work, ground.builder)
  return files
}

async function runStep(
  work: Work<unknown>,
  image: Image,
  ground: Ground,
  builder: Builder,
  planned: PlannedStep,
  log: BuildLog,
): Promise<void> {
  const { step, label, before } = planned
  if (step.type === 'run')
    await withMounts(work, image, builder, log, planned, step, () =>
      withSecrets(builder, planned, step, ground.secrets, (env) =>
        runCommand(work, builder, log, planned, { ...step, env: { ...step.env, ...env } }),
      ),
    )
  if (step.type === 'workdir') {
    const path = planned.after.workdir
    await builder.guest.files.mkdir(path, { owner: step.user ?? before.user, parents: true })
  }
  if (step.type !== 'copy') return
  if (step.blob !== undefined) {
    const { body } = await work.parts.blobs.read(image.teamId, step.blob)
    try {
      const { entries, bytes } = await copyFiles(work, builder, planned, step, body)
      log.add('info', label, `${entries} entries, ${bytes} bytes`)
    } finally {
      body.destroy()
    }
    return
  }
  await copyFromElsewhere(work, image, ground, builder, planned, log)
}

/** The other image runs beside the builder for as long as its files are read. */
async function copyFromElsewhere(
  work: Work<unknown>,
  image: Image,
  ground: Ground,
  builder: Builder,
  planned: PlannedStep,
  log: BuildLog,
): Promise<void> {
  const { step, number, label } = planned
  const origin = ground.origins[number]
  const footing = ground.donors[number]
  if (step.type !== 'copy' || origin === undefined || footing === undefined)
    throw new Error(`step ${number} of image ${image.id} copies from no image`)
  const options = { defaults: { ...ground.defaults, user: 'root', workdir: '/' }, tmpOnRoot: true }
  const donor = await openBuilder(work, image, footing, origin, options)
  const archive = await donor.guest.files.pack(step.source)
  try {
    const { entries, bytes } = await copyFiles(work, builder, planned, step, archive)
    log.add('info', label, `${entries} entries, ${bytes} bytes`)
  } finally {
    archive.destroy()
  }
  await closeBuilder(work, footing)
}

/** Removes what the steps of a stage have left. Repeatable; reports, never throws. */
export async function undoStage(work: Work<unknown>, detail: StageDetail): Promise<void> {
  for (const footing of [detail.builder, ...Object.values(detail.donors)]) await undoBuilder(work, footing)
  await dropLayers(work, detail)
}
