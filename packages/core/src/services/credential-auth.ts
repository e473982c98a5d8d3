import type { CredentialHeaderRequest, CredentialRuleRequest } from '../api.ts'
import { invalidArgument } from '../errors.ts'
import type { CredentialRewrite, CredentialRule, CredentialScheme, Env } from '../model.ts'
import { checkDomain } from './checks.ts'

/** Hosts of a rule that names none; `!` before what is left out. */
export const AUTH_HOSTS = {
  // What is left out has names below these, but speaks for itself, or another language than HTTP.
  aws: [
    '*.amazonaws.com',
    '*.amazonaws.com.cn',
    '*.api.aws',
    ...['rds', 'redshift', 'cache', 'elb', 'compute', 'compute-1', 'docdb', 'mq'].flatMap((service) =>
      ['', '.cn'].map((china) => `!*.${service}.amazonaws.com${china}`),
    ),
  ],
  google: ['*.googleapis.com'],
} as const satisfies Record<string, readonly string[]>

export const AUTH_VALUES = {
  aws: ['access_key_id', 'secret_access_key'],
  google: ['service_account'],
} as const satisfies Record<string, readonly string[]>

const TTL_MS = { min: 1_000, max: 24 * 3_600_000 }
const MAX_SCOPES = 64
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/

/** What a rule of this kind gives to processes, so that their tools begin at all: no credential, and it goes nowhere. */
const STAND_INS: Record<CredentialScheme['type'], Env> = {
  aws: { AWS_ACCESS_KEY_ID: 'AKIASPAWNPOINT000000', AWS_SECRET_ACCESS_KEY: 'signed-outside-of-this-sandbox-by-server' },
  google: { CLOUDSDK_AUTH_ACCESS_TOKEN: 'put-in-outside', GOOGLE_OAUTH_ACCESS_TOKEN: 'put-in-outside' },
  callback: {},
}

/** Variables of the rules' kinds. They go before the sandbox's own: another key would not be used. */
export function standIns(rules: readonly CredentialRule[]): Env {
  return Object.assign({}, ...rules.flatMap(({ enabled, auth }) => (enabled && auth ? [STAND_INS[auth.type]] : [])))
}

/** Where a rule applies. Rejects `invalid_argument` for hosts that are none of the service's. */
export function authHosts(path: string, { hosts, auth }: Pick<CredentialRuleRequest, 'hosts' | 'auth'>): string[] {
  const own: readonly string[] = auth === undefined || auth.type === 'callback' ? [] : AUTH_HOSTS[auth.type]
  if (own.length === 0) return hosts
  if (hosts.length === 0 || hosts.join() === own.join()) return [...own]
  const suffixes = own.filter((one) => one.startsWith('*')).map((one) => one.slice(1))
  const foreign = hosts.find((host) => !suffixes.some((suffix) => host.toLowerCase().endsWith(suffix)))
  if (foreign !== undefined) throw invalidArgument(`${path}.hosts`, `${foreign.slice(0, 64)} is no host of this kind`)
  return hosts
}

/**
 * Checks what is no value, and brings values into the order of `AUTH_VALUES`. Rejects `invalid_argument`.
 */
export function checkAuth(
  path: string,
  auth: NonNullable<CredentialRuleRequest['auth']>,
): { scheme: CredentialScheme; values: CredentialHeaderRequest[] } {
  const { values: given, ...scheme } = auth
  if (scheme.type === 'callback') {
    checkUrl(`${path}.url`, scheme.url)
    const { ttlMs, signature } = scheme
    if (!Number.isInteger(ttlMs) || ttlMs < TTL_MS.min || ttlMs > TTL_MS.max)
      throw invalidArgument(`${path}.ttlMs`, `${TTL_MS.min} to ${TTL_MS.max} milliseconds`)
    if (!TOKEN.test(signature.header)) throw invalidArgument(`${path}.signature.header`, 'not the name of a header')
    if (!/^[\x21-\x7e]{1,128}$/.test(signature.subject))
      throw invalidArgument(`${path}.signature.subject`, '1 to 128 visible ASCII characters')
    return { scheme, values: given }
  }
  const values = AUTH_VALUES[scheme.type].map((name) => {
    const value = given.find((one) => one.name === name)
    if (value === undefined) throw invalidArgument(`${path}.values`, `${name} is missing`)
    if (value.secret === false) throw invalidArgument(`${path}.values`, `${name} is a secret`)
    return value
  })
  if (values.length !== given.length)
    throw invalidArgument(`${path}.values`, `has ${AUTH_VALUES[scheme.type].join(', ')}`)
  if (scheme.type === 'google') {
    const { scopes } = scheme
    if (scopes.length === 0 || scopes.length > MAX_SCOPES || !scopes.every((scope) => SCOPE.test(scope)))
      throw invalidArgument(`${path}.scopes`, `1 to ${MAX_SCOPES} OAuth scopes`)
    return { scheme, values: values.map((one) => ({ ...one, value: serviceAccount(`${path}.values`, one.value) })) }
  }
  return { scheme, values }
}

/** What is needed of it, on one line, as values of headers are. */
function serviceAccount(path: string, json: string | undefined): string | undefined {
  if (json === undefined) return undefined
  const fields = parsed(json)
  const needed = ['client_email', 'private_key', 'token_uri'] as const
  const missing = needed.find((name) => typeof fields[name] !== 'string')
  if (missing !== undefined) throw invalidArgument(path, `not the JSON of a service account: ${missing} is missing`)
  checkUrl(path, String(fields.token_uri))
  const kept = [...needed, 'private_key_id'].flatMap((name) => (name in fields ? [[name, fields[name]]] : []))
  return JSON.stringify(Object.fromEntries(kept))
}

function parsed(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json)
    if (typeof value === 'object' && value !== null) return { ...value }
  } catch {
    // It has no fields, which is said.
  }
  return {}
}

function checkUrl(path: string, text: string): void {
  const url = URL.canParse(text) ? new URL(text) : null
  if (
    url === null ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.username !== '' ||
    url.password !== '' ||
    text.length > 2048
  )
    throw invalidArgument(path, 'not an http:// or https:// address without a user')
}

export function checkRewrite(
  path: string,
  { rewrite, auth }: Pick<CredentialRuleRequest, 'rewrite' | 'auth'>,
): CredentialRewrite | undefined {
  if (rewrite === undefined) return undefined
  const { host, port, guestCredentials } = rewrite
  if (auth !== undefined) throw invalidArgument(path, 'not together with auth')
  if (host.includes('*')) throw invalidArgument(`${path}.host`, 'not one host')
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalidArgument(`${path}.port`, '1 to 65535')
  return { host: checkDomain(`${path}.host`, host), port, guestCredentials }
}

/** Whom a rule's secrets are for, beside its hosts. */
export type Audience = Pick<CredentialRule, 'rewrite'> & { auth?: CredentialScheme | undefined }

/** What is pointed elsewhere opens nothing. */
export function audienceOf({ auth, rewrite }: Audience): string {
  if (rewrite !== undefined) return ` rewrite ${rewrite.host}:${rewrite.port}`
  if (auth === undefined) return ''
  return auth.type === 'callback' ? ` callback ${auth.url}` : ` ${auth.type}`
}
