import { notFound } from '@spawnpoint/core'

/** Clients that were given a `clientID` join it to the id: `<id>-<clientID>`. */
export function sandboxId(given: string): string {
  const id = given.split('-', 1)[0] ?? ''
  if (!/^[a-z0-9]+$/.test(id)) throw notFound('sandbox', given)
  return id
}

/** Builds are named by UUIDs here, and Python's client parses them as such: the id within one of version 8. */
export function buildUuid(id: string): string {
  return `${id.slice(0, 8)}-${id.slice(8, 12)}-8000-8000-${id.slice(12)}`
}

const BUILD_UUID = /^([0-9a-f]{8})-([0-9a-f]{4})-8000-8000-([0-9a-f]{12})$/

/** The id within a build's UUID; `null` if it is none of ours. */
export function idOfBuild(uuid: string): string | null {
  const parts = BUILD_UUID.exec(uuid.toLowerCase())
  return parts === null ? null : `${parts[1]}${parts[2]}${parts[3]}`
}
