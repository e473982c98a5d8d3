import type { CredentialRule, SetCredentialRule } from 'spawnpoint'
import { pairsText, parsePairs } from '../names.ts'
import { listOf } from './create-form.ts'

/** Text that all may read, a secret of this rule, or text with `{NAME}`s in it that stand for secrets of the team. */
export type HeaderKind = 'plain' | 'secret' | 'template'

export interface HeaderForm {
  name: string
  value: string
  kind: HeaderKind
  /** It is a secret of this rule, which the server has: left empty it stays */
  kept: boolean
}

export interface CredentialForm {
  name: string
  hosts: string
  paths: string
  headers: HeaderForm[]
  env: string
}

export const NEW_HEADER: HeaderForm = { name: '', value: '', kind: 'secret', kept: false }

export function formOf(rule: CredentialRule | null): CredentialForm {
  if (rule === null)
    return { name: '', hosts: '', paths: '', headers: [{ ...NEW_HEADER, name: 'authorization' }], env: '' }
  return {
    name: rule.name,
    hosts: rule.hosts.join('\n'),
    paths: rule.paths.join('\n'),
    headers: rule.headers.map(headerForm),
    env: pairsText(rule.env),
  }
}

function headerForm({ name, value, template, secret }: CredentialRule['headers'][number]): HeaderForm {
  if (template !== undefined) return { name, value: template, kind: 'template', kept: false }
  return { name, value: value ?? '', kind: secret ? 'secret' : 'plain', kept: secret }
}

/** As it is sent back where it is to stay as it is: secrets of the rule by their names alone. */
export function asSet({ headers, auth, ...rule }: CredentialRule): SetCredentialRule {
  return {
    ...rule,
    headers: headers.map(asSetValue),
    ...(auth !== undefined && { auth: { ...auth, values: auth.values.map(asSetValue) } }),
  }
}

function asSetValue({ name, value, template, secret }: CredentialRule['headers'][number]) {
  if (template !== undefined) return { name, template }
  return { name, secret, ...(value !== null && { value }) }
}

/** The rule, or what is missing. `before` has what the form does not show. */
export function ruleOf(
  form: CredentialForm,
  before: CredentialRule | null,
  others: readonly string[],
): { rule: SetCredentialRule } | { error: string } {
  const name = form.name.trim()
  const hosts = listOf(form.hosts)
  const env = parsePairs(form.env)
  const headers = form.headers.filter((header) => header.name.trim() !== '' || header.value !== '')
  if (name === '') return { error: 'Give it a name' }
  if (others.includes(name)) return { error: `There is a rule '${name}' already` }
  if (hosts.length === 0 && before?.everywhere !== true) return { error: 'Name at least one host' }
  if ('error' in env) return env
  // The server keeps a secret for the rule of this name and these hosts alone.
  const same = before !== null && before.name === name && before.hosts.join() === hosts.join()
  for (const header of headers) {
    if (header.name.trim() === '') return { error: 'A header has no name' }
    const stays = header.kept && header.kind === 'secret' && same
    if (header.value === '' && header.kind !== 'plain' && !stays)
      return { error: `Give the value of '${header.name}'${header.kept ? ' again: name or hosts are new' : ''}` }
  }
  return {
    rule: {
      name,
      enabled: before?.enabled ?? true,
      hosts,
      paths: listOf(form.paths),
      matchHeaders: before?.matchHeaders ?? [],
      headers: headers.map(headerOf),
      ...(before?.description !== undefined && { description: before.description }),
      ...(before?.port !== undefined && { port: before.port }),
      ...(before?.everywhere !== undefined && { everywhere: before.everywhere }),
      ...(before?.rewrite !== undefined && { rewrite: before.rewrite }),
      ...(before?.auth !== undefined && { auth: asSet(before).auth }),
      env: env.pairs,
    },
  }
}

function headerOf({ name, value, kind, kept }: HeaderForm): SetCredentialRule['headers'][number] {
  if (kind === 'template') return { name: name.trim(), template: value }
  const secret = kind === 'secret'
  return { name: name.trim(), secret, ...(!(secret && kept && value === '') && { value }) }
}
