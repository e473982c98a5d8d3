import { type Image, isCode, type Principal, type SpawnpointApi } from '@spawnpoint/core'
import { everyPage } from '@spawnpoint/door-kit'

export const DEFAULT_TEMPLATE = 'python-3.12'

interface Template {
  name: string
  display_name: string
  description: string
}

/** The vendor's templates that the image `base` can stand for: it has Python, Node.js and a shell, of Debian's versions. */
const STAND_INS: readonly Template[] = [
  { name: 'python-3.12', display_name: 'Python', description: 'The image `base`, with Python of its Debian' },
  { name: 'node-22', display_name: 'Node.js', description: 'The image `base`, with Node.js of its Debian' },
  { name: 'ubuntu-24', display_name: 'Linux', description: 'The image `base`, which is Debian' },
]

/** Stand-ins, and every image of the team by its own name; one that bears a stand-in's name takes its place. */
export async function templates(api: SpawnpointApi, by: Principal): Promise<Template[]> {
  const images = await everyPage((page) => api.images.list(by, { states: ['ready'] }, page))
  const names = new Set(images.map(({ name }) => name))
  const own = [...names].sort().map((name) => ({ name, display_name: name, description: `The image \`${name}\`` }))
  const standIns = names.has('base') ? STAND_INS.filter(({ name }) => !names.has(name)) : []
  return [...standIns, ...own]
}

/** The image that a template's name means. Rejects `not_found`. */
export async function imageOf(api: SpawnpointApi, by: Principal, template: string): Promise<Image> {
  try {
    return await api.images.get(by, template)
  } catch (error) {
    if (!isCode(error, 'not_found') || !STAND_INS.some(({ name }) => name === template)) throw error
    return api.images.get(by, 'base')
  }
}
