import { type Image, isCode, type Principal, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { everyPage } from '@spawnpoint/door-kit'

/** The vendor's images that `base` stands for, unless an image bears the name. */
const STAND_INS = ['default', 'node', 'python', 'ubuntu-24-node']

/** An image under a name that clients use for it. */
export interface NamedImage {
  name: string
  image: Image
  /** Whose the name is: the vendor's, or the team's */
  source: 'public' | 'team'
}

/** The newest ready image of each name. */
export async function namedImages(api: SpawnpointApi, by: Principal): Promise<NamedImage[]> {
  const images = await everyPage((page) => api.images.list(by, { states: ['ready'] }, page))
  const newest = new Map<string, NamedImage>()
  for (const image of images) {
    const { name } = image
    if (!newest.has(name)) newest.set(name, { name, image, source: 'team' })
  }
  const base = newest.get('base')
  if (base !== undefined) {
    for (const name of STAND_INS) if (!newest.has(name)) newest.set(name, { ...base, name, source: 'public' })
  }
  return [...newest.values()]
}

/** Rejects `not_found` also where name and id do not belong together. */
export async function imageNamed(api: SpawnpointApi, by: Principal, name: string, id?: string): Promise<Image> {
  let image: Image
  try {
    image = await api.images.get(by, name)
  } catch (error) {
    if (!isCode(error, 'not_found') || !STAND_INS.includes(name)) throw error
    image = await api.images.get(by, 'base')
  }
  if (id === undefined || id === image.id) return image
  const exact = await api.images.get(by, id)
  if (exact.name === name) return exact
  throw new SpawnpointError('not_found', `No such image: ${name}@${id}`, { resource: 'image', ref: `${name}@${id}` })
}

/** As a snapshot's image is told: it may be gone. */
export async function imageById(api: SpawnpointApi, by: Principal, id: string): Promise<Image | null> {
  try {
    return await api.images.get(by, id)
  } catch (error) {
    if (isCode(error, 'not_found')) return null
    throw error
  }
}
