import {
  type Image,
  invalidArgument,
  isCode,
  type Name,
  notFound,
  type Principal,
  type Resolved,
  type SpawnpointApi,
} from '@spawnpoint/core'
import { coreName } from './snapshot-names.ts'

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
  const name = coreName(ref)
  // The core's own way to put it, with the team before a slash, is the last.
  for (const each of new Set([...(/[:@]/.test(name) ? [] : [`${name}:${LATEST}`]), name, ref])) {
    try {
      return await api.resolve(by, each)
    } catch (error) {
      if (!isCode(error, 'not_found')) throw error
    }
  }
  // What is an image here is a snapshot to clients.
  throw notFound('snapshot', ref)
}

/** Rejects `invalid_argument` for one with a tag. */
export function findName(api: SpawnpointApi, by: Principal, ref: string): Promise<Name> {
  if (ref.includes(':')) throw invalidArgument('path.name', 'a name without a tag')
  return api.names.get(by, coreName(ref))
}
