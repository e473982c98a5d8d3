import {
  type CredentialRewrite,
  type CredentialRule,
  type CredentialRuleRequest,
  invalidArgument,
} from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import {
  awsAuth,
  awsSchema,
  azureAuth,
  azureSchema,
  type CallbackBody,
  callbackRule,
  gcpSchema,
  googleAuth,
  providerJson,
  secretJson,
  secretSchema,
  secretValue,
} from './credential-auth.ts'
import { unsupported } from './errors.ts'

const texts = optional(z.array(z.string().min(1).max(4096)).max(256))

const rewriteSchema = z.object({
  host: optional(z.string().min(1).max(253)),
  sandbox: optional(z.string().min(1).max(255)),
  port: z.int().min(1).max(65_535),
  credentials: optional(z.enum(['strip', 'redact', 'keep'])),
})

/** What a rule may bring that is not done here is refused by name, unless it is off. */
export const ruleSchema = z.looseObject({
  name: z.string().min(1).max(128),
  type: optional(z.string()),
  enabled: optional(z.boolean()),
  description: optional(z.string().max(1024)),
  match_hosts: texts,
  match_paths: texts,
  match_headers: texts,
  match_port: optional(z.int().min(1).max(65_535)),
  match_scheme: optional(z.literal('https')),
  headers: optional(z.array(secretSchema.extend({ name: z.string().min(1).max(128) })).max(64)),
  aws: optional(awsSchema),
  gcp: optional(gcpSchema),
  azure: optional(azureSchema),
  rewrite: optional(rewriteSchema),
  env_vars: optional(z.record(z.string().min(1).max(256), z.string())),
})

type Rule = z.output<typeof ruleSchema>

const MAX_ATTRIBUTION = 16
const PROVIDERS = ['aws', 'gcp', 'azure'] as const

export function credentialsOf(
  config: { rules?: Rule[] | undefined; callbacks?: CallbackBody[] | undefined } | undefined,
  tags: readonly string[],
): CredentialRuleRequest[] | undefined {
  if (config === undefined) return undefined
  const { rules = [], callbacks = [] } = config
  for (const type of ['aws', 'gcp', 'attribution'])
    if (rules.filter((rule) => kindOf(rule) === type && rule.enabled !== false).length > 1)
      throw invalidArgument('body.proxy_config.rules', `has more than one of type ${type}`)
  return [
    ...rules.flatMap((rule, index) => credentialRule(rule, `body.proxy_config.rules[${index}]`, tags)),
    ...callbacks.map((one, index) => callbackRule(one, `body.proxy_config.callbacks[${index}]`)),
  ]
}

function kindOf(rule: Rule): string {
  const has = (key: string) => rule[key] !== undefined && rule[key] !== null
  const kinds = [...PROVIDERS, 'rewrite', 'relay', 'attribution']
  return kinds.find((one) => rule.type === one) ?? kinds.find((one) => has(one) || has(`${one}_id`)) ?? 'headers'
}

function credentialRule(rule: Rule, path: string, tags: readonly string[]): CredentialRuleRequest[] {
  const enabled = rule.enabled ?? true
  const kind = kindOf(rule)
  if (kind === 'relay') {
    if (enabled) throw unsupported(`${path.slice('body.'.length)}: the type ${kind}`)
    return []
  }
  const {
    name,
    match_hosts: hosts = [],
    match_paths: paths = [],
    match_headers = [],
    headers = [],
    env_vars: env = {},
    description,
  } = rule
  if (kind === 'attribution')
    return [{ name, enabled, description, hosts: [], everywhere: true, headers: saidOf(rule, path) }]
  const port = portOf(rule, path)
  const provider = PROVIDERS.find((one) => one === kind)
  if (provider !== undefined) {
    for (const key of [
      'match_paths',
      'match_headers',
      'headers',
      ...(kind === 'azure' ? ['match_hosts' as const] : []),
    ] as const)
      if ((rule[key] ?? []).length > 0) throw invalidArgument(`${path}.${key}`, `not for rules of type ${kind}`)
    const auth = authOf(provider, rule, path, tags)
    return [{ name, enabled, description, hosts, port, headers: [], auth, env }]
  }
  return [
    {
      name,
      enabled,
      description,
      hosts,
      port,
      paths,
      matchHeaders: match_headers.map((text) => matched(text, `${path}.match_headers`)),
      headers: headers.map((one, at) => secretValue(one.name, one, `${path}.headers[${at}]`)),
      ...(kind === 'rewrite' ? { rewrite: rewriteOf(rule.rewrite, path) } : {}),
      env,
    },
  ]
}

/** What is told to every host that other rules name. */
function saidOf(rule: Rule, path: string): CredentialRuleRequest['headers'] {
  const { headers = [] } = rule
  const others = ['match_hosts', 'match_paths', 'match_headers', 'match_port', 'match_scheme', 'env_vars'] as const
  const isGiven = (value: unknown) =>
    typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : value !== undefined
  const wrong = others.find((key) => isGiven(rule[key]))
  if (wrong !== undefined) throw invalidArgument(`${path}.${wrong}`, 'not for rules of type attribution')
  if (headers.length > MAX_ATTRIBUTION) throw invalidArgument(`${path}.headers`, `at most ${MAX_ATTRIBUTION}`)
  return headers.map(({ name, type, value }, at) => {
    if (!/^x-/i.test(name)) throw invalidArgument(`${path}.headers[${at}].name`, 'begins with X-')
    if (type === 'opaque' || type === 'workspace_secret' || value === undefined)
      throw invalidArgument(`${path}.headers[${at}]`, 'is plaintext: every host is told')
    return { name, value, secret: false }
  })
}

function portOf({ match_port: port, match_scheme: scheme }: Rule, path: string): CredentialRule['port'] {
  if (port !== undefined && port !== 80 && port !== 443)
    throw unsupported(`${path.slice('body.'.length)}.match_port: another than 80 and 443`)
  if (scheme === undefined) return port
  if (port === 80) throw unsupported(`${path.slice('body.'.length)}.match_scheme: https on port 80`)
  return 443
}

function authOf(provider: (typeof PROVIDERS)[number], rule: Rule, path: string, tags: readonly string[]) {
  switch (provider) {
    case 'aws':
      return awsAuth(rule.aws, `${path}.aws`, tags)
    case 'gcp':
      return googleAuth(rule.gcp, `${path}.gcp`, tags)
    case 'azure':
      return azureAuth(rule.azure, `${path}.azure`, tags)
  }
}

function rewriteOf(rewrite: Rule['rewrite'], path: string): CredentialRewrite {
  if (rewrite === undefined) throw invalidArgument(`${path}.rewrite`, 'missing')
  const { host, sandbox, port, credentials: guestCredentials = 'strip' } = rewrite
  if (sandbox !== undefined) throw unsupported(`${path.slice('body.'.length)}.rewrite.sandbox: there are no links`)
  if (host === undefined) throw invalidArgument(`${path}.rewrite.host`, 'missing')
  return { host, port, guestCredentials }
}

function matched(text: string, path: string): { name: string; value: string } {
  const [, name, value] = /^([^:\s]+):\s*(.*?)\s*$/s.exec(text) ?? []
  if (name === undefined || value === undefined) throw invalidArgument(path, "not 'name: value'")
  return { name, value }
}

export function rulesJson(rules: readonly CredentialRule[]) {
  return rules
    .filter(({ auth }) => auth?.type !== 'callback')
    .map((rule) => {
      const { name, enabled, hosts, paths, matchHeaders, headers, rewrite, env } = rule
      const described = rule.description === undefined ? {} : { description: rule.description }
      const shownHeaders = headers.map((one) => ({ name: one.name, ...secretJson(one) }))
      if (rule.everywhere === true) return { name, type: 'attribution', enabled, ...described, headers: shownHeaders }
      const ported = rule.port === undefined ? {} : { match_port: rule.port }
      const provider = providerJson(rule)
      if (provider !== null) return { name, enabled, ...described, ...ported, ...provider, env_vars: env }
      return {
        name,
        ...(rewrite === undefined ? {} : { type: 'rewrite', rewrite: rewriteJson(rewrite) }),
        enabled,
        ...described,
        match_hosts: hosts,
        ...ported,
        match_paths: paths,
        match_headers: matchHeaders.map((one) => `${one.name}: ${one.value}`),
        headers: shownHeaders,
        env_vars: env,
      }
    })
}

function rewriteJson({ host, port, guestCredentials }: CredentialRewrite) {
  return { host, port, credentials: guestCredentials }
}
