import { createHash, randomBytes } from 'node:crypto'
import {
  type BuildImageRequest,
  type BuildLogEntry,
  type Image,
  isCode,
  notFound,
  type Principal,
  type SpawnpointApi,
} from '@spawnpoint/core'
import { z } from 'zod'
import { buildUuid, idOfBuild } from './ids.ts'

/** Label of an image with the id that its build was given before it began. */
const BUILD_LABEL = 'e2b.build'

export function buildIdOf(image: Pick<Image, 'id' | 'labels'>): string {
  return image.labels[BUILD_LABEL] ?? buildUuid(image.id)
}

const order = z.object({
  templateID: z.string(),
  name: z.string(),
  tags: z.array(z.string()),
  cpus: z.number().nullable(),
  memoryBytes: z.number().nullable(),
})

/** What a build was asked for before what it consists of: its files are sent in between. */
export type BuildOrder = z.output<typeof order>

/** Keeps an order for a day, also if the server dies meanwhile, and gives its build an id. */
export async function placeOrder(api: SpawnpointApi, by: Principal, given: BuildOrder): Promise<string> {
  const buildID = buildUuid(randomBytes(12).toString('hex'))
  await api.idempotency.once(by, orderKey(buildID), orderKey(buildID), async () => ({ status: 202, body: given }))
  return buildID
}

export async function orderOf(api: SpawnpointApi, by: Principal, buildID: string): Promise<BuildOrder> {
  const key = orderKey(buildID)
  const { body } = await api.idempotency.once(by, key, key, async () => {
    throw notFound('image', buildID)
  })
  return order.parse(body)
}

/** Begins the build, or does nothing if the very same was asked for before. */
export async function beginBuild(
  api: SpawnpointApi,
  by: Principal,
  buildID: string,
  request: BuildImageRequest,
): Promise<void> {
  const hash = createHash('sha256').update(JSON.stringify(request)).digest('hex')
  const labels = { [BUILD_LABEL]: buildID }
  await api.idempotency.once(by, `e2b-start:${buildID}`, hash, async (tied) => {
    const { value } = await api.images.build(tied, { ...request, labels })
    return { status: 202, body: value.id }
  })
}

/** The image of a build that began; `null` if it has not. Rejects `not_found` if nobody asked for it. */
export async function imageOfBuild(api: SpawnpointApi, by: Principal, buildID: string): Promise<Image | null> {
  const begun = await api.images.list(by, { labels: { [BUILD_LABEL]: buildID } }, { limit: 1 })
  if (begun.items[0] !== undefined) return begun.items[0]
  const id = idOfBuild(buildID)
  if (id !== null) {
    const made = await api.images.get(by, id).catch(noImage) // by another door
    if (made !== null) return made
  }
  await orderOf(api, by, buildID)
  return null
}

const LOG_PAGE = 1000

/** All that a build said. */
export async function wholeLog(api: SpawnpointApi, by: Principal, image: Image): Promise<BuildLogEntry[]> {
  const entries: BuildLogEntry[] = []
  for (;;) {
    const page = await api.images.log(by, image.id, { offset: entries.length, limit: LOG_PAGE })
    entries.push(...page)
    if (page.length < LOG_PAGE) return entries
  }
}

function noImage(error: unknown): null {
  if (isCode(error, 'not_found')) return null
  throw error
}

function orderKey(buildID: string): string {
  return `e2b-build:${buildID}`
}
