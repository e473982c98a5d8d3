import { invalidArgument, isCode, type Principal, type Sandbox } from '@spawnpoint/core'
import { type AnyRoute, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import type { DoorContext } from '../door-context.ts'
import { listSandboxes } from '../list-sandboxes.ts'
import { metadataOf } from '../metadata-query.ts'
import { limit, nextToken } from '../schemas.ts'
import type { ShownState } from '../states.ts'
import { templateLookup } from '../template-names.ts'
import { templateOfRef } from '../template-refs.ts'
import { listedJson } from '../translate.ts'

const LIMIT = 100

const metadata = optional(z.string().max(64 * 1024))
/** One parameter with commas between the states, or one for each. */
const states = optional(
  z
    .union([z.string(), z.array(z.string())])
    .transform((given) => [given].flat().flatMap((text) => text.split(',')))
    .pipe(z.array(z.enum(['running', 'paused']))),
)

export function listRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  return [
    route({
      method: 'GET',
      path: '/sandboxes',
      query: z.object({ metadata }),
      handle: async (call) => {
        const labels = call.query.metadata === undefined ? undefined : metadataOf(call.query.metadata)
        const templates = templateLookup(api, call.by)
        const { items } = await listSandboxes(api, call.by, {
          labels,
          states: ['running'],
          order: 'desc',
          limit: Number.POSITIVE_INFINITY,
        })
        return {
          status: 200,
          body: await Promise.all(items.map((sandbox) => listedJson(context, templates, sandbox, call.by))),
        }
      },
    }),
    route({
      method: 'GET',
      path: '/v2/sandboxes',
      query: z.object({
        metadata,
        state: states,
        startedAfter: optional(z.iso.datetime({ offset: true }).transform((text) => new Date(text))),
        template: optional(z.string().min(1).max(256)),
        order: optional(z.enum(['asc', 'desc'])),
        limit,
        nextToken,
      }),
      handle: async (call) => {
        const { query } = call
        const shown: ShownState[] = query.state ?? ['running', 'paused']
        const templates = templateLookup(api, call.by)
        const page = await listSandboxes(api, call.by, {
          labels: query.metadata === undefined ? undefined : metadataOf(query.metadata),
          states: shown,
          startedAfter: query.startedAfter,
          only: query.template === undefined ? undefined : await madeFrom(call.by, query.template),
          order: query.order ?? 'desc',
          limit: query.limit ?? LIMIT,
          nextToken: query.nextToken,
        })
        return {
          status: 200,
          body: await Promise.all(page.items.map((sandbox) => listedJson(context, templates, sandbox, call.by))),
          headers: {
            ...(page.nextToken === null ? {} : { 'x-next-token': page.nextToken }),
            ...(shown.includes('running') ? { 'x-total-running': String(page.running) } : {}),
          },
        }
      },
    }),
  ]

  async function madeFrom(by: Principal, ref: string): Promise<(sandbox: Sandbox) => Promise<boolean>> {
    if (ref.includes(':')) throw invalidArgument('template', 'an id or a name without a tag')
    const templates = templateLookup(api, by)
    const wanted = await templateOfRef(api, by, ref).catch((error: unknown) => {
      if (isCode(error, 'not_found')) return null // nothing was made from what is not there
      throw error
    })
    return async (sandbox) => wanted !== null && (await templates(sandbox)).templateID === wanted
  }
}
