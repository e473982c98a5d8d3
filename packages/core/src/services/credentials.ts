import type {
  CredentialHeaderRequest,
  CredentialRuleRequest,
  ShownCredentialHeader,
  ShownCredentialRule,
} from '../api.ts'
import { invalidArgument } from '../errors.ts'
import type {
  CredentialAuth,
  CredentialHeader,
  CredentialRule,
  CredentialScheme,
  Env,
  Sandbox,
  TeamId,
} from '../model.ts'
import type { Parts } from '../parts.ts'
import type { OutgoingAuth, OutgoingRule, OutgoingValue } from '../ports/index.ts'
import { callbackSigner } from './callback-key.ts'
import { checkDomain, checkEnv, LIMITS } from './checks.ts'
import { type Audience, audienceOf, checkAuth, checkRewrite, ruleHosts } from './credential-auth.ts'
import { HEADER_NAME, HEADER_VALUE, NOT_TO_SET } from './header-checks.ts'
import { identitySigner, mustHaveIdentity } from './identity.ts'
import { Seal } from './seal.ts'
import { checkTemplate, openSecrets, targetsOf } from './secrets.ts'

const MAX_RULES = 64
const MAX_ENTRIES = 64
const MAX_PATH = 1024
const MAX_DESCRIPTION = 1024

/** What a rule is stored as. A secret that is not given stays the one it was, for the same hosts. Rejects `invalid_argument`. */
export function credentialRules(
  { config }: Parts,
  teamId: TeamId,
  asked: readonly CredentialRuleRequest[],
  before: readonly CredentialRule[],
): CredentialRule[] {
  if (asked.length > MAX_RULES) throw invalidArgument('credentials', `at most ${MAX_RULES} rules`)
  const seal = sealOf(config.secret)
  const names = new Set<string>()
  return asked.map((request, index) => {
    const path = `credentials[${index}]`
    const { name, enabled = true, description = '', paths = [], matchHeaders = [], env = {} } = request
    if (name.length < 1 || name.length > 128) throw invalidArgument(`${path}.name`, '1 to 128 characters')
    if (names.has(name)) throw invalidArgument(`${path}.name`, `there is another rule ${name}`)
    names.add(name)
    if (description.length > MAX_DESCRIPTION || !description.isWellFormed())
      throw invalidArgument(`${path}.description`, `at most ${MAX_DESCRIPTION} characters`)
    for (const [key, list] of Object.entries({ hosts: request.hosts, paths, matchHeaders, headers: request.headers }))
      if (list.length > MAX_ENTRIES) throw invalidArgument(`${path}.${key}`, `at most ${MAX_ENTRIES}`)
    const wanted = ruleHosts(path, request)
    if (request.everywhere === true) checkEverywhere(path, request)
    else if (wanted.length === 0) throw invalidArgument(`${path}.hosts`, 'at least one')
    const hosts = wanted === request.hosts ? wanted.map((host) => checkDomain(`${path}.hosts`, host)) : wanted
    for (const one of paths) checkPattern(`${path}.paths`, one)
    for (const one of matchHeaders) checkHeader(`${path}.matchHeaders`, one.name, one.value)
    checkEnv(`${path}.env`, env)
    const old = before.find((rule) => rule.name === name && rule.hosts.join() === hosts.join())
    const rewrite = checkRewrite(`${path}.rewrite`, request)
    const isSameWay = audienceOf({ rewrite: old?.rewrite }) === audienceOf({ rewrite })
    const headers = request.headers.map((header, at) =>
      storedValue(
        seal,
        `${path}.headers[${at}]`,
        header,
        subjectOf(teamId, hosts, { rewrite }, header.name),
        isSameWay ? old?.headers : undefined,
      ),
    )
    const rule: CredentialRule = {
      name,
      enabled,
      ...(description === '' ? {} : { description }),
      hosts,
      ...(request.port === undefined ? {} : { port: request.port }),
      ...(request.everywhere === true ? { everywhere: true } : {}),
      paths,
      matchHeaders,
      headers,
      ...(rewrite && { rewrite }),
      env,
    }
    if (request.auth === undefined) return rule
    return { ...rule, auth: storedAuth({ config }, teamId, `${path}.auth`, hosts, request.auth, old) }
  })
}

/** What a credential for these hosts is stored as. Rejects `invalid_argument`. */
export function storedAuth(
  { config }: Pick<Parts, 'config'>,
  teamId: TeamId,
  path: string,
  hosts: readonly string[],
  asked: NonNullable<CredentialRuleRequest['auth']>,
  before?: CredentialRule,
): CredentialAuth {
  const seal = sealOf(config.secret)
  const { scheme, values } = checkAuth(path, asked)
  mustHaveIdentity(config.identity, scheme)
  const isSame = before?.auth !== undefined && audienceOf(before) === audienceOf({ auth: scheme })
  const stored = values.map((value, at) =>
    storedValue(
      seal,
      `${path}.values[${at}]`,
      value,
      subjectOf(teamId, hosts, { auth: scheme }, value.name),
      isSame ? before.auth?.values : undefined,
    ),
  )
  return { ...scheme, values: stored }
}

function storedValue(
  seal: Seal,
  path: string,
  asked: CredentialHeaderRequest,
  subject: string,
  before: readonly CredentialHeader[] | undefined,
): CredentialHeader {
  const { name, value, template } = asked
  if (NOT_TO_SET.has(name.toLowerCase())) throw invalidArgument(`${path}.name`, 'not one that a rule may set')
  if (template !== undefined) {
    if (value !== undefined) throw invalidArgument(`${path}.template`, 'not together with value')
    if (!HEADER_NAME.test(name)) throw invalidArgument(`${path}.name`, 'not the name of a header')
    checkTemplate(`${path}.template`, template)
    return { name, template }
  }
  if (value === undefined) return keptSecret(path, name, before)
  checkHeader(path, name, value)
  if (asked.secret === false) return { name, value }
  return { name, sealed: seal.seal(subject, value) }
}

function keptSecret(path: string, name: string, before: readonly CredentialHeader[] | undefined): CredentialHeader {
  const kept = before?.find((one) => 'sealed' in one && one.name.toLowerCase() === name.toLowerCase())
  // To other hosts it is not sent: whoever may change the rule need not know the secret.
  if (kept === undefined || !('sealed' in kept)) {
    throw invalidArgument(`${path}.value`, 'missing; no rule of this name and these hosts has a secret for this header')
  }
  return { name, sealed: kept.sealed }
}

/** For the runtime alone. A secret that cannot be opened, as the server's own was replaced, is `null`. */
export async function outgoingRules(
  parts: Pick<Parts, 'config' | 'ledger' | 'log'>,
  { id, teamId, credentials }: Pick<Sandbox, 'id' | 'teamId' | 'credentials'>,
): Promise<OutgoingRule[]> {
  const { config, log } = parts
  const seal = sealOf(config.secret)
  const enabled = credentials.filter((rule) => rule.enabled)
  const filled = await openSecrets(parts, teamId, enabled)
  const opened = (rule: CredentialRule, headers: readonly CredentialHeader[], audience: Audience) =>
    headers.map((header): OutgoingValue => {
      const { name } = header
      if ('value' in header) return { name, value: header.value }
      if ('template' in header) return { name, value: filled(header.template, targetsOf(rule)) }
      const value = seal.open(subjectOf(teamId, rule.hosts, audience, name), header.sealed)
      if (value === null)
        log.warn({ sandbox: id, rule: rule.name }, 'a credential was sealed with another secret; set it again')
      return { name, value }
    })
  return enabled.map((rule) => {
    const { hosts, port, everywhere, paths, matchHeaders, rewrite, auth } = rule
    const headers = opened(rule, rule.headers, { rewrite })
    const where = { hosts, ...(port && { port }), ...(everywhere && { everywhere }) }
    const outgoing = { ...where, paths, matchHeaders, headers, ...(rewrite && { rewrite }) }
    if (auth === undefined) return outgoing
    const values = opened(rule, auth.values, { auth })
    return { ...outgoing, auth: outgoingAuth(config, { id, teamId }, { ...auth, values }) }
  })
}

function outgoingAuth(
  { secret, identity }: Parts['config'],
  { id, teamId }: Pick<Sandbox, 'id' | 'teamId'>,
  auth: CredentialScheme & { values: OutgoingValue[] },
): OutgoingAuth {
  switch (auth.type) {
    case 'callback':
      return { ...auth, signer: callbackSigner(secret), identity: { tenant_id: teamId, sandbox_id: id } }
    case 'aws_role':
    case 'google_identity':
    case 'azure_identity':
    case 'identity': {
      const signer = identity === undefined ? null : identitySigner(identity)
      return { ...auth, signer, identity: { team: teamId, sandbox: id } }
    }
    default:
      return auth
  }
}

/** Variables that rules bring. */
export function credentialEnv(rules: readonly CredentialRule[]): Env {
  return Object.assign({}, ...rules.filter(({ enabled }) => enabled).map(({ env }) => env))
}

export function shownCredentials(rules: readonly CredentialRule[]): ShownCredentialRule[] {
  return rules.map(({ auth, ...rule }) => ({
    ...rule,
    headers: rule.headers.map(shown),
    ...(auth === undefined ? {} : { auth: shownAuth(auth) }),
  }))
}

export function shownAuth(auth: CredentialAuth): CredentialScheme & { values: ShownCredentialHeader[] } {
  return { ...auth, values: auth.values.map(shown) }
}

function shown(header: CredentialHeader): ShownCredentialHeader {
  const { name } = header
  if ('value' in header) return { name, value: header.value, secret: false }
  if ('template' in header) return { name, value: null, template: header.template, secret: true }
  return { name, value: null, secret: true }
}

function sealOf(secret: Uint8Array): Seal {
  return new Seal(secret, 'credential')
}

/** Not the sandbox: a fork has its parent's. */
function subjectOf(teamId: TeamId, hosts: readonly string[], audience: Audience, name: string): string {
  return `${teamId} ${hosts.join(',')}${audienceOf(audience)} ${name.toLowerCase()}`
}

function checkHeader(path: string, name: string, value: string): void {
  if (!HEADER_NAME.test(name)) throw invalidArgument(`${path}.name`, 'not the name of a header')
  if (value.length > LIMITS.passwordChars || !HEADER_VALUE.test(value))
    throw invalidArgument(`${path}.value`, `1 to ${LIMITS.passwordChars} visible ASCII characters, spaces between them`)
}

/** It goes to hosts that it does not name: nothing secret may. */
function checkEverywhere(
  path: string,
  { hosts, port, paths, matchHeaders, headers, auth, rewrite }: CredentialRuleRequest,
): void {
  const narrowed = [hosts, paths ?? [], matchHeaders ?? []].some((list) => list.length > 0)
  if (narrowed || port !== undefined || auth !== undefined || rewrite !== undefined)
    throw invalidArgument(`${path}.everywhere`, 'has headers alone')
  if (headers.some(({ value, secret }) => value === undefined || secret !== false))
    throw invalidArgument(`${path}.headers`, 'none that is secret goes everywhere')
}

function checkPattern(path: string, pattern: string): void {
  const inner = pattern.replace(/^\*(?=\/)|\/\*{1,2}$/g, '')
  const right = pattern === '*' || (/^\*?\//.test(pattern) && !inner.includes('*'))
  if (!right || pattern.length > MAX_PATH || !/^[\x21-\x7e]+$/.test(pattern) || /[?#]/.test(pattern))
    throw invalidArgument(path, `not a path, '/prefix/*', '*/suffix' or '*': ${pattern.slice(0, 64)}`)
}
