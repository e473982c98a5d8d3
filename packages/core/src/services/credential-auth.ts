import type { CredentialHeaderRequest, CredentialRuleRequest } from '../api.ts'
import { invalidArgument } from '../errors.ts'
import type { CredentialRewrite, CredentialRule, CredentialScheme, Env } from '../model.ts'
import { checkDomain } from './checks.ts'
import { authHosts, checkUrl, kindOf } from './credential-kinds.ts'

const SUBJECT = /^[A-Za-z0-9_.:@/-]{1,128}$/
const MAX_PLACEHOLDERS = 64
/** It must not be in a request by chance */
const PLACEHOLDER = /^[A-Za-z0-9_-]{16,128}$/
const SAS = /^\??[\x21\x22\x24-\x7e]{1,4096}$/

/** Variables of the rules' kinds. They go before the sandbox's own: another key would not be used. */
export function standIns(rules: readonly CredentialRule[]): Env {
  const used = rules.flatMap(({ enabled, auth }) => (enabled && auth !== undefined ? [auth] : []))
  return Object.assign({}, ...used.map((auth: CredentialScheme) => kindOf(auth).standIns(auth)))
}

/** Where a rule applies. Rejects `invalid_argument` for hosts that are none of the service's. */
export function ruleHosts(path: string, { hosts, auth }: Pick<CredentialRuleRequest, 'hosts' | 'auth'>): string[] {
  const own: readonly string[] = auth === undefined ? [] : authHosts(auth)
  if (own.length === 0) return hosts
  if (hosts.length === 0 || hosts.join() === own.join()) return [...own]
  const below = own.filter((one) => one.startsWith('*')).map((one) => one.slice(1))
  const isOwn = (host: string) => own.includes(host) || below.some((suffix) => host.endsWith(suffix))
  const foreign = hosts.find((host) => !isOwn(host.toLowerCase()))
  if (foreign !== undefined) throw invalidArgument(`${path}.hosts`, `${foreign.slice(0, 64)} is no host of this kind`)
  return hosts
}

/** Checks what is no value, and brings values into the order of their kind. Rejects `invalid_argument`. */
export function checkAuth(
  path: string,
  auth: NonNullable<CredentialRuleRequest['auth']>,
): { scheme: CredentialScheme; values: CredentialHeaderRequest[] } {
  const { values: given, ...scheme } = auth
  const kind = kindOf<CredentialScheme>(scheme)
  kind.check(path, scheme)
  if ('subject' in scheme && scheme.subject !== undefined && !SUBJECT.test(scheme.subject))
    throw invalidArgument(`${path}.subject`, '1 to 128 letters, digits, and _ . : @ / -')
  const names = kind.values
  if (scheme.type === 'placeholders') checkPlaceholders(`${path}.values`, given)
  if (names === null) return { scheme, values: given }
  const values = names.map((name) => {
    const value = given.find((one) => one.name === name)
    if (value === undefined) throw invalidArgument(`${path}.values`, `${name} is missing`)
    if (value.secret === false) throw invalidArgument(`${path}.values`, `${name} is a secret`)
    return checkedValue(`${path}.values`, scheme.type, value)
  })
  if (values.length !== given.length)
    throw invalidArgument(`${path}.values`, names.length === 0 ? 'has none' : `has ${names.join(', ')}`)
  return { scheme, values }
}

function checkPlaceholders(path: string, values: readonly CredentialHeaderRequest[]): void {
  if (values.length === 0 || values.length > MAX_PLACEHOLDERS) throw invalidArgument(path, `1 to ${MAX_PLACEHOLDERS}`)
  const names = new Set(values.map(({ name }) => name))
  if (names.size < values.length || !values.every(({ name }) => PLACEHOLDER.test(name)))
    throw invalidArgument(path, 'names of 16 to 128 letters, digits, _ and -, each once')
}

function checkedValue(
  path: string,
  type: CredentialScheme['type'],
  asked: CredentialHeaderRequest,
): CredentialHeaderRequest {
  const { value } = asked
  if (value === undefined) return asked
  if (type === 'google') return { ...asked, value: serviceAccount(path, value) }
  if (type === 'azure_key' && !/^[A-Za-z0-9+/]{16,1024}={0,2}$/.test(value))
    throw invalidArgument(path, 'not the key of a storage account')
  if (type === 'azure_sas' && !(SAS.test(value) && /(^|[?&])sig=/.test(value)))
    throw invalidArgument(path, 'not a shared access signature: sig= is missing')
  return asked
}

/** What is needed of it, on one line, as values of headers are. */
function serviceAccount(path: string, json: string): string {
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
