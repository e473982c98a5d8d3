import { invalidArgument } from '@spawnpoint/core'

/** Longest that a sandbox can be given */
export const MAX_HOURS = 365 * 24

/** Of a sandbox that is to begin, in milliseconds. */
export function lifetimeMs(seconds: number): number {
  if (seconds <= 0) throw invalidArgument('timeout', 'Timeout must be greater than 0')
  if (seconds > MAX_HOURS * 3600) throw invalidArgument('timeout', `Timeout cannot be greater than ${MAX_HOURS} hours`)
  return seconds * 1000
}

/** Of a sandbox that runs: nought or less ends it at once. */
export function remainingMs(seconds: number): number {
  return seconds <= 0 ? 1 : lifetimeMs(seconds)
}
