import type { Registry, SpawnpointApi } from '@spawnpoint/core'
import { type AnyRoute, everyPage, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { unsupported } from '../errors.ts'
import { listQuery, page } from '../paging.ts'

const params = z.object({ name: z.string().min(1).max(255) })
const fields = {
  username: optional(z.string()),
  password: optional(z.string()),
  auth_type: optional(z.string().max(64)),
  aws_role_arn: optional(z.string().max(2048)),
}
const createSchema = z.object({ name: z.string(), url: z.string(), ...fields })
const updateSchema = z.object({ name: optional(z.string()), url: optional(z.string()), ...fields })

const CURSOR_DEFAULT = 20

export function registryRoutes(api: SpawnpointApi): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/registries',
      body: createSchema,
      handle: async ({ by, body: { name, url, username, password, ...auth } }) => {
        refuseRoles(auth)
        return { status: 201, body: shown(await api.registries.create(by, { name, url, username, password })) }
      },
    }),
    route({
      method: 'GET',
      path: '/registries',
      query: z.object(listQuery),
      handle: async ({ by, query }) => {
        const all = await everyPage((each) => api.registries.list(by, { nameContains: query.name_contains }, each))
        const listed = all.map((registry) => ({ ...shown(registry), status: '', labels: {} }))
        const byCursor = query.cursor !== undefined || query.page_size !== undefined
        const { items, ...rest } = page(
          listed,
          query,
          { created_at: (one) => one.created_at },
          byCursor ? { defaultLimit: CURSOR_DEFAULT } : {},
        )
        const registries = items.map(({ status: _status, labels: _labels, ...registry }) => registry)
        return { status: 200, body: { registries, items: registries, ...rest } }
      },
    }),
    route({
      method: 'GET',
      path: '/registries/:name',
      params,
      handle: async ({ by, params }) => ({ status: 200, body: shown(await api.registries.get(by, params.name)) }),
    }),
    route({
      method: 'PATCH',
      path: '/registries/:name',
      params,
      body: updateSchema,
      handle: async ({ by, params, body: { name, url, username, password, ...auth } }) => {
        refuseRoles(auth)
        const updated = await api.registries.update(by, params.name, { name, url, username, password })
        return { status: 200, body: shown(updated) }
      },
    }),
    route({
      method: 'DELETE',
      path: '/registries/:name',
      params,
      handle: async ({ by, params }) => {
        await api.registries.delete(by, params.name)
        return { status: 204 }
      },
    }),
  ]
}

function refuseRoles({
  auth_type,
  aws_role_arn,
}: {
  auth_type?: string | undefined
  aws_role_arn?: string | undefined
}): void {
  if (auth_type !== undefined && auth_type !== 'DOCKER_CONFIG') throw unsupported(`auth_type ${auth_type}`)
  if (aws_role_arn !== undefined && aws_role_arn !== '') throw unsupported('aws_role_arn')
}

function shown({ id, name, url, createdAt, updatedAt }: Registry) {
  return {
    id,
    name,
    url,
    provider: providerOf(url),
    auth_type: 'DOCKER_CONFIG',
    repository_search_mode: 'NONE',
    created_at: createdAt.toISOString(),
    updated_at: updatedAt.toISOString(),
  }
}

/** Whose it is, where its host says so. */
const PROVIDERS: readonly (readonly [RegExp, string])[] = [
  [/^ghcr\.io$/, 'GHCR'],
  [/(^|\.)docker\.io$/, 'DOCKER_HUB'],
  [/\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/, 'ECR'],
  [/(\.pkg\.dev|^([a-z]+\.)?gcr\.io)$/, 'GAR'],
]

function providerOf(url: string): string {
  const [host = ''] = url.replace(/^https?:\/\//, '').split(/[/:]/, 1)
  return PROVIDERS.find(([of]) => of.test(host))?.[1] ?? 'DOCKER_REGISTRY'
}
