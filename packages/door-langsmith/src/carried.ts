import type { CredentialHeader, Env, Labels, Sandbox } from '@spawnpoint/core'
import { invalidArgument } from '@spawnpoint/core'
import { z } from 'zod'
import { jsonOf, OWN, usersLabels } from './labels.ts'
import { ownEnvNames, withoutOwn } from './own-env.ts'

const SETTINGS = ['mounts', 'proxy_config', 'env_vars', 'resources', 'lifecycle', 'labels'] as const
type Setting = (typeof SETTINGS)[number]

export const includeSchema = z.array(z.enum(['all', ...SETTINGS])).max(7)

/** What its owner sets of a sandbox's life. */
const lifecycleSchema = z.object({ idle: z.number(), after: z.number(), memory: z.boolean() })
type Lifecycle = z.output<typeof lifecycleSchema>

/** Settings of a box that a snapshot of it carries, with what the snapshot is to have for that. */
export function carried(
  { env, credentials, remotes, timeout, labels }: Sandbox,
  include: z.output<typeof includeSchema>,
  confirmed: boolean,
): { labels: Labels; env: Env; credentials: boolean; remotes: boolean } {
  const settings = new Set<Setting>(include.includes('all') ? SETTINGS : include.filter((one) => one !== 'all'))
  const isLiteral = (one: CredentialHeader) => 'sealed' in one
  const literal =
    (settings.has('env_vars') && ownEnvNames(labels).size > 0) ||
    (settings.has('mounts') && remotes.some(({ auth }) => auth?.values.some(isLiteral))) ||
    (settings.has('proxy_config') &&
      credentials.some(({ headers, auth }) => [...headers, ...(auth?.values ?? [])].some(isLiteral)))
  if (literal && !confirmed)
    throw invalidArgument(
      'body.confirm_allow_snapshot_secret_values',
      'must be true: what is included holds values that every sandbox of the snapshot can use',
    )
  const lifecycle: Lifecycle = {
    idle: seconds(timeout.idleTimeoutMs),
    after: seconds(timeout.deleteAfterMs),
    memory: timeout.onTimeout === 'pause',
  }
  return {
    labels: {
      ...(settings.has('labels') ? usersLabels(labels) : {}),
      ...(settings.has('lifecycle') ? { [OWN.lifecycle]: JSON.stringify(lifecycle) } : {}),
      ...(settings.has('env_vars') ? label(labels, OWN.ownEnv) : {}),
      ...(settings.has('proxy_config') ? label(labels, OWN.proxyDescription) : {}),
      ...(settings.size > 0 ? { [OWN.included]: SETTINGS.filter((one) => settings.has(one)).join(',') } : {}),
    },
    env: settings.has('env_vars') ? env : withoutOwn(env, labels),
    credentials: settings.has('proxy_config'),
    remotes: settings.has('mounts'),
  }
}

function label(labels: Labels, key: string): Labels {
  const text = labels[key]
  return text === undefined ? {} : { [key]: text }
}

export function includedOf(labels: Labels): string[] {
  return labels[OWN.included]?.split(',') ?? []
}

/** What boxes of the snapshot have where their requests say nothing. */
export function lifecycleOf(labels: Labels): Partial<Lifecycle> {
  return lifecycleSchema.safeParse(jsonOf(labels[OWN.lifecycle])).data ?? {}
}

function seconds(ms: number | null): number {
  return ms === null ? 0 : Math.ceil(ms / 1000)
}
