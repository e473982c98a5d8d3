import type { InsideFile } from './plan.ts'

const MAX_SHOWN_CONFLICTS = 20
const MAX_KNOWN_CONFLICTS = 1_000
const MAX_SHOWN_CHARS = 1_000

export interface KnownExchange {
  /** Conflicts by path, or the first of many: as long as nothing changes there they need not be looked at again */
  conflicts: Map<string, string>
  /** Files that were looked at, and directories; `null` if nobody has looked yet */
  files: number | null
}

export function noneKnown(): KnownExchange {
  return { conflicts: new Map(), files: null }
}

export function addConflict({ conflicts }: KnownExchange, path: string, here: InsideFile, etag: string): void {
  if (conflicts.size < MAX_KNOWN_CONFLICTS || conflicts.has(path)) conflicts.set(path, conflictOf(here, etag))
}

export function shownConflicts(conflicts: ReadonlyMap<string, string>): string[] {
  return [...conflicts.keys()]
    .sort()
    .slice(0, MAX_SHOWN_CONFLICTS)
    .map((path) => path.slice(0, MAX_SHOWN_CHARS))
}

/** What is in conflict: as long as both are the same it need not be looked at again. */
function conflictOf({ sizeBytes, modifiedMs }: InsideFile, etag: string): string {
  return JSON.stringify([sizeBytes, modifiedMs, etag])
}

/** `null` for a bucket that nobody has looked at. */
export function isSame(conflict: string, here: InsideFile, etag: string | null | undefined): boolean {
  const [sizeBytes, modifiedMs, there]: unknown[] = JSON.parse(conflict)
  return here.sizeBytes === sizeBytes && here.modifiedMs === modifiedMs && (etag === null || etag === there)
}
