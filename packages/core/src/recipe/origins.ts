import { invalidArgument, isCode } from '../errors.ts'
import { formatImageReference, type ImageReference, parseImageReference } from '../image-reference.ts'
import type { Image, ImageDefaults, TeamId } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { RootSource } from '../ports/index.ts'
import { findSource } from '../services/refs.ts'

/** An image that a Dockerfile names. */
export interface Origin {
  source: RootSource
  defaults: ImageDefaults
  image: Image | null
}

/** Makes an image of what a registry has; resolves when it is ready. */
export type Pull = (request: { name: string; tags: string[]; reference: string }) => Promise<Image>

/** The team's own image or snapshot of this name, else one that was pulled by it before, else it is pulled. */
export async function findOrigin(
  parts: Parts,
  teamId: TeamId,
  name: string,
  { anew, pull }: { anew: boolean; pull: (reference: ImageReference) => Promise<Image> },
): Promise<Origin> {
  const own = await ownNamed(parts, teamId, name)
  if (own !== null && !(anew && own.image?.source.type === 'oci')) return own
  const reference = parseImageReference(name, 'FROM')
  const before = anew ? null : await pulledBefore(parts, teamId, reference)
  return originOf(before ?? (await pull(reference)))
}

async function ownNamed(parts: Parts, teamId: TeamId, name: string): Promise<Origin | null> {
  try {
    const found = await findSource(parts.ledger.read, teamId, name)
    if ('image' in found) return found.image.state === 'ready' ? originOf(found.image) : null
    const { snapshot } = found
    if (snapshot.state !== 'ready') return null
    const defaults = { ...snapshot.defaults, env: { ...snapshot.defaults.env, ...snapshot.env } }
    return { source: { from: 'snapshot', id: snapshot.id }, defaults, image: null }
  } catch (error) {
    if (isCode(error, 'not_found')) return null
    throw error
  }
}

async function pulledBefore({ ledger }: Parts, teamId: TeamId, reference: ImageReference): Promise<Image | null> {
  const wanted = formatImageReference(reference)
  const { name } = nameFor(reference)
  const { items } = await ledger.read.images({ teamId, name, states: ['ready'] }, { limit: 500 })
  return items.find(({ source }) => source.type === 'oci' && inFull(source.reference) === wanted) ?? null
}

function inFull(reference: string): string {
  return formatImageReference(parseImageReference(reference))
}

/** What an image that is pulled for a build is called, as `spawnpoint image pull` does: by the last part, and its tag. */
export function nameFor(reference: ImageReference): { name: string; tags: string[] } {
  if (reference.transport !== 'registry') {
    const name = reference.name.replace(/\.tar(\.\w+)?$/, '')
    return { name, tags: [] }
  }
  const name = reference.repository.split('/').at(-1) ?? ''
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)) throw invalidArgument('FROM', `no name for an image: ${name}`)
  return { name, tags: reference.tag === null ? [] : [reference.tag] }
}

function originOf(image: Image): Origin {
  return { source: { from: 'image', id: image.id }, defaults: image.defaults, image }
}
