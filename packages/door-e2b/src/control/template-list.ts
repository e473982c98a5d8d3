import type { Image, Name, Principal, SpawnpointApi } from '@spawnpoint/core'
import { everyPage } from '@spawnpoint/door-kit'
import { ENVD_VERSION } from '../version.ts'
import { buildIdOf } from './builds.ts'
import { isContainerImage } from './container-image.ts'
import { resourcesJson } from './resources.ts'

/** A name with all the images that bear it, newest first and at least one. */
export interface Template {
  name: Name
  images: [Image, ...Image[]]
}

/** Newest first. */
export async function listTemplates(api: SpawnpointApi, by: Principal): Promise<Template[]> {
  const byName = new Map<string, [Image, ...Image[]]>()
  for (const image of await everyPage((page) => api.images.list(by, {}, page))) {
    if (isContainerImage(image)) continue
    const images = byName.get(image.name)
    if (images === undefined) byName.set(image.name, [image])
    else images.push(image)
  }
  return Promise.all([...byName].map(async ([name, images]) => ({ name: await api.names.ensure(by, name), images })))
}

const BUILD_STATUS = { building: 'building', ready: 'ready', failed: 'error', deleting: 'ready' } as const

export function buildStatus(image: Image): (typeof BUILD_STATUS)[Image['state']] {
  return BUILD_STATUS[image.state]
}

export function templateJson(api: SpawnpointApi, team: string, { name, images }: Template) {
  const shown = images.find(({ state }) => state === 'ready') ?? images[0]
  return {
    ...identityJson(team, name),
    ...resourcesJson(api, shown.resources),
    buildID: buildIdOf(shown),
    buildStatus: buildStatus(shown),
    buildCount: images.length,
    ...timesJson(images),
    createdBy: null,
    envdVersion: ENVD_VERSION,
  }
}

export function templateWithBuildsJson(api: SpawnpointApi, team: string, template: Template, builds: readonly Image[]) {
  return {
    ...templateJson(api, team, template),
    // Novita's, which tells templates from snapshots by it
    templateType: 'template_build',
    builds: builds.map((image) => ({
      buildID: buildIdOf(image),
      status: buildStatus(image),
      createdAt: image.createdAt.toISOString(),
      updatedAt: (image.readyAt ?? image.createdAt).toISOString(),
      ...(image.readyAt === null ? {} : { finishedAt: image.readyAt.toISOString(), envdVersion: ENVD_VERSION }),
      ...resourcesJson(api, image.resources),
    })),
  }
}

function identityJson(team: string, name: Name) {
  return { templateID: name.id, public: false, aliases: [name.name], names: [`${team}/${name.name}`] }
}

/** Nothing counts how often something was made from an image. */
function timesJson(images: Template['images']) {
  return {
    createdAt: (images.at(-1) ?? images[0]).createdAt.toISOString(),
    updatedAt: (images[0].readyAt ?? images[0].createdAt).toISOString(),
    lastSpawnedAt: null,
    spawnCount: 0,
  }
}
