import type { Principal } from '../api.ts'
import type { Comparison, TextComparison } from '../model.ts'

/** A sandbox counts as it is now, running or not; it is neither woken nor stopped for it. */
export type Comparable = { snapshot: string } | { sandbox: string }

export interface CompareRequest {
  /** Only what is at or below this; default `/` */
  path?: string | undefined
  /** Most files of each kind of change, 1 to 10,000; default 1,000 */
  limit?: number | undefined
}

export interface CompareApi {
  /** What is different in `after`. */
  compare(
    by: Principal,
    before: Comparable,
    after: Comparable,
    request?: CompareRequest,
    signal?: AbortSignal,
  ): Promise<Comparison>
  /** One file that at least one of them has, at most 2 MiB on each side. */
  compareText(
    by: Principal,
    before: Comparable,
    after: Comparable,
    path: string,
    signal?: AbortSignal,
  ): Promise<TextComparison>
}
