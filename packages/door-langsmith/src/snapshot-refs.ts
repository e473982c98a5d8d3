import { type Image, isCode, notFound, type Principal, type Resolved, type SpawnpointApi } from '@spawnpoint/core'

/** What a box begins from unless told: the image every new server makes for itself. */
const DEFAULT_REFS = ['system/default', 'system/default:latest']
const DEFAULT_IMAGE = 'base'
/** Tag that a name alone stands for, and that new ones get */
export const LATEST = 'latest'

export function defaultImage(api: SpawnpointApi, by: Principal): Promise<Image> {
  return api.images.get(by, DEFAULT_IMAGE)
}

/** By id, `name:tag`, or name alone: then what its `latest` points to, else the newest ready one. */
export async function findSnapshot(api: SpawnpointApi, by: Principal, ref: string): Promise<Resolved> {
  if (DEFAULT_REFS.includes(ref)) return { image: await defaultImage(api, by) }
  if (/^[^:@]+$/.test(ref)) {
    try {
      return await api.resolve(by, `${ref}:${LATEST}`)
    } catch (error) {
      if (!isCode(error, 'not_found')) throw error
    }
  }
  try {
    return await api.resolve(by, ref)
  } catch (error) {
    // What is an image here is a snapshot to clients.
    throw isCode(error, 'not_found') ? notFound('snapshot', ref) : error
  }
}
