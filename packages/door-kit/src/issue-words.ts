import type { z } from 'zod'

const UNITS: Record<string, string> = { string: 'characters', array: 'items', set: 'items', file: 'bytes' }

/** What is wrong with a value, for who has sent it; messages that a schema has of its own stay. */
export function wordsOf(issue: z.core.$ZodIssue): string {
  const { code, message } = issue
  if (code === 'too_small' && message.startsWith('Too small'))
    return bound(issue.origin, issue.minimum, issue.inclusive === false ? 'more than' : 'at least')
  if (code === 'too_big' && message.startsWith('Too big'))
    return bound(issue.origin, issue.maximum, issue.inclusive === false ? 'less than' : 'at most')
  return message
}

function bound(origin: string, limit: number | bigint, which: string): string {
  const unit = UNITS[origin]
  if (unit === undefined) return `Expected ${which} ${limit}`
  if (which === 'at least' && Number(limit) === 1) return 'Expected not to be empty'
  return `Expected ${which} ${limit} ${unit}`
}
