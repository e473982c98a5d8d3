import type { BuildImageRequest, ImagesApi, Principal, Started } from '../api.ts'
import { invalidArgument, notFound, SpawnpointError } from '../errors.ts'
import { type ImageId, newId } from '../ids.ts'
import type { Image, Operation, Resources } from '../model.ts'
import { imageBuildWith, imageDelete } from '../operations/image-build.ts'
import { newOperation, type OperationRunner, started } from '../operations/runner.ts'
import type { Parts } from '../parts.ts'
import { checkCredentials, checkEnv, checkImageSource, checkLabels, mergeResources } from './checks.ts'
import { begunBefore, tie } from './idempotency.ts'
import { checkTags } from './names.ts'
import { checkRecipe } from './recipe-checks.ts'
import { checkName, findImage } from './refs.ts'

/** Entries of a build's log that one call gives. */
const MAX_LOG_PAGE = 1_000

export class Images implements ImagesApi {
  readonly #parts: Parts
  readonly #runner: OperationRunner

  constructor(parts: Parts, runner: OperationRunner) {
    this.#parts = parts
    this.#runner = runner
  }

  async build(by: Principal, request: BuildImageRequest): Promise<Started<Image>> {
    const begun = begunBefore(by, 'image.build')
    if (begun !== null) return this.#begun(begun)
    checkName('name', request.name)
    checkTags('tags', request.tags ?? [])
    if (request.source.type === 'recipe') checkRecipe('source', request.source)
    else checkImageSource(request.source)
    checkLabels(request.labels ?? {})
    checkEnv('defaults.env', request.defaults?.env ?? {})
    mergeResources(this.#parts.config, this.#parts.config.resources, request.resources)
    checkCredentials(request)
    const image: Image = {
      id: newId<ImageId>(),
      teamId: by.teamId,
      name: request.name,
      state: 'building',
      failure: null,
      source: request.source,
      defaults: {
        env: request.defaults?.env ?? {},
        user: request.defaults?.user ?? 'root',
        workdir: request.defaults?.workdir ?? '/',
        startCommand: request.defaults?.startCommand ?? [],
      },
      resources: given(request.resources ?? {}),
      bootSnapshotId: null,
      parentImageId: null,
      sizeBytes: 0,
      labels: request.labels ?? {},
      createdAt: this.#parts.clock.now(),
      readyAt: null,
    }
    const operation = newOperation(this.#parts, {
      teamId: by.teamId,
      kind: 'image.build',
      phase: 'building',
      imageId: image.id,
      detail: { imageId: image.id, tags: request.tags ?? [], asked: request.defaults ?? {} },
    })
    await this.#parts.ledger.transact(async (tx) => {
      await tx.putImage(image)
      await tx.putOperation(operation)
      await tie(tx, by, operation)
    })
    return started(image, this.#runner.launch(imageBuildWith(request.credentials ?? null), operation))
  }

  async #begun({ id, imageId }: Operation): Promise<Started<Image>> {
    const image = imageId === null ? null : await this.#parts.ledger.read.image(imageId)
    if (image === null) throw notFound('image', String(imageId))
    return { operationId: id, value: image, done: Promise.resolve(image) }
  }

  get: ImagesApi['get'] = (by, ref) => findImage(this.#parts.ledger.read, by.teamId, ref)

  list: ImagesApi['list'] = (by, filter, page) => this.#parts.ledger.read.images({ ...filter, teamId: by.teamId }, page)

  async delete(by: Principal, ref: string): Promise<void> {
    const { id } = await findImage(this.#parts.ledger.read, by.teamId, ref)
    const operation = newOperation(this.#parts, {
      teamId: by.teamId,
      kind: 'image.delete',
      phase: 'deleting',
      imageId: id,
      detail: { imageId: id, tags: [] },
    })
    await this.#parts.ledger.transact(async (tx) => {
      const image = await tx.lockImage(id)
      if (image === null || image.state === 'building' || image.state === 'deleting') {
        throw new SpawnpointError('wrong_state', `The image is ${image?.state ?? 'gone'}`, {
          resource: 'image',
          id,
          state: image?.state ?? 'gone',
          request: 'delete',
        })
      }
      await tx.putImage({ ...image, state: 'deleting' })
      await tx.deleteTagsOf(id)
      await tx.putOperation(operation)
    })
    await this.#runner.launch(imageDelete, operation).done
  }

  async log(by: Principal, ref: string, { offset, limit }: { offset: number; limit: number }) {
    if (!Number.isSafeInteger(offset) || offset < 0) throw invalidArgument('offset', 'a whole number from 0')
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_LOG_PAGE)
      throw invalidArgument('limit', `1 to ${MAX_LOG_PAGE}`)
    const { id } = await this.get(by, ref)
    return this.#parts.ledger.read.buildLog(id, offset, limit)
  }
}

/** Without fields that are there but undefined. */
function given(resources: Partial<Resources>): Partial<Resources> {
  return Object.fromEntries(Object.entries(resources).filter(([, value]) => value !== undefined))
}
