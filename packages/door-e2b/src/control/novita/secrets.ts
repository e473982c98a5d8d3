import {
  type CredentialRuleRequest,
  invalidArgument,
  isCode,
  type Principal,
  type Secret,
  type SpawnpointApi,
} from '@spawnpoint/core'
import { type AnyRoute, everyPage, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import type { DoorContext } from '../door-context.ts'
import { byPrecision } from '../network-rules.ts'

/** Names of the credential rules that are ours */
const PREFIX = 'novita:'
/** Label that holds what a secret is for */
const DESCRIPTION = 'description'

const params = z.object({ id: z.string().min(1).max(128) })
const written = {
  value: z.string(),
  hosts: z.array(z.string()).min(1).max(64),
  // What is `null` is taken away, what is absent stays.
  description: z.string().max(256).nullable().optional(),
}

/** Values for named hosts. Processes of sandboxes have placeholders in their variables, requests to the hosts the values. */
export function novitaSecretRoutes({ api }: DoorContext): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/secrets',
      body: z.object({ name: z.string(), ...written }),
      handle: async ({ by, body: { name, value, hosts, description } }) => {
        const labels = labelsOf(description)
        const secret = await api.secrets.set(by, name, { value, hosts, labels, exists: false })
        return { status: 201, body: bindingJson(secret) }
      },
    }),
    route({
      method: 'GET',
      path: '/secrets',
      handle: async ({ by }) => {
        const all = await everyPage((page) => api.secrets.list(by, {}, page))
        return { status: 200, body: { secrets: all.map(bindingJson) } }
      },
    }),
    route({
      method: 'GET',
      path: '/secrets/:id',
      params,
      handle: async ({ by, params: { id } }) => ({ status: 200, body: bindingJson(await api.secrets.get(by, id)) }),
    }),
    route({
      method: 'PUT',
      path: '/secrets/:id',
      params,
      body: z.object(written),
      handle: async ({ by, params: { id }, body: { value, hosts, description } }) => {
        const { name } = await api.secrets.get(by, id)
        const labels = labelsOf(description)
        const secret = await api.secrets.set(by, name, { value, hosts, labels, exists: true })
        return { status: 200, body: bindingJson(secret) }
      },
    }),
    route({
      method: 'DELETE',
      path: '/secrets/:id',
      params,
      handle: async ({ by, params: { id } }) => {
        const { name } = await api.secrets.get(by, id)
        await api.secrets.delete(by, id)
        return { status: 200, body: { deleted: name } }
      },
    }),
  ]
}

/** What is not said stays. */
function labelsOf(description: string | null | undefined): Record<string, string> | undefined {
  if (description === undefined) return undefined
  return description === null || description === '' ? {} : { [DESCRIPTION]: description }
}

function bindingJson(secret: Secret) {
  return {
    name: secret.name,
    hosts: secret.hosts,
    placeholder: placeholderOf(secret),
    description: secret.labels[DESCRIPTION] ?? null,
    hasSecret: true,
    status: 'active',
    updatedAt: secret.updatedAt.toISOString(),
  }
}

/** Another for a secret that is made anew under the name of one that is gone. */
function placeholderOf({ id }: Secret): string {
  return `novita_secret_${id}`
}

/**
 * Rules for a sandbox whose variables are to have these secrets, by variable. Only one rule counts for a request: each host has
 * one, with all secrets that may go there. Rejects `invalid_argument` for a secret that is not there or is for no hosts.
 */
export async function secretRules(
  api: SpawnpointApi,
  by: Principal,
  asked: Record<string, string>,
  env: Record<string, string>,
): Promise<CredentialRuleRequest[]> {
  const variables: Record<string, string> = {}
  const byId = new Map<string, Secret>()
  for (const [variable, name] of Object.entries(asked)) {
    if (Object.hasOwn(env, variable)) throw invalidArgument('secrets', `${variable} is in envVars too`)
    const secret = await found(api, by, name)
    if (secret.hosts.length === 0) throw invalidArgument('secrets', `the secret ${name} is for no hosts in particular`)
    variables[variable] = placeholderOf(secret)
    byId.set(secret.id, secret)
  }
  const secrets = [...byId.values()]
  const hosts = [...new Set(secrets.flatMap((secret) => secret.hosts))].toSorted(byPrecision)
  return hosts.map((host, at) => ({
    name: `${PREFIX}${host}`.slice(0, 128),
    hosts: [host],
    headers: [],
    auth: {
      type: 'placeholders',
      values: secrets
        .filter((secret) => secret.hosts.some((one) => covers(one, host)))
        .map((secret) => ({ name: placeholderOf(secret), template: `{${secret.name}}` })),
    },
    ...(at === 0 ? { env: variables } : {}),
  }))
}

async function found(api: SpawnpointApi, by: Principal, name: string): Promise<Secret> {
  try {
    return await api.secrets.get(by, name)
  } catch (error) {
    if (isCode(error, 'not_found')) throw invalidArgument('secrets', `there is no secret ${name.slice(0, 128)}`)
    throw error
  }
}

/** All that `host` stands for, a name or `*.name`, is in `pattern`. */
function covers(pattern: string, host: string): boolean {
  return pattern === host || (pattern.startsWith('*.') && host.replace(/^\*/, '').endsWith(pattern.slice(1)))
}
