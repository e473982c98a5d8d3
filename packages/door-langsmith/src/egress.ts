import { invalidArgument, type NetworkPolicy, type Sandbox } from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { ruleSchema, rulesJson } from './credential-rules.ts'
import { unsupported } from './errors.ts'

const hosts = optional(z.array(z.string().min(1).max(255)).max(256))

export const proxyConfigSchema = z.object({
  rules: optional(z.array(ruleSchema).max(256)),
  callbacks: optional(z.array(z.unknown()).max(256)),
  no_proxy: optional(z.array(z.string())),
  access_control: optional(z.object({ allow_list: hosts, deny_list: hosts })),
})

const OPEN = { internet: true, allow: [], allowDomains: [], deny: [], precedence: 'deny' } as const

export type ProxyConfigBody = z.output<typeof proxyConfigSchema>

/** Which hosts may be reached; what goes into requests to them is `credentialsOf`. */
export function networkOf(config: ProxyConfigBody | undefined): Partial<NetworkPolicy> | undefined {
  if (config === undefined) return undefined
  if (config.callbacks !== undefined && config.callbacks.length > 0) throw unsupported('proxy_config.callbacks')
  const allowed = config.access_control?.allow_list ?? []
  const denied = config.access_control?.deny_list ?? []
  if (allowed.length > 0 && denied.length > 0)
    throw invalidArgument('body.proxy_config.access_control', 'has either allow_list or deny_list')
  for (const host of [...allowed, ...denied]) {
    if (host.startsWith('~')) throw unsupported(`access_control: the expression ${host.slice(0, 64)}`)
    if (/:\d+$/.test(host)) throw unsupported(`access_control: the port of ${host.slice(0, 64)}`)
  }
  return {
    ...OPEN,
    allow: allowed.filter(isAddress),
    allowDomains: allowed.filter((host) => !isAddress(host)),
    deny: denied.filter(isAddress),
    denyDomains: denied.filter((host) => !isAddress(host)),
  }
}

export function proxyConfigJson({ network, credentials }: Pick<Sandbox, 'network' | 'credentials'>) {
  const access = accessControlJson(network)
  return { rules: rulesJson(credentials), ...(access === null ? {} : { access_control: access }) }
}

function accessControlJson({ allow, allowDomains, deny, denyDomains = [] }: NetworkPolicy) {
  const shown = (cidrs: readonly string[]) => cidrs.map((cidr) => cidr.replace(/\/32$/, ''))
  const allowed = [...shown(allow), ...allowDomains]
  if (allowed.length > 0) return { allow_list: allowed }
  const denied = [...shown(deny), ...denyDomains]
  return denied.length > 0 ? { deny_list: denied } : null
}

function isAddress(host: string): boolean {
  return /^[\d.]+(\/\d+)?$/.test(host)
}
