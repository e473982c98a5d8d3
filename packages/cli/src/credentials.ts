import type { Command } from 'commander'
import type { SetCredentialRule } from 'spawnpoint'
import { collect } from './collect.ts'
import { UsageError } from './exit.ts'
import { contentOf, listOf } from './json-file.ts'

type Header = SetCredentialRule['headers'][number]

export function declareCredentials(command: Command): Command {
  return command
    .option(
      '--credential <host[,host]:header=value>',
      'put a header into requests to hosts, outside the sandbox. The value is TEXT with one env:NAME or file:PATH at its end, or with {SECRET}s of the team in it; may be given several times',
      collect,
    )
    .option('--credentials <file>', 'rules as JSON, in the form of the API')
}

/**
 * What `--credential` and `--credentials` say. Values come from variables, files or stored secrets: what is an argument is seen by
 * all users of the machine. Throws `UsageError`.
 */
export function credentialsFrom(
  given: string[] | undefined,
  file: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): SetCredentialRule[] | undefined {
  if (given === undefined && file === undefined) return undefined
  const rules = new Map<string, { hosts: string[]; headers: Header[] }>()
  for (const text of given ?? []) {
    const [, list = '', name = '', value = ''] = /^([^:=]+):([^:=]+)=(.*)$/s.exec(text) ?? []
    if (list === '')
      throw new UsageError(`--credential has the form HOST[,HOST]:HEADER=VALUE, not '${shortened(text)}'`)
    const rule = rules.get(list) ?? { hosts: list.split(','), headers: [] }
    rule.headers.push({ name, ...headerValue(text, value, env) })
    rules.set(list, rule)
  }
  return [
    ...(file === undefined ? [] : listOf<SetCredentialRule>(file, 'rules')),
    ...[...rules].map(([name, rule]) => ({ name, ...rule })),
  ]
}

function headerValue(whole: string, text: string, env: NodeJS.ProcessEnv): { value: string } | { template: string } {
  if (/\{[^{}]+\}/.test(text)) return { template: text }
  const [, before = '', source, ref = ''] = /^(.*?)(env|file):(.+)$/s.exec(text) ?? []
  if (source === 'env') {
    const value = env[ref]
    if (value === undefined || value === '') throw new UsageError(`There is no variable ${ref} in the environment`)
    return { value: before + value }
  }
  if (source === 'file') return { value: before + contentOf(ref).trim() }
  throw new UsageError(
    `The value of '${shortened(whole)}' is to come from env:NAME, file:PATH or {SECRET}: arguments are seen by all users`,
  )
}

/** Without what may be a secret. */
function shortened(text: string): string {
  return text.replace(/=.*$/s, '=…').slice(0, 100)
}
