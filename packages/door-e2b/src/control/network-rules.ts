import {
  type CredentialHeader,
  type CredentialHeaderRequest,
  type CredentialRule,
  type CredentialRuleRequest,
  invalidArgument,
} from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { audiencesIn } from './iam-tokens.ts'

/** By host: headers that take the place of what a request to it has under these names. */
export const rulesSchema = z.record(
  z.string().max(256),
  z.array(z.object({ transform: optional(z.object({ headers: optional(z.record(z.string(), z.string())) })) })).max(64),
)

export type Rules = z.output<typeof rulesSchema>

/** Names of the credential rules that are ours; those of other doors stay when ours are replaced. */
const PREFIX = 'e2b:'
const TOKEN_MARK = '${e2b.identity.tokens.'
const TOKEN = /\$\{e2b\.identity\.tokens\.([^{}]*)\}/g
const SECRET = /\$\{e2b\.secrets\.([^{}]*)\}/g
/** As the core's templates name one */
const REFERENCE = /\{([^{}]*)\}/g

/**
 * What is asked for as credential rules. Of a host's rules each overrides the one before; names of hosts come before patterns,
 * longer patterns before shorter ones, and only the first that fits is used. What is given in plain text is told again.
 * `audiences` are those of the sandbox's tokens, by name.
 */
export function credentialsOf(
  rules: Rules | undefined,
  audiences: Record<string, string> = {},
): CredentialRuleRequest[] {
  const hosts = Object.entries(rules ?? {}).map(([host, list]) => [host.toLowerCase(), list] as const)
  const seen = new Set<string>()
  for (const [host] of hosts) {
    if (seen.has(host)) throw invalidArgument('network.rules', `${host} is there twice`)
    seen.add(host)
  }
  return hosts
    .toSorted(([a], [b]) => byPrecision(a, b))
    .map(([host, list]) => {
      const given = new Map<string, readonly [name: string, value: string]>()
      for (const { transform } of list)
        for (const one of Object.entries(transform?.headers ?? {})) given.set(one[0].toLowerCase(), one)
      const all = [...given.values()]
      const headers = all
        .filter(([, value]) => !value.includes(TOKEN_MARK))
        .map(([name, value]) => headerOf(name, value))
      const tokenHeaders = all
        .filter(([, value]) => value.includes(TOKEN_MARK))
        .map((one) => tokenHeader(one, audiences))
      const auth = { type: 'identity' as const, audiences, tokenHeaders, values: [] }
      return {
        name: `${PREFIX}${host}`.slice(0, 128),
        // With nothing to put in, requests go their own way.
        enabled: all.length > 0,
        hosts: [host],
        headers,
        ...(tokenHeaders.length === 0 ? {} : { auth }),
      }
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
  if (rest === value) return { name, value, secret: false }
  if (/[{}]/.test(rest)) throw invalidArgument('network.rules', `${name}: no braces beside those of a secret`)
  return { name, template: value.replace(SECRET, '{$1}') }
}

/** A header with tokens that say who the sandbox is. */
function tokenHeader([name, value]: readonly [string, string], audiences: Record<string, string>) {
  if (/[{}]/.test(value.replace(TOKEN, ''))) {
    throw invalidArgument('network.rules', `${name}: nothing else in braces beside an identity's token`)
  }
  const template = value.replace(TOKEN, (_, token: string) => {
    if (Object.hasOwn(audiences, token)) return `{${token}}`
    throw invalidArgument('network.rules', `the sandbox was made without an identity token ${token.slice(0, 128)}`)
  })
  return { name, template }
}

/** Ours in the place of those that there were, beside those of other doors, whose secrets stay. */
export function replacedRules(
  before: readonly CredentialRule[],
  rules: Rules | undefined,
): CredentialRuleRequest[] | undefined {
  const others = before.filter(({ name }) => !name.startsWith(PREFIX))
  const next = credentialsOf(rules, audiencesIn(before))
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
    ours.flatMap(({ hosts, headers: plain, auth }) => {
      const tokens = auth?.type === 'identity' ? auth.tokenHeaders : []
      const headers = { ...headersJson(plain), ...tokensJson(tokens) }
      return hosts.map((host) => [host, Object.keys(headers).length === 0 ? [] : [{ transform: { headers } }]])
    }),
  )
}

function tokensJson(headers: readonly { name: string; template: string }[]): Record<string, string> {
  const shown = (template: string) => template.replace(REFERENCE, (_, name: string) => `${TOKEN_MARK}${name}}`)
  return Object.fromEntries(headers.map(({ name, template }) => [name, shown(template)]))
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
