import {
  type CredentialHeaderRequest,
  type CredentialRule,
  type CredentialRuleRequest,
  invalidArgument,
} from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { unsupported } from './errors.ts'

const texts = optional(z.array(z.string().min(1).max(4096)).max(256))

const headerSchema = z.object({
  name: z.string().min(1).max(128),
  type: optional(z.enum(['plaintext', 'opaque', 'workspace_secret'])),
  value: optional(z.string()),
})

/** Whatever else than headers a rule may bring is refused by name, unless it is off. */
export const ruleSchema = z.looseObject({
  name: z.string().min(1).max(128),
  type: optional(z.string()),
  enabled: optional(z.boolean()),
  match_hosts: texts,
  match_paths: texts,
  match_headers: texts,
  headers: optional(z.array(headerSchema).max(64)),
  env_vars: optional(z.record(z.string().min(1).max(256), z.string())),
})

type Rule = z.output<typeof ruleSchema>

const OTHER_KINDS = ['aws', 'gcp', 'azure', 'rewrite', 'relay'] as const

export function credentialsOf(
  config: { rules?: Rule[] | undefined; callbacks?: unknown[] | undefined } | undefined,
): CredentialRuleRequest[] | undefined {
  if (config === undefined) return undefined
  if (config.callbacks !== undefined && config.callbacks.length > 0) throw unsupported('proxy_config.callbacks')
  return (config.rules ?? []).flatMap((rule, index) => credentialRule(rule, `body.proxy_config.rules[${index}]`))
}

function credentialRule(rule: Rule, path: string): CredentialRuleRequest[] {
  const enabled = rule.enabled ?? true
  const kind = OTHER_KINDS.find((one) => rule.type === one || (rule[one] !== undefined && rule[one] !== null))
  if (kind !== undefined) {
    if (enabled) throw unsupported(`${path.slice('body.'.length)}: the type ${kind}`)
    return []
  }
  const { match_hosts: hosts = [], match_paths: paths = [], match_headers = [], headers = [], env_vars = {} } = rule
  return [
    {
      name: rule.name,
      enabled,
      hosts,
      paths,
      matchHeaders: match_headers.map((text) => matched(text, `${path}.match_headers`)),
      headers: headers.map((header, at) => credentialHeader(header, `${path}.headers[${at}]`)),
      env: env_vars,
    },
  ]
}

function credentialHeader(header: z.output<typeof headerSchema>, path: string): CredentialHeaderRequest {
  const { name, type = 'plaintext', value } = header
  if (type === 'workspace_secret') {
    if (value === undefined) throw invalidArgument(`${path}.value`, 'missing: names a secret, as {NAME}')
    return { name, template: value }
  }
  if (type === 'plaintext') {
    if (value === undefined) throw invalidArgument(`${path}.value`, 'missing')
    return { name, value, secret: false }
  }
  // One that is not given is the one that the rule has.
  return value === undefined ? { name, secret: true } : { name, value, secret: true }
}

function matched(text: string, path: string): { name: string; value: string } {
  const [, name, value] = /^([^:\s]+):\s*(.*?)\s*$/s.exec(text) ?? []
  if (name === undefined || value === undefined) throw invalidArgument(path, "not 'name: value'")
  return { name, value }
}

export function rulesJson(rules: readonly CredentialRule[]) {
  return rules.map(({ name, enabled, hosts, paths, matchHeaders, headers, env }) => ({
    name,
    enabled,
    match_hosts: hosts,
    match_paths: paths,
    match_headers: matchHeaders.map((one) => `${one.name}: ${one.value}`),
    headers: headers.map((header) =>
      'value' in header
        ? { name: header.name, type: 'plaintext', value: header.value, is_set: true }
        : 'template' in header
          ? { name: header.name, type: 'workspace_secret', value: header.template, is_set: true }
          : { name: header.name, type: 'opaque', is_set: true },
    ),
    env_vars: env,
  }))
}
