import type { Labels } from './types.ts'

/** Default limit for work that moves whole sandboxes, in milliseconds. */
export const LONG_MS = 300_000

export function labelQuery(labels: Labels | undefined): string[] | undefined {
  return labels === undefined ? undefined : Object.entries(labels).map(([key, value]) => `${key}:${value}`)
}
