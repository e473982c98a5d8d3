import {
  type BuildImageRequest,
  type Image,
  invalidArgument,
  isCode,
  type Principal,
  type SpawnpointApi,
} from '@spawnpoint/core'
import { z } from 'zod'
import type { Log } from '../log.ts'
import { type BuildBase, buildRequest } from './build-request.ts'
import { BUILD_LABEL, type BuildOrder, builtImage, kept, orderOf } from './builds.ts'
import { fetchImage, knownImage, templateFor } from './container-image.ts'
import { type Recipe, type StartBody, startBody } from './recipe.ts'
import { refIn } from './template-refs.ts'

/** Label of a built image with the id of the container image that was fetched for it */
const FETCHED_LABEL = 'e2b.fetched'

/** What is kept of a build while the container image that it begins with is fetched, also if the server dies. */
const waiting = z.object({ start: startBody, imageId: z.string() })

/** How far a build has got: its own image, and the container image that was fetched for it. */
export interface BuildProgress {
  image: Image | null
  fetched: Image | null
}

/**
 * Builds of templates, by the ids that were given to their orders.
 *
 *     ordered ─► begun                                    from a template, or a container image that is known
 *     ordered ─► container image being fetched ─► begun
 *
 * Each arrow is taken once. The last one is taken by whoever sees first that the fetch has ended: who waits for it in this
 * server, or, after that has died, the next who asks how far the build is.
 */
export class Builds {
  readonly #api: SpawnpointApi
  readonly #log: Log
  /** Looks at builds under way: a second one gets what the first one finds, or they would stand in each other's way */
  readonly #looks = new Map<string, Promise<BuildProgress>>()

  constructor(api: SpawnpointApi, log: Log) {
    this.#api = api
    this.#log = log
  }

  /** Rejects `not_found` if nobody has ordered it, and whatever is wrong with the recipe. */
  async start(by: Principal, buildID: string, order: BuildOrder, body: StartBody): Promise<void> {
    const reference = containerOf(body)
    if (reference === null) return this.#begin(by, buildID, order, body, await this.#template(by, templateOf(body)))
    const known = body.force === true ? null : await knownImage(this.#api, by, reference)
    if (known !== null) return this.#begin(by, buildID, order, body, containerBase(known))
    // What is kept must not have the credentials.
    const { fromImageRegistry: registry, ...start } = body
    buildRequest(order, start, { ref: reference, container: true, env: {} })
    const fetching = async (tied: Principal) => {
      const { value, done } = await fetchImage(this.#api, tied, reference, credentialsOf(registry))
      this.#whenFetched(by, buildID, done)
      return { status: 202, body: { start, imageId: value.id } }
    }
    await this.#api.idempotency.once(by, startKey(buildID), startKey(buildID), fetching, { keep: true })
  }

  /** Takes the next step of a build if it is due. Rejects `not_found` if nobody has ordered it. */
  progress(by: Principal, buildID: string): Promise<BuildProgress> {
    const key = `${by.teamId} ${buildID}`
    const look = this.#looks.get(key) ?? this.#look(by, buildID).finally(() => this.#looks.delete(key))
    this.#looks.set(key, look)
    return look
  }

  async #look(by: Principal, buildID: string): Promise<BuildProgress> {
    const image = await builtImage(this.#api, by, buildID)
    if (image !== null) return { image, fetched: await this.#imageOf(by, image.labels[FETCHED_LABEL]) }
    const order = await orderOf(this.#api, by, buildID)
    const { start, imageId } = waiting.parse(await kept(this.#api, by, startKey(buildID), { start: {}, imageId: '' }))
    const fetched = await this.#imageOf(by, imageId)
    if (fetched?.state !== 'ready') return { image: null, fetched }
    await this.#begin(by, buildID, order, start, containerBase(fetched), fetched)
    return { image: await builtImage(this.#api, by, buildID), fetched }
  }

  async #template(by: Principal, text: string): Promise<BuildBase> {
    const ref = await refIn(this.#api, by, text)
    const found = await this.#api.resolve(by, ref)
    const env = 'image' in found ? found.image.defaults.env : { ...found.snapshot.defaults.env, ...found.snapshot.env }
    return { ref, container: false, env }
  }

  async #imageOf(by: Principal, id: string | undefined): Promise<Image | null> {
    if (id === undefined || id === '') return null
    try {
      return await this.#api.images.get(by, id)
    } catch (error) {
      if (isCode(error, 'not_found')) return null // deleted since
      throw error
    }
  }

  async #begin(
    by: Principal,
    buildID: string,
    order: BuildOrder,
    recipe: Recipe,
    base: BuildBase,
    fetched: Image | null = null,
  ): Promise<void> {
    const labels = { [BUILD_LABEL]: buildID, ...(fetched === null ? {} : { [FETCHED_LABEL]: fetched.id }) }
    const request = { ...buildRequest(order, recipe, base), labels }
    const key = `e2b-begin:${buildID}`
    await this.#api.idempotency.once(by, key, key, async (tied) => {
      const { value } = await this.#api.images.build(tied, request)
      return { status: 202, body: value.id }
    })
  }

  #whenFetched(by: Principal, buildID: string, done: Promise<Image>): void {
    done
      .then(() => this.progress(by, buildID))
      .catch((error: unknown) =>
        this.#log.warn({ err: error, build: buildID }, 'the build of a template did not begin'),
      )
  }
}

function containerBase({ id, defaults }: Image): BuildBase {
  return { ref: id, container: true, env: defaults.env }
}

function inOneLine(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json))
  } catch {
    throw invalidArgument('fromImageRegistry.serviceAccountJson', 'is no JSON')
  }
}

/** The container image that a build begins with; `null` if it is a template. */
function containerOf({ fromImage, fromTemplate }: StartBody): string | null {
  if (Boolean(fromImage) === Boolean(fromTemplate))
    throw invalidArgument('fromImage', 'give exactly one of fromImage and fromTemplate')
  return fromImage && templateFor(fromImage) === null ? fromImage : null
}

function templateOf({ fromImage, fromTemplate }: StartBody): string {
  return fromTemplate || templateFor(fromImage ?? '') || ''
}

/** Google's registries take the whole key of a service account for a password. */
const KEY_USER = '_json_key'

function credentialsOf(registry: StartBody['fromImageRegistry']): BuildImageRequest['credentials'] {
  switch (registry?.type) {
    case undefined:
      return undefined
    case 'registry':
      return { username: registry.username, password: registry.password }
    case 'gcp':
      return { username: KEY_USER, password: inOneLine(registry.serviceAccountJson) }
    case 'aws':
      return {
        aws: {
          region: registry.awsRegion,
          accessKeyId: registry.awsAccessKeyId,
          secretAccessKey: registry.awsSecretAccessKey,
        },
      }
  }
}

function startKey(buildID: string): string {
  return `e2b-start:${buildID}`
}
