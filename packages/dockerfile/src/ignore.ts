import { posix } from 'node:path'
import { pathMatcher } from './glob.ts'

interface Rule {
  matches(path: string): boolean
  /** Brings back what an earlier rule left out */
  except: boolean
  /** Parts of the pattern; `null` where it stands for any number */
  parts: number | null
}

const MAX_RULES = 1_000
const MAX_RULE_CHARS = 1_024

export interface Ignored {
  /** Of a path without `/` at its beginning */
  has(path: string): boolean
  /** Something below what is left out may be brought back */
  exceptions: boolean
  /** How many there are */
  rules: number
}

/** What a `.dockerignore` of this text leaves out: the last rule for a path counts. Throws an `Error` for what is none. */
export function ignoring(text: string): Ignored {
  const rules = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('#'))
    .flatMap((line) => ruleOf(line.trim()))
  if (rules.length > MAX_RULES) throw new Error(`.dockerignore has more than ${MAX_RULES} rules`)
  const has = (path: string) => {
    let ignored = false
    for (const rule of rules) if (ignored === rule.except && applies(rule, path)) ignored = !rule.except
    return ignored
  }
  return { has, exceptions: rules.some(({ except }) => except), rules: rules.length }
}

function ruleOf(line: string): Rule[] {
  const except = line.startsWith('!')
  const given = except ? line.slice(1).trim() : line
  if (given === '') return []
  if (given.length > MAX_RULE_CHARS)
    throw new Error(`.dockerignore has a rule of more than ${MAX_RULE_CHARS} characters`)
  const pattern = posix.normalize(given).replace(/^\/(?=.)|\/$/g, '')
  // The context itself stays.
  if (pattern === '.' || pattern === '' || pattern === '/') return []
  const parts = pattern.split('/')
  try {
    return [{ matches: pathMatcher(pattern), except, parts: parts.includes('**') ? null : parts.length }]
  } catch (error) {
    throw new Error(`.dockerignore: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

/** To a path, or to a directory that it is in. */
function applies({ matches, parts }: Rule, path: string): boolean {
  if (matches(path)) return true
  const above = path.split('/').slice(0, -1)
  if (parts !== null) return above.length >= parts && matches(above.slice(0, parts).join('/'))
  return above.some((_, index) => matches(above.slice(0, index + 1).join('/')))
}
