import type { Secret } from '@spawnpoint/core'
import { type AnyRoute, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import type { DoorContext } from '../door-context.ts'
import { limit, nextToken } from '../schemas.ts'

const LIMIT = 100
const params = z.object({ id: z.string().min(1).max(256) })
const value = z.string()
const metadata = optional(z.record(z.string(), z.string()))

/** Values that rules of sandboxes refer to by name; they go in and never come out. */
export function secretRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/secrets',
      body: z.object({ name: z.string(), value, metadata }),
      handle: async ({ by, body: { name, value, metadata: labels } }) => ({
        status: 201,
        body: secretJson(await api.secrets.set(by, name, { value, labels, exists: false })),
      }),
    }),
    route({
      method: 'GET',
      path: '/secrets',
      query: z.object({ limit, nextToken }),
      handle: async ({ by, query: { limit: most = LIMIT, nextToken: after } }) => {
        const page = await api.secrets.list(by, {}, { limit: most, after })
        return {
          status: 200,
          body: page.items.map(secretJson),
          headers: page.next === null ? {} : { 'x-next-token': page.next },
        }
      },
    }),
    route({
      method: 'GET',
      path: '/secrets/:id',
      params,
      handle: async ({ by, params: { id } }) => ({ status: 200, body: secretJson(await api.secrets.get(by, id)) }),
    }),
    route({
      method: 'POST',
      path: '/secrets/:id',
      params,
      body: z.object({ value, metadata }),
      handle: async ({ by, params: { id }, body: { value, metadata: labels } }) => {
        const { name, hosts } = await api.secrets.get(by, id)
        // Where it may be sent is another door's to say, and stays.
        const secret = await api.secrets.set(by, name, { value, hosts, labels, exists: true })
        return { status: 200, body: secretJson(secret) }
      },
    }),
    route({
      method: 'DELETE',
      path: '/secrets/:id',
      params,
      handle: async ({ by, params: { id } }) => {
        await api.secrets.delete(by, id)
        return { status: 204 }
      },
    }),
  ]
}

function secretJson({ id, name, version, labels, createdAt, updatedAt }: Secret) {
  return {
    secretID: id,
    name,
    currentVersion: version,
    metadata: labels,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  }
}
