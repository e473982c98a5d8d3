import type { Principal, Sandbox, SpawnpointApi, Volume } from '@spawnpoint/core'
import { type AnyRoute, everyPage, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { checkTeam } from '../create-request.ts'
import { idParam, ok, once, paginated, teamPageQuery } from '../envelope.ts'
import { coreName, shownName } from '../names.ts'
import { isRegion, REGION } from '../region.ts'
import { attachedTo, GIB } from '../volumes.ts'

const params = z.object({ id: idParam('volume') })

const createSchema = z.object({
  name: z.string().regex(/^[a-z0-9-]{1,40}$/, '1 to 40 lower-case letters, digits and hyphens'),
  sizeGB: z.number().int().min(10).max(50),
  region: optional(z.string().max(64).refine(isRegion, 'there is no such region')),
  type: optional(z.enum(['sandbox', 'web'])),
  teamId: optional(idParam('team')),
})

export function volumeRoutes(api: SpawnpointApi): AnyRoute[] {
  const shown = async (by: Principal, volume: Volume) => volumeJson(volume, await attachedTo(api, by, volume.id))
  return [
    route({
      method: 'GET',
      path: '/volumes',
      query: teamPageQuery,
      handle: async ({ by, query }) => {
        checkTeam(by, query.teamId)
        const all = await everyPage((page) => api.volumes.list(by, {}, page))
        const { data, ...counts } = paginated(all, query, (volume) => shown(by, volume))
        return ok({ data: await Promise.all(data), ...counts }, 'Volumes fetched')
      },
    }),
    route({
      method: 'POST',
      path: '/volumes',
      body: createSchema,
      handle: (call) =>
        once(api, call, async (by) => {
          const { name, sizeGB, teamId } = call.body
          checkTeam(by, teamId)
          const volume = await api.volumes.create(by, { name: coreName(name), sizeBytes: sizeGB * GIB })
          return ok(volumeJson(volume, null), 'Volume created', 201)
        }),
    }),
    route({
      method: 'GET',
      path: '/volumes/:id',
      params,
      handle: async ({ by, params: { id } }) => ok(await shown(by, await api.volumes.get(by, id)), 'Volume fetched'),
    }),
    route({
      method: 'DELETE',
      path: '/volumes/:id',
      params,
      handle: (call) =>
        once(api, call, async (by) => {
          await api.volumes.delete(by, call.params.id)
          return { status: 204 }
        }),
    }),
  ]
}

function volumeJson({ id, name, sizeBytes, createdAt }: Volume, user: Sandbox | null) {
  const mount = user?.volumes.find(({ volumeId }) => volumeId === id)
  return {
    id,
    name: shownName(name),
    type: 'sandbox',
    team: null,
    volume_handle: id,
    csi_volume_id: id,
    size: Math.round(sizeBytes / GIB),
    region: REGION,
    mount_path: mount?.path ?? null,
    attached_sandbox_id: user?.id ?? null,
    attached_project_id: null,
    last_attached_at: user?.createdAt.toISOString() ?? null,
    created_at: createdAt.toISOString(),
    updated_at: (user?.createdAt ?? createdAt).toISOString(),
  }
}
