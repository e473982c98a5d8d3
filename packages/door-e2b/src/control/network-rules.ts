import {
  type CredentialHeader,
  type CredentialHeaderRequest,
  type CredentialRule,
  type CredentialRuleRequest,
  invalidArgument,
} from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'

/** By host: headers that take the place of what a request to it has under these names. */
export const rulesSchema = z.record(
  z.string().max(256),
  z.array(z.object({ transform: optional(z.object({ headers: optional(z.record(z.string(), z.string())) })) })).max(64),
)

export type Rules = z.output<typeof rulesSchema>

/** Names of the credential rules that are ours; those of other doors stay when ours are replaced. */
const PREFIX = 'e2b:'
const SECRET = /\$\{e2b\.secrets\.([^{}]*)\}/g
/** As the core's templates name one */
const REFERENCE = /\{([^{}]*)\}/g

/**
 * What is asked for as credential rules. Of a host's rules each overrides the one before; names of hosts come before patterns,
 * longer patterns before shorter ones, and only the first that fits is used. What is given in plain text is told again.
 */
export function credentialsOf(rules: Rules | undefined): CredentialRuleRequest[] {
  const hosts = Object.entries(rules ?? {}).map(([host, list]) => [host.toLowerCase(), list] as const)
  const seen = new Set<string>()
  for (const [host] of hosts) {
    if (seen.has(host)) throw invalidArgument('network.rules', `${host} is there twice`)
    seen.add(host)
  }
  return hosts
    .toSorted(([a], [b]) => byPrecision(a, b))
    .map(([host, list]) => {
      const headers = new Map<string, CredentialHeaderRequest>()
      for (const { transform } of list)
        for (const [name, value] of Object.entries(transform?.headers ?? {}))
          headers.set(name.toLowerCase(), headerOf(name, value))
      // With nothing to put in, requests go their own way.
      const enabled = headers.size > 0
      return { name: `${PREFIX}${host}`.slice(0, 128), enabled, hosts: [host], headers: [...headers.values()] }
    })
}

/** Names before patterns, longer patterns before shorter ones. */
export function byPrecision(a: string, b: string): number {
  return rankOf(a) - rankOf(b) || b.length - a.length
}

function rankOf(host: string): number {
  return host.startsWith('*') ? 1 : 0
}

function headerOf(name: string, value: string): CredentialHeaderRequest {
  const rest = value.replace(SECRET, '')
  if (rest.includes('${e2b.identity.')) {
    throw invalidArgument('network.rules', 'workload identity tokens are not supported by this server')
  }
  if (rest === value) return { name, value, secret: false }
  if (/[{}]/.test(rest)) throw invalidArgument('network.rules', `${name}: no braces beside those of a secret`)
  return { name, template: value.replace(SECRET, '{$1}') }
}

/** Ours in the place of those that there were, beside those of other doors, whose secrets stay. */
export function replacedRules(
  before: readonly CredentialRule[],
  rules: Rules | undefined,
): CredentialRuleRequest[] | undefined {
  const others = before.filter(({ name }) => !name.startsWith(PREFIX))
  const next = credentialsOf(rules)
  if (next.length === 0 && others.length === before.length) return undefined
  return [...others.map(kept), ...next]
}

function kept({ auth, ...rule }: CredentialRule): CredentialRuleRequest {
  const headers = rule.headers.map(keptHeader)
  return { ...rule, headers, ...(auth && { auth: { ...auth, values: auth.values.map(keptHeader) } }) }
}

/** A header as it is asked for again; of what is sealed only the name can be. */
function keptHeader(header: CredentialHeader): CredentialHeaderRequest {
  if ('value' in header) return { name: header.name, value: header.value, secret: false }
  if ('template' in header) return { name: header.name, template: header.template }
  return { name: header.name }
}

/** Rules as they were asked for, `undefined` without any. */
export function rulesJson(credentials: readonly CredentialRule[]) {
  const ours = credentials.filter(({ name }) => name.startsWith(PREFIX))
  if (ours.length === 0) return undefined
  return Object.fromEntries(
    ours.flatMap(({ hosts, headers }) =>
      hosts.map((host) => [host, headers.length === 0 ? [] : [{ transform: { headers: headersJson(headers) } }]]),
    ),
  )
}

function headersJson(headers: CredentialHeader[]): Record<string, string> {
  return Object.fromEntries(
    headers.flatMap((header) => {
      if ('template' in header)
        return [[header.name, header.template.replace(REFERENCE, (_, name: string) => `\${e2b.secrets.${name}}`)]]
      return 'value' in header ? [[header.name, header.value]] : []
    }),
  )
}
