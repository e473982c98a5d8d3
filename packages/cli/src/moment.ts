import { UsageError } from './exit.ts'
import { parseDuration } from './output/units.ts'

/** `2026-01-31`, `2026-01-31T12:00:00Z`, or how long ago: `7d`. Throws `UsageError`. */
export function momentFrom(text: string, now = Date.now()): Date {
  if (/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text)) return new Date(now - parseDuration(text))
  const at = /^\d{4}-\d{2}-\d{2}(T\S+)?$/.test(text) ? new Date(text) : null
  if (at === null || Number.isNaN(at.getTime()))
    throw new UsageError(`'${text}' is no time; write 2026-01-31, 2026-01-31T12:00:00Z, or 7d for so long ago`)
  return at
}
