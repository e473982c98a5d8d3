import { invalidArgument, isCode, isId, type Principal, type Resolved, type Snapshot } from '@spawnpoint/core'
import { type AnyRoute, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { buildIdOf } from '../builds.ts'
import { deleteTemplate, notThere } from '../delete-template.ts'
import type { DoorContext } from '../door-context.ts'
import { buildUuid } from '../ids.ts'
import { novitaTemplatePage, novitaTemplateQuery, snapshotWithBuildJson } from '../novita/template-page.ts'
import { limit, nextToken, templateParams } from '../schemas.ts'
import { listTemplates, type Template, templateJson, templateWithBuildsJson } from '../template-list.ts'
import { checkTag, DEFAULT_TAG, nameRef, ownName, refIn, templateOfRef } from '../template-refs.ts'

const LIMIT = 100
const TAGS_MAX = 100
const tags = z.array(z.string().min(1)).min(1).max(TAGS_MAX)

export function templateRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context

  const update = (path: string) =>
    route({
      method: 'PATCH',
      path,
      params: templateParams,
      body: z.object({ public: optional(z.boolean()) }),
      handle: async (call) => {
        if (call.body.public === true)
          throw invalidArgument('public', 'a template of this server belongs to one team alone')
        const { name } = await template(call.by, call.params.id)
        return { status: 200, body: { names: [`${(await api.keys.team(call.by)).name}/${name.name}`] } }
      },
    })

  return [
    route({
      method: 'GET',
      path: '/templates',
      handle: async (call) => {
        const team = (await api.keys.team(call.by)).name
        const all = await listTemplates(api, call.by)
        return { status: 200, body: all.map((one) => templateJson(api, team, one)) }
      },
    }),
    route({
      method: 'GET',
      path: '/v2/templates',
      query: z.union([novitaTemplateQuery, z.object({ limit, nextToken })]),
      handle: async (call) => {
        if ('template_type' in call.query) return novitaTemplatePage(api, call.by, call.query)
        const team = (await api.keys.team(call.by)).name
        const page = pageOf(await listTemplates(api, call.by), call.query, ({ name }) => name.id)
        return { ...page, body: page.items.map((one) => templateJson(api, team, one)) }
      },
    }),
    route({
      method: 'GET',
      path: '/templates/:id',
      params: templateParams,
      query: z.object({ limit, nextToken }),
      handle: async (call) => {
        const snapshot = await snapshotOf(call.by, call.params.id)
        if (snapshot !== null) return { status: 200, body: await snapshotWithBuildJson(api, call.by, snapshot) }
        const team = (await api.keys.team(call.by)).name
        const found = await template(call.by, call.params.id)
        const page = pageOf(found.images, call.query, ({ id }) => id)
        return { ...page, body: templateWithBuildsJson(api, team, found, page.items) }
      },
    }),
    route({
      method: 'DELETE',
      path: '/templates/:id',
      params: templateParams,
      handle: async (call) => {
        await deleteTemplate(api, call.by, call.params.id)
        return { status: 204 }
      },
    }),
    update('/templates/:id'),
    update('/v2/templates/:id'),
    route({
      method: 'GET',
      path: '/templates/aliases/:id',
      params: templateParams,
      handle: async (call) => {
        const templateID = await named(call.params.id, templateOfRef(api, call.by, call.params.id))
        return { status: 200, body: { templateID, public: false } }
      },
    }),
    route({
      method: 'GET',
      path: '/templates/:id/tags',
      params: templateParams,
      handle: async (call) => ({ status: 200, body: await tagList(call.by, call.params.id) }),
    }),
    route({
      method: 'GET',
      path: '/templates/:id/tags/count',
      params: templateParams,
      handle: async (call) => ({ status: 200, body: { total: (await tagList(call.by, call.params.id)).length } }),
    }),
    route({
      method: 'GET',
      path: '/templates/:id/tags/exists',
      params: templateParams,
      query: z.object({ tag: z.string().min(1).max(128) }),
      handle: async (call) => {
        const normalizedTag = call.query.tag.toLowerCase()
        const tags = await tagList(call.by, call.params.id)
        return { status: 200, body: { exists: tags.some(({ tag }) => tag === normalizedTag), normalizedTag } }
      },
    }),
    route({
      method: 'POST',
      path: '/templates/tags',
      body: z.object({ target: z.string().min(1).max(256), tags }),
      handle: async (call) => {
        const given = call.body.tags.map((tag) => tag.toLowerCase())
        for (const tag of given) checkTag('tags', tag)
        const { name } = await ownName(api, call.by, call.body.target)
        const target = await named(call.body.target, api.resolve(call.by, await refIn(api, call.by, call.body.target)))
        await api.names.ensure(call.by, name)
        await api.names.tag(
          call.by,
          name,
          given,
          'image' in target ? { imageId: target.image.id } : { snapshotId: target.snapshot.id },
        )
        return { status: 201, body: { buildID: buildOf(target).buildID, tags: given } }
      },
    }),
    route({
      method: 'DELETE',
      path: '/templates/tags',
      body: z.object({ name: z.string().min(1).max(256), tags }),
      handle: async (call) => {
        if (call.body.tags.includes(DEFAULT_TAG)) throw invalidArgument('tags', `the tag '${DEFAULT_TAG}' stays`)
        const { name } = await ownName(api, call.by, call.body.name)
        await named(name, api.names.untag(call.by, name, call.body.tags))
        return { status: 204 }
      },
    }),
  ]

  /** What is called by its own id: of a name its images are shown. */
  async function snapshotOf(by: Principal, text: string): Promise<Snapshot | null> {
    const { name: id } = nameRef(text)
    if (!isId(id)) return null
    const found = await unless404(api.resolve(by, text))
    return found !== null && 'snapshot' in found && found.snapshot.id === id ? found.snapshot : null
  }

  async function template(by: Principal, text: string): Promise<Template> {
    const { name } = await ownName(api, by, text)
    const found = (await listTemplates(api, by)).find((one) => one.name.id === name || one.name.name === name)
    if (found === undefined) throw notThere(text)
    return found
  }

  async function tagList(by: Principal, text: string) {
    const { name } = await ownName(api, by, text)
    const set = (await unless404(api.names.tags(by, name))) ?? []
    const entries = await Promise.all(
      set.map(async ({ tag, imageId, snapshotId, createdAt }) => ({
        tag,
        buildID: imageId === null ? buildUuid(snapshotId ?? '') : buildIdOf(await api.images.get(by, imageId)),
        createdAt: createdAt.toISOString(),
      })),
    )
    if (entries.some(({ tag }) => tag === DEFAULT_TAG)) return entries
    // Without a tag of that name it is the latest that is meant by it.
    const target = await unless404(api.resolve(by, name))
    if (target === null && entries.length === 0) throw notThere(text)
    return target === null ? entries : [...entries, { tag: DEFAULT_TAG, ...buildOf(target) }]
  }
}

function buildOf(target: Resolved): { buildID: string; createdAt: string } {
  const buildID = 'image' in target ? buildIdOf(target.image) : buildUuid(target.snapshot.id)
  const { readyAt, createdAt } = 'image' in target ? target.image : target.snapshot
  return { buildID, createdAt: (readyAt ?? createdAt).toISOString() }
}

/** Newest first, by id. */
function pageOf<T>(
  all: readonly T[],
  { limit: most = LIMIT, nextToken: after }: { limit?: number | undefined; nextToken?: string | undefined },
  idOf: (item: T) => string,
) {
  if (after !== undefined && !isId(after)) throw invalidArgument('nextToken', 'not one that this server gave')
  const rest = all
    .toSorted((a, b) => (idOf(a) < idOf(b) ? 1 : -1))
    .filter((item) => after === undefined || idOf(item) < after)
  const items = rest.slice(0, most)
  const last = items.at(-1)
  const more = last !== undefined && rest.length > items.length
  return { status: 200, items, headers: more ? { 'x-next-token': idOf(last) } : {} }
}

async function unless404<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    if (isCode(error, 'not_found')) return null
    throw error
  }
}

/** What is not there is said to be missing as a template, whatever it is in the core. */
async function named<T>(text: string, work: Promise<T>): Promise<T> {
  const found = await unless404(work.then((value) => ({ value })))
  if (found === null) throw notThere(text)
  return found.value
}
