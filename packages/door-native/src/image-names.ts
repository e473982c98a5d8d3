import { type ImageId, isCode, type Principal, type SpawnpointApi } from '@spawnpoint/core'

const KEPT_MAX = 1000

/** Names of images by id. An image never changes its name, so what was read once stays right. */
export class ImageNames {
  readonly #api: SpawnpointApi
  readonly #known = new Map<string, string>()

  constructor(api: SpawnpointApi) {
    this.#api = api
  }

  /** `null` if the image is deleted. */
  async of(by: Principal, id: ImageId): Promise<string | null> {
    const key = `${by.teamId}/${id}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    try {
      const { name } = await this.#api.images.get(by, id)
      const oldest = this.#known.keys().next()
      if (this.#known.size >= KEPT_MAX && !oldest.done) this.#known.delete(oldest.value)
      this.#known.set(key, name)
      return name
    } catch (error) {
      if (isCode(error, 'not_found')) return null
      throw error
    }
  }
}
