import { FairTurns } from '../fair-turns.ts'

/** As many as are read from a bucket */
export const MAX_FILES = 50_000
/** Files that one turn is for */
const FILES = 1_000
/** What a look may find more than the one before it, before it has to wait for a larger share */
const MORE = 1_000

/**
 * Files whose names are in the server's memory at a time to be compared, in thousands: of each there are three lists, of names that may be
 * 1,024 bytes long.
 */
export const SHARES = new FairTurns({ atOnce: 160, perParty: 75 })

/** There is more than the share is for, and nothing has been done yet. */
export class Outgrown extends Error {}

export function weightOf(files: number): number {
  return 1 + Math.ceil(files / FILES)
}

/** How many files a look may find, by what was found last; `null`: nobody has looked yet. */
export function sharesFor(files: number | null): number[] {
  const likely = files === null ? MAX_FILES : files + Math.max(MORE, files / 4)
  return likely < MAX_FILES ? [likely, MAX_FILES] : [MAX_FILES]
}
