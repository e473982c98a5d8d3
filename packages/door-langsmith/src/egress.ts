import { invalidArgument, type Labels, type NetworkPolicy, type Sandbox } from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { callbackSchema, callbacksJson } from './credential-auth.ts'
import { ruleSchema, rulesJson } from './credential-rules.ts'
import { OWN } from './labels.ts'

const hosts = optional(z.array(z.string().min(1).max(255)).max(256))

export const proxyConfigSchema = z.object({
  rules: optional(z.array(ruleSchema).max(256)),
  callbacks: optional(z.array(callbackSchema).max(64)),
  description: optional(z.string().max(1024)),
  no_proxy: optional(z.array(z.string())),
  access_control: optional(z.object({ allow_list: hosts, deny_list: hosts })),
})

const WEB = [80, 443]
const OPEN = { internet: true, allow: [], allowDomains: [], deny: [], precedence: 'deny' } as const

export type ProxyConfigBody = z.output<typeof proxyConfigSchema>

/** Which hosts may be reached; what goes into requests to them is `credentialsOf`. */
export function networkOf(config: ProxyConfigBody | undefined): Partial<NetworkPolicy> | undefined {
  if (config === undefined) return undefined
  const allowed = config.access_control?.allow_list ?? []
  const denied = config.access_control?.deny_list ?? []
  if (allowed.length > 0 && denied.length > 0)
    throw invalidArgument('body.proxy_config.access_control', 'has either allow_list or deny_list')
  return {
    ...OPEN,
    // An address is allowed for HTTP and TLS alone, unless it has a port, and denied on all.
    allow: allowed.filter(isAddress).flatMap((host) => (hasPort(host) ? [host] : WEB.map((port) => `${host}:${port}`))),
    allowDomains: allowed.filter((host) => !isAddress(host)),
    deny: denied.filter(isAddress),
    denyDomains: denied.filter((host) => !isAddress(host)),
  }
}

/** What is kept of it as a label; `null` for what is to be taken off. */
export function descriptionLabel(config: ProxyConfigBody | undefined): Record<string, string | null> {
  if (config === undefined) return {}
  return { [OWN.proxyDescription]: config.description ? onOneLine(config.description) : null }
}

/** Labels have no control characters. */
function onOneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is written another way
  return text.replace(/[\u0000-\u001f\u007f\\]/g, (one) => `\\${one.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

function asGiven(line: string): string {
  return line.replace(/\\([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}

export function proxyConfigJson({
  network,
  credentials,
  labels,
}: Pick<Sandbox, 'network' | 'credentials'> & { labels: Labels }) {
  const access = accessControlJson(network)
  const callbacks = callbacksJson(credentials)
  const description = labels[OWN.proxyDescription]
  return {
    ...(description === undefined ? {} : { description: asGiven(description) }),
    rules: rulesJson(credentials),
    ...(callbacks.length === 0 ? {} : { callbacks }),
    ...(access === null ? {} : { access_control: access }),
  }
}

function accessControlJson({ allow, allowDomains, deny, denyDomains = [] }: NetworkPolicy) {
  const allowed = [...shown(allow), ...allowDomains]
  if (allowed.length > 0) return { allow_list: allowed }
  const denied = [...shown(deny), ...denyDomains]
  return denied.length > 0 ? { deny_list: denied } : null
}

/** Addresses as they were asked for: both ports of HTTP and TLS are none. */
function shown(cidrs: readonly string[]): string[] {
  const all = new Set(cidrs.map((cidr) => cidr.replace(/\/32(?=$|:)/, '')))
  const isWeb = (host: string) => WEB.every((port) => all.has(`${host}:${port}`))
  return [...new Set([...all].map((one) => (isWeb(one.replace(/:\d+$/, '')) ? one.replace(/:(80|443)$/, '') : one)))]
}

function hasPort(host: string): boolean {
  return /:\d+$/.test(host)
}

function isAddress(host: string): boolean {
  return /^[\d.]+(\/\d+)?(:\d+)?$/.test(host)
}
