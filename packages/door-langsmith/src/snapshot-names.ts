import { invalidArgument, SpawnpointError } from '@spawnpoint/core'

/** Stands in names of the core, which have no slashes, for those of names here; two dots in a row are in no other name here. */
const SLASH = '..'
const SYSTEM = 'system/'

/** For what is made. Rejects `invalid_argument`, and `forbidden` for what is in nobody's hands. */
export function newName(name: string): string {
  if (name.startsWith(SYSTEM))
    throw new SpawnpointError('forbidden', `${SYSTEM} is read-only`, { what: name.slice(0, 255) })
  if (name.includes(SLASH) || !name.split('/').every((part) => /^[A-Za-z0-9]/.test(part)))
    throw invalidArgument('body.name', 'parts of letters, digits, ., _ and - with slashes between')
  return coreName(name)
}

/** Of a name, or of one with a tag. */
export function coreName(ref: string): string {
  return ref.replaceAll('/', SLASH)
}

export function shownName(name: string): string {
  return name.replaceAll(SLASH, '/')
}
