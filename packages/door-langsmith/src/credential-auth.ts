import { createHash } from 'node:crypto'
import {
  type AzureResource,
  authHosts,
  type CredentialHeader,
  type CredentialHeaderRequest,
  type CredentialRule,
  type CredentialRuleRequest,
  invalidArgument,
} from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { unsupported } from './errors.ts'

const GOOGLE_SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
/** As the client's verifier of questions has them */
const SIGNATURE = { header: 'X-LangSmith-Signature-JWT', subject: 'langsmith-sandbox-callback' }

export const secretSchema = z.object({
  type: optional(z.enum(['plaintext', 'opaque', 'workspace_secret'])),
  value: optional(z.string()),
})
export type SecretBody = z.output<typeof secretSchema>

/** `workspace`, or `tag:` and one of the box's `tag_value_ids` */
const subjectScope = optional(z.string().max(80))
export const awsSchema = z.looseObject({
  access_key_id: optional(secretSchema),
  secret_access_key: optional(secretSchema),
  role_arn: optional(z.string().max(600)),
  session_tags: optional(z.record(z.string().max(128), z.string().max(256))),
  subject_scope: subjectScope,
})
export const gcpSchema = z.looseObject({
  service_account_json: optional(secretSchema),
  scopes: optional(z.array(z.string().min(1).max(512)).max(64)),
  workload_identity_provider: optional(z.string().max(512)),
  service_account_email: optional(z.string().max(256)),
  subject_scope: subjectScope,
})
const RESOURCES = {
  'https://storage.azure.com': 'storage',
  'https://vault.azure.net': 'vault',
  'https://management.azure.com': 'management',
  'https://cognitiveservices.azure.com': 'cognitive_services',
} as const satisfies Record<string, AzureResource>
type Resource = keyof typeof RESOURCES
export const azureSchema = z.looseObject({
  storage_account: optional(z.string().max(64)),
  account_key: optional(secretSchema),
  sas_token: optional(secretSchema),
  tenant_id: optional(z.string().max(64)),
  client_id: optional(z.string().max(64)),
  resources: optional(z.array(z.enum(Object.keys(RESOURCES) as [Resource, ...Resource[]])).max(8)),
  subject_scope: subjectScope,
})
export const callbackSchema = z.object({
  match_hosts: optional(z.array(z.string().min(1).max(255)).max(64)),
  attribution_headers: optional(z.array(z.string()).max(64)),
  url: z.string().min(1).max(2048),
  ttl_seconds: z.int().min(60).max(3600),
  full_request: optional(z.boolean()),
  request_headers: optional(z.array(secretSchema.extend({ name: z.string().min(1).max(128) })).max(64)),
})
export type CallbackBody = z.output<typeof callbackSchema>

type Auth = NonNullable<CredentialRuleRequest['auth']>

/** `tags` are those of the box. */
export function awsAuth(aws: z.output<typeof awsSchema> | undefined, path: string, tags: readonly string[]): Auth {
  const { role_arn: role, session_tags: sessionTags = {} } = aws ?? {}
  if (role) {
    mustBeWithout(aws, ['access_key_id', 'secret_access_key'], path, 'role_arn')
    const reserved = Object.keys(sessionTags).find((key) => key.startsWith('langsmith:'))
    if (reserved !== undefined) throw invalidArgument(`${path}.session_tags`, `${reserved} is reserved`)
    return { type: 'aws_role', role, sessionTags, subject: subjectOf(aws, path, tags), values: [] }
  }
  mustBeWithout(aws, ['session_tags', 'subject_scope'], path, 'static keys')
  return {
    type: 'aws',
    values: [
      secretValue('access_key_id', aws?.access_key_id, path),
      secretValue('secret_access_key', aws?.secret_access_key, path),
    ],
  }
}

export function googleAuth(gcp: z.output<typeof gcpSchema> | undefined, path: string, tags: readonly string[]): Auth {
  const { scopes: asked = [], service_account_json: account, workload_identity_provider: provider } = gcp ?? {}
  const scopes = asked.length === 0 ? [GOOGLE_SCOPE] : asked
  if (provider) {
    mustBeWithout(gcp, ['service_account_json'], path, 'workload_identity_provider')
    const serviceAccount = gcp?.service_account_email || null
    return {
      type: 'google_identity',
      provider,
      serviceAccount,
      scopes,
      subject: subjectOf(gcp, path, tags),
      values: [],
    }
  }
  mustBeWithout(gcp, ['service_account_email', 'subject_scope'], path, 'service_account_json')
  return { type: 'google', scopes, values: [secretValue('service_account', account, path)] }
}

export function azureAuth(
  azure: z.output<typeof azureSchema> | undefined,
  path: string,
  tags: readonly string[],
): Auth {
  const { tenant_id: tenant, client_id: client, storage_account: account, account_key, sas_token } = azure ?? {}
  if (tenant) {
    mustBeWithout(azure, ['storage_account', 'account_key', 'sas_token'], path, 'tenant_id')
    if (!client) throw invalidArgument(`${path}.client_id`, 'missing')
    const asked = azure?.resources ?? []
    const resources = (asked.length === 0 ? (Object.keys(RESOURCES) as Resource[]) : asked).map((one) => RESOURCES[one])
    return {
      type: 'azure_identity',
      tenant,
      client,
      resources: [...new Set(resources)],
      subject: subjectOf(azure, path, tags),
      values: [],
    }
  }
  mustBeWithout(azure, ['client_id', 'resources', 'subject_scope'], path, 'a storage account')
  if (!account) throw invalidArgument(`${path}.storage_account`, 'missing; or give tenant_id')
  if ((account_key === undefined) === (sas_token === undefined))
    throw invalidArgument(path, 'has one of account_key and sas_token')
  if (sas_token !== undefined)
    return { type: 'azure_sas', account, values: [secretValue('sas_token', sas_token, path)] }
  return { type: 'azure_key', account, values: [secretValue('account_key', account_key, path)] }
}

function mustBeWithout(given: object | undefined, keys: readonly string[], path: string, other: string): void {
  const values = new Map<string, unknown>(Object.entries(given ?? {}))
  const wrong = keys.find((key) => ![undefined, null, ''].some((none) => values.get(key) === none))
  if (wrong !== undefined) throw invalidArgument(`${path}.${wrong}`, `not together with ${other}`)
}

function subjectOf(
  given: { subject_scope?: string | undefined } | undefined,
  path: string,
  tags: readonly string[],
): string | undefined {
  const scope = given?.subject_scope ?? 'workspace'
  if (scope === 'workspace') return undefined
  if (scope.startsWith('tag:') && tags.includes(scope.slice('tag:'.length))) return scope
  throw invalidArgument(`${path}.subject_scope`, "workspace, or tag: and one of the box's tag_value_ids")
}

export function callbackRule(body: CallbackBody, path: string): CredentialRuleRequest {
  const { match_hosts: hosts = [], url, ttl_seconds: seconds, full_request = false, request_headers = [] } = body
  if ((body.attribution_headers ?? []).length > 0)
    throw unsupported(
      `${path.slice('body.'.length)}.attribution_headers: requests to hosts that no rule names are not opened`,
    )
  if (hosts.length === 0) throw invalidArgument(`${path}.match_hosts`, 'at least one')
  const values = request_headers.map(({ name, ...secret }, at) =>
    secretValue(name, secret, `${path}.request_headers[${at}]`),
  )
  const identity = createHash('sha256')
    .update(JSON.stringify([url, hosts]))
    .digest('hex')
    .slice(0, 16)
  const auth = {
    type: 'callback' as const,
    url,
    ttlMs: seconds * 1000,
    wholeRequest: full_request,
    signature: SIGNATURE,
  }
  return { name: `callback:${identity}`, hosts, headers: [], auth: { ...auth, values } }
}

/** One that is not given is the one that the rule has. */
export function secretValue(name: string, secret: SecretBody | undefined, path: string): CredentialHeaderRequest {
  if (secret === undefined) throw invalidArgument(`${path}.${name}`, 'missing')
  const { type = 'plaintext', value } = secret
  if (type === 'opaque') return value === undefined ? { name, secret: true } : { name, value, secret: true }
  if (value === undefined)
    throw invalidArgument(`${path}.value`, type === 'plaintext' ? 'missing' : 'missing: names a secret, as {NAME}')
  return type === 'plaintext' ? { name, value, secret: false } : { name, template: value }
}

export function secretJson(value: CredentialHeader) {
  if ('value' in value) return { type: 'plaintext', value: value.value, is_set: true }
  if ('template' in value) return { type: 'workspace_secret', value: value.template, is_set: true }
  return { type: 'opaque', is_set: true }
}

/** What a rule of a provider has beside its name; `null` for one of headers alone. */
export function providerJson({ hosts, auth }: CredentialRule) {
  if (auth === undefined || isForeign(auth)) return null
  const narrowed = hosts.join() === authHosts(auth).join() ? {} : { match_hosts: hosts }
  return { ...narrowed, ...schemeJson(auth) }
}

type StoredAuth = NonNullable<CredentialRule['auth']>
/** Not a provider's */
type Foreign = Extract<StoredAuth, { type: 'callback' | 'placeholders' | 'identity' }>

export function isForeign(auth: StoredAuth): auth is Foreign {
  return ['callback', 'placeholders', 'identity'].includes(auth.type)
}

export function schemeJson(auth: Exclude<StoredAuth, Foreign>) {
  const byName = Object.fromEntries(auth.values.map((one) => [one.name, secretJson(one)]))
  const scope = 'subject' in auth && auth.subject !== undefined ? { subject_scope: auth.subject } : {}
  switch (auth.type) {
    case 'aws':
      return { type: 'aws' as const, aws: byName }
    case 'aws_role': {
      const { role: role_arn, sessionTags: session_tags } = auth
      const tags = Object.keys(session_tags).length === 0 ? {} : { session_tags }
      return { type: 'aws' as const, aws: { role_arn, ...tags, ...scope } }
    }
    case 'google':
      return { type: 'gcp' as const, gcp: { service_account_json: byName.service_account, scopes: auth.scopes } }
    case 'google_identity': {
      const { provider: workload_identity_provider, serviceAccount, scopes } = auth
      const email = serviceAccount === null ? {} : { service_account_email: serviceAccount }
      return { type: 'gcp' as const, gcp: { workload_identity_provider, ...email, scopes, ...scope } }
    }
    case 'azure_key':
    case 'azure_sas':
      return { type: 'azure' as const, azure: { storage_account: auth.account, ...byName } }
    case 'azure_identity': {
      const { tenant: tenant_id, client: client_id } = auth
      const resources = Object.entries(RESOURCES).flatMap(([url, one]) => (auth.resources.includes(one) ? [url] : []))
      return { type: 'azure' as const, azure: { tenant_id, client_id, resources, ...scope } }
    }
  }
}

export function callbacksJson(rules: readonly CredentialRule[]) {
  return rules.flatMap(({ hosts, auth }) =>
    auth?.type !== 'callback'
      ? []
      : [
          {
            match_hosts: hosts,
            url: auth.url,
            ttl_seconds: Math.round(auth.ttlMs / 1000),
            full_request: auth.wholeRequest,
            request_headers: auth.values.map((one) => ({ name: one.name, ...secretJson(one) })),
          },
        ],
  )
}
