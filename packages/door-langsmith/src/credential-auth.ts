import { createHash } from 'node:crypto'
import {
  AUTH_HOSTS,
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

export const awsSchema = z.looseObject({
  access_key_id: optional(secretSchema),
  secret_access_key: optional(secretSchema),
  role_arn: optional(z.string()),
})
export const gcpSchema = z.looseObject({
  service_account_json: optional(secretSchema),
  scopes: optional(z.array(z.string().min(1).max(512)).max(64)),
  workload_identity_provider: optional(z.string()),
})
export const callbackSchema = z.object({
  match_hosts: z.array(z.string().min(1).max(255)).min(1).max(64),
  url: z.string().min(1).max(2048),
  ttl_seconds: z.int().min(60).max(3600),
  full_request: optional(z.boolean()),
  request_headers: optional(z.array(secretSchema.extend({ name: z.string().min(1).max(128) })).max(64)),
})
export type CallbackBody = z.output<typeof callbackSchema>

type Auth = NonNullable<CredentialRuleRequest['auth']>

export function awsAuth(aws: z.output<typeof awsSchema> | undefined, path: string): Auth {
  // The role trusts an issuer that Amazon can ask.
  if (aws?.role_arn) throw unsupported(`${path.slice('body.'.length)}.role_arn`)
  return {
    type: 'aws',
    values: [
      secretValue('access_key_id', aws?.access_key_id, path),
      secretValue('secret_access_key', aws?.secret_access_key, path),
    ],
  }
}

export function googleAuth(gcp: z.output<typeof gcpSchema> | undefined, path: string): Auth {
  if (gcp?.workload_identity_provider) throw unsupported(`${path.slice('body.'.length)}.workload_identity_provider`)
  const { scopes = [], service_account_json: account } = gcp ?? {}
  return {
    type: 'google',
    scopes: scopes.length === 0 ? [GOOGLE_SCOPE] : scopes,
    values: [secretValue('service_account', account, path)],
  }
}

export function callbackRule(body: CallbackBody, path: string): CredentialRuleRequest {
  const { match_hosts: hosts, url, ttl_seconds: seconds, full_request = false, request_headers = [] } = body
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
  if (auth === undefined || auth.type === 'callback') return null
  const byName = Object.fromEntries(auth.values.map((one) => [one.name, secretJson(one)]))
  const narrowed = hosts.join() === AUTH_HOSTS[auth.type].join() ? {} : { match_hosts: hosts }
  if (auth.type === 'aws') return { type: 'aws', ...narrowed, aws: byName }
  const gcp = { service_account_json: byName.service_account, scopes: auth.scopes }
  return { type: 'gcp', ...narrowed, gcp }
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
