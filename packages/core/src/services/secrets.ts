import type { Principal, SecretsApi, SetSecretRequest } from '../api.ts'
import { invalidArgument, notFound, SpawnpointError } from '../errors.ts'
import { isId, newId, type SecretId, type TeamId } from '../ids.ts'
import type { CredentialRule, Secret } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { LedgerReads } from '../ports/index.ts'
import { checkDomain, checkLabels, LIMITS } from './checks.ts'
import { Seal } from './seal.ts'

/** Of one team */
const MAX_SECRETS = 500
const MAX_HOSTS = 64
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/
const REFERENCE = /\{\s*([A-Za-z_][A-Za-z0-9_.-]{0,127})\s*\}/g
/** Visible ASCII with spaces and tabs between: what every HTTP program takes in the value of a header. */
const VALUE = /^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?$/

type Changed = (teamId: TeamId, name: string) => Promise<void>

export class Secrets implements SecretsApi {
  readonly #parts: Parts
  readonly #seal: Seal
  readonly #changed: Changed

  constructor(parts: Parts, changed: Changed) {
    this.#parts = parts
    this.#seal = sealOf(parts.config.secret)
    this.#changed = changed
  }

  async set(by: Principal, name: string, { value, hosts = [], labels, exists }: SetSecretRequest): Promise<Secret> {
    if (!NAME.test(name)) throw invalidArgument('name', 'a letter or _, then up to 127 letters, digits, _, . and -')
    if (value.length > LIMITS.passwordChars || !VALUE.test(value))
      throw invalidArgument('value', `1 to ${LIMITS.passwordChars} visible ASCII characters, spaces between them`)
    if (hosts.length > MAX_HOSTS) throw invalidArgument('hosts', `at most ${MAX_HOSTS}`)
    if (labels !== undefined) checkLabels(labels)
    const now = this.#parts.clock.now()
    const asked = { teamId: by.teamId, name, hosts: hosts.map((host) => checkDomain('hosts', host)), updatedAt: now }
    const sealed = this.#seal.seal(subjectOf(asked), value)
    const secret = await this.#parts.ledger.transact(async (tx) => {
      // Those that are made at the same time count, too.
      await tx.lockTeam(by.teamId)
      const { items } = await tx.secrets({ teamId: by.teamId }, { limit: MAX_SECRETS })
      const there = items.find((one) => one.name === name)
      if (there === undefined && exists === true) throw notFound('secret', name)
      if (there !== undefined && exists === false)
        throw new SpawnpointError('name_taken', `A secret named "${name}" already exists`, { resource: 'secret', name })
      if (there === undefined && items.length >= MAX_SECRETS) {
        throw new SpawnpointError('limit_exceeded', `A team has at most ${MAX_SECRETS} secrets`, {
          limit: 'secrets',
          allowed: MAX_SECRETS,
          asked: items.length + 1,
        })
      }
      const before = there ?? { id: newId<SecretId>(), createdAt: now, labels: {}, version: 0 }
      const next: Secret = { ...before, ...asked, labels: labels ?? before.labels, version: before.version + 1 }
      await tx.putSecret(next, sealed)
      return next
    })
    await this.#changed(by.teamId, name)
    return secret
  }

  async get(by: Principal, ref: string): Promise<Secret> {
    const { read } = this.#parts.ledger
    const byId = isId(ref) ? await read.secrets({ teamId: by.teamId, id: ref as SecretId }, { limit: 1 }) : null
    const byName = NAME.test(ref) ? await read.secrets({ teamId: by.teamId, name: ref }, { limit: 1 }) : null
    const secret = byId?.items[0] ?? byName?.items[0]
    if (secret === undefined) throw notFound('secret', ref)
    return secret
  }

  list: SecretsApi['list'] = (by, filter, page) =>
    this.#parts.ledger.read.secrets({ ...filter, teamId: by.teamId }, page)

  async delete(by: Principal, ref: string): Promise<void> {
    const { id, name } = await this.get(by, ref)
    await this.#parts.ledger.transact((tx) => tx.deleteSecret(id))
    await this.#changed(by.teamId, name)
  }
}

/** Names of the secrets that the rules refer to. */
export function secretsOf(rules: readonly CredentialRule[]): string[] {
  const values = rules.flatMap(({ headers, auth }) => [...headers, ...(auth?.values ?? [])])
  const templates = values.flatMap((one) => ('template' in one ? [one.template] : []))
  return [...new Set(templates.flatMap((template) => [...template.matchAll(REFERENCE)].map(([, name = '']) => name)))]
}

/** Rejects `invalid_argument` for a template that refers to nothing, or to what is no name. */
export function checkTemplate(path: string, template: string): void {
  const rest = template.replace(REFERENCE, '')
  if (rest === template || /[{}]/.test(rest))
    throw invalidArgument(path, 'refers to secrets as {NAME}, at least to one')
  const shape = template.replace(REFERENCE, 'x')
  if (template.length > LIMITS.passwordChars || !VALUE.test(shape))
    throw invalidArgument(path, `1 to ${LIMITS.passwordChars} visible ASCII characters, spaces between them`)
}

/** Rejects `invalid_argument` for rules that refer to a secret which is not there, or may not go to their hosts. */
export async function mustHaveSecrets(
  reads: LedgerReads,
  teamId: TeamId,
  rules: readonly (CredentialRule | null)[],
  [list, field]: readonly [list: string, field: string] = ['credentials', 'headers'],
): Promise<void> {
  const names = secretsOf(rules.filter((rule) => rule !== null))
  if (names.length === 0) return
  const found = await reads.sealedSecrets(teamId, names)
  for (const [index, rule] of rules.entries()) {
    if (rule === null) continue
    const path = `${list}[${index}].${field}`
    for (const name of secretsOf([rule])) {
      const secret = found.find((one) => one.secret.name === name)?.secret
      if (secret === undefined) throw invalidArgument(path, `the team has no secret ${name}`)
      if (!mayGoTo(secret, targetsOf(rule))) throw invalidArgument(path, `the secret ${name} is for other hosts`)
    }
  }
}

/** What templates of rules come to now; `null` where a secret is gone, is for other hosts or cannot be opened. */
export type Filled = (template: string, hosts: readonly string[]) => string | null

export async function openSecrets(
  { config, ledger }: Pick<Parts, 'config' | 'ledger'>,
  teamId: TeamId,
  rules: readonly CredentialRule[],
): Promise<Filled> {
  const names = secretsOf(rules)
  if (names.length === 0) return () => null
  const seal = sealOf(config.secret)
  const found = await ledger.read.sealedSecrets(teamId, names)
  return (template, hosts) => {
    let whole = true
    const text = template.replace(REFERENCE, (_, name: string) => {
      const one = found.find(({ secret }) => secret.name === name)
      const value =
        one === undefined || !mayGoTo(one.secret, hosts) ? null : seal.open(subjectOf(one.secret), one.sealedValue)
      if (value === null) whole = false
      return value ?? ''
    })
    return whole ? text : null
  }
}

/** Where the values of a rule go: a question goes to the service that is asked. */
export function targetsOf({ hosts, rewrite, auth }: CredentialRule): string[] {
  if (rewrite !== undefined) return [rewrite.host]
  if (auth?.type === 'callback') return [new URL(auth.url).hostname]
  return hosts.filter((host) => !host.startsWith('!'))
}

function mayGoTo({ hosts }: Secret, wanted: readonly string[]): boolean {
  if (hosts.length === 0) return true
  return wanted.every((host) =>
    hosts.some((one) => one === host || (one.startsWith('*.') && host.replace(/^\*/, '').endsWith(one.slice(1)))),
  )
}

function sealOf(secret: Uint8Array): Seal {
  return new Seal(secret, 'team secret')
}

/** With the hosts: a row whose hosts were changed opens nothing. */
function subjectOf({ teamId, name, hosts }: Pick<Secret, 'teamId' | 'name' | 'hosts'>): string {
  return `${teamId} ${name} ${hosts.join(',')}`
}
