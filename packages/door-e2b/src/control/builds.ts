import { randomBytes } from 'node:crypto'
import { type BuildLogEntry, type Image, isCode, notFound, type Principal, type SpawnpointApi } from '@spawnpoint/core'
import { z } from 'zod'
import { buildUuid, idOfBuild } from './ids.ts'

/** Label of an image with the id that its build was given before it began. */
export const BUILD_LABEL = 'e2b.build'

export function buildIdOf(image: Pick<Image, 'id' | 'labels'>): string {
  return image.labels[BUILD_LABEL] ?? buildUuid(image.id)
}

const order = z.object({
  templateID: z.string(),
  name: z.string(),
  tags: z.array(z.string()),
  cpus: z.number().nullable(),
  memoryBytes: z.number().nullable(),
  diskBytes: z.number().nullable(),
})

/** What a build was asked for before what it consists of: its files are sent in between. */
export type BuildOrder = z.output<typeof order>

/** Keeps an order for a day, also if the server dies meanwhile, and gives its build an id. */
export async function placeOrder(api: SpawnpointApi, by: Principal, given: BuildOrder): Promise<string> {
  const buildID = buildUuid(randomBytes(12).toString('hex'))
  const place = async () => ({ status: 202, body: given })
  await api.idempotency.once(by, orderKey(buildID), orderKey(buildID), place, { keep: true })
  return buildID
}

/** Rejects `not_found` if there is none. */
export async function orderOf(api: SpawnpointApi, by: Principal, buildID: string): Promise<BuildOrder> {
  const found = await kept(api, by, orderKey(buildID), null)
  if (found === null) throw notFound('image', buildID)
  return order.parse(found)
}

/** What is kept under an idempotency key, which is its own hash; `otherwise` if there is nothing. */
export async function kept(api: SpawnpointApi, by: Principal, key: string, otherwise: unknown): Promise<unknown> {
  try {
    const { body } = await api.idempotency.once(by, key, key, async () => {
      throw new NothingKept()
    })
    return body
  } catch (error) {
    if (error instanceof NothingKept) return otherwise
    throw error
  }
}

/** Keeps the key free. */
class NothingKept extends Error {}

/** The image of a build; `null` if there is none yet. */
export async function builtImage(api: SpawnpointApi, by: Principal, buildID: string): Promise<Image | null> {
  const labelled = await api.images.list(by, { labels: { [BUILD_LABEL]: buildID } }, { limit: 1 })
  if (labelled.items[0] !== undefined) return labelled.items[0]
  const id = idOfBuild(buildID)
  if (id === null) return null
  try {
    return await api.images.get(by, id) // by another door
  } catch (error) {
    if (isCode(error, 'not_found')) return null
    throw error
  }
}

const LOG_PAGE = 1000

/** All that the build of an image said. */
export async function wholeLog(api: SpawnpointApi, by: Principal, image: Image): Promise<BuildLogEntry[]> {
  const entries: BuildLogEntry[] = []
  for (;;) {
    const page = await api.images.log(by, image.id, { offset: entries.length, limit: LOG_PAGE })
    entries.push(...page)
    if (page.length < LOG_PAGE) return entries
  }
}

function orderKey(buildID: string): string {
  return `e2b-build:${buildID}`
}
