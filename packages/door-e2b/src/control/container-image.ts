import { createHash } from 'node:crypto'
import type { BuildImageRequest, Image, Principal, SpawnpointApi, Started } from '@spawnpoint/core'

/** Label of an image with the name under which the container image that it is was asked for. */
const REFERENCE_LABEL = 'e2b.container-image'

/** The vendors' own container images, which are templates here. */
const KNOWN = /^(?:docker\.io\/)?(?:e2bdev|novita)\/(base|code-interpreter)(?::latest)?$/
const TEMPLATES: Record<string, string> = { base: 'base', 'code-interpreter': 'code-interpreter-v1' }

/** The template that is meant by one of those; `null` for any other. */
export function templateFor(reference: string): string | null {
  return TEMPLATES[KNOWN.exec(reference)?.[1] ?? ''] ?? null
}

/** Made for builds to begin with, and no template. */
export function isContainerImage({ labels }: Pick<Image, 'labels'>): boolean {
  return labels[REFERENCE_LABEL] !== undefined
}

/** The image that was made of it before, if it still is there; of a name that has moved since it is the older one. */
export async function knownImage(api: SpawnpointApi, by: Principal, reference: string): Promise<Image | null> {
  const filter = { labels: { [REFERENCE_LABEL]: reference }, states: ['ready' as const] }
  return (await api.images.list(by, filter, { limit: 1 })).items[0] ?? null
}

export function fetchImage(
  api: SpawnpointApi,
  by: Principal,
  reference: string,
  credentials: BuildImageRequest['credentials'],
): Promise<Started<Image>> {
  return api.images.build(by, {
    name: imageName(reference),
    source: { type: 'oci', reference },
    labels: { [REFERENCE_LABEL]: reference },
    ...(credentials === undefined ? {} : { credentials }),
  })
}

/** Legible, and another for every reference. */
function imageName(reference: string): string {
  const legible = reference.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  const digest = createHash('sha256').update(reference).digest('hex').slice(0, 8)
  return `container-${legible.slice(0, 40).replace(/^-|-$/g, '')}-${digest}`
}
