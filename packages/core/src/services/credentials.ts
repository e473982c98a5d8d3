import type { CredentialRuleRequest, ShownCredentialRule } from '../api.ts'
import { invalidArgument } from '../errors.ts'
import type { CredentialHeader, CredentialRule, Env, Sandbox, TeamId } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { OutgoingRule } from '../ports/index.ts'
import { checkDomain, checkEnv, LIMITS } from './checks.ts'
import { Seal } from './seal.ts'
import { checkTemplate, openSecrets } from './secrets.ts'

const MAX_RULES = 64
const MAX_ENTRIES = 64
const MAX_PATH = 1024
/** RFC 9110, 5.6.2 */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/
/** Visible ASCII with spaces and tabs between: what every HTTP program takes as the value of a header. */
const VALUE = /^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?$/
/** They say how a message is cut and where it goes, which is not for a rule to change. */
const NOT_TO_SET = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

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
    const { name, enabled = true, paths = [], matchHeaders = [], env = {} } = request
    if (name.length < 1 || name.length > 128) throw invalidArgument(`${path}.name`, '1 to 128 characters')
    if (names.has(name)) throw invalidArgument(`${path}.name`, `there is another rule ${name}`)
    names.add(name)
    for (const [key, list] of Object.entries({ hosts: request.hosts, paths, matchHeaders, headers: request.headers }))
      if (list.length > MAX_ENTRIES) throw invalidArgument(`${path}.${key}`, `at most ${MAX_ENTRIES}`)
    if (request.hosts.length === 0) throw invalidArgument(`${path}.hosts`, 'at least one')
    const hosts = request.hosts.map((host) => checkDomain(`${path}.hosts`, host))
    for (const one of paths) checkPattern(`${path}.paths`, one)
    for (const one of matchHeaders) checkHeader(`${path}.matchHeaders`, one.name, one.value)
    checkEnv(`${path}.env`, env)
    const old = before.find((rule) => rule.name === name && rule.hosts.join() === hosts.join())
    const headers = request.headers.map((header, at): CredentialHeader => {
      const place = `${path}.headers[${at}]`
      if (NOT_TO_SET.has(header.name.toLowerCase()))
        throw invalidArgument(`${place}.name`, 'not one that a rule may set')
      if (header.template !== undefined) {
        if (header.value !== undefined) throw invalidArgument(`${place}.template`, 'not together with value')
        if (!TOKEN.test(header.name)) throw invalidArgument(`${place}.name`, 'not the name of a header')
        checkTemplate(`${place}.template`, header.template)
        return { name: header.name, template: header.template }
      }
      if (header.value === undefined) return keptSecret(place, header.name, old)
      checkHeader(place, header.name, header.value)
      if (header.secret === false) return { name: header.name, value: header.value }
      return { name: header.name, sealed: seal.seal(subjectOf(teamId, hosts, header.name), header.value) }
    })
    return { name, enabled, hosts, paths, matchHeaders, headers, env }
  })
}

function keptSecret(path: string, name: string, rule: CredentialRule | undefined): CredentialHeader {
  const kept = rule?.headers.find((one) => 'sealed' in one && one.name.toLowerCase() === name.toLowerCase())
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
  return enabled.map(({ name: rule, hosts, paths, matchHeaders, headers }) => ({
    hosts,
    paths,
    matchHeaders,
    headers: headers.map((header) => {
      const { name } = header
      if ('value' in header) return { name, value: header.value }
      if ('template' in header) return { name, value: filled(header.template, hosts) }
      const value = seal.open(subjectOf(teamId, hosts, name), header.sealed)
      if (value === null) log.warn({ sandbox: id, rule }, 'a credential was sealed with another secret; set it again')
      return { name, value }
    }),
  }))
}

/** Variables that rules bring. */
export function credentialEnv(rules: readonly CredentialRule[]): Env {
  return Object.assign({}, ...rules.filter(({ enabled }) => enabled).map(({ env }) => env))
}

export function shownCredentials(rules: readonly CredentialRule[]): ShownCredentialRule[] {
  return rules.map((rule) => ({
    ...rule,
    headers: rule.headers.map((header) =>
      'value' in header
        ? { name: header.name, value: header.value, secret: false }
        : 'template' in header
          ? { name: header.name, value: null, template: header.template, secret: true }
          : { name: header.name, value: null, secret: true },
    ),
  }))
}

function sealOf(secret: Uint8Array): Seal {
  return new Seal(secret, 'credential')
}

/** Not the sandbox: a fork has its parent's. */
function subjectOf(teamId: TeamId, hosts: readonly string[], header: string): string {
  return `${teamId} ${hosts.join(',')} ${header.toLowerCase()}`
}

function checkHeader(path: string, name: string, value: string): void {
  if (!TOKEN.test(name)) throw invalidArgument(`${path}.name`, 'not the name of a header')
  if (value.length > LIMITS.passwordChars || !VALUE.test(value))
    throw invalidArgument(`${path}.value`, `1 to ${LIMITS.passwordChars} visible ASCII characters, spaces between them`)
}

function checkPattern(path: string, pattern: string): void {
  const inner = pattern.replace(/^\*(?=\/)|\/\*{1,2}$/g, '')
  const right = pattern === '*' || (/^\*?\//.test(pattern) && !inner.includes('*'))
  if (!right || pattern.length > MAX_PATH || !/^[\x21-\x7e]+$/.test(pattern) || /[?#]/.test(pattern))
    throw invalidArgument(path, `not a path, '/prefix/*', '*/suffix' or '*': ${pattern.slice(0, 64)}`)
}
