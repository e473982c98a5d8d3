import type { Principal } from '../api.ts'
import type { Event, Operation, OperationKind, OperationState } from '../model.ts'
import type { Page, PageRequest } from '../ports/index.ts'

export interface OperationsApi {
  get(by: Principal, id: string): Promise<Operation>
  list(
    by: Principal,
    filter: {
      states?: OperationState[] | undefined
      kinds?: OperationKind[] | undefined
      sandbox?: string | undefined
    },
    page: PageRequest,
  ): Promise<Page<Operation>>
  /** The operation now and at every change of phase or progress, ending with its end. */
  follow(
    by: Principal,
    id: string,
    signal: AbortSignal,
  ): AsyncIterable<{ operation: Operation; progress: OperationProgress | null }>
}

export interface OperationProgress {
  step: string
  /** 0 to 1 where known */
  fraction: number | null
  line: string | null
}

/**
 * `after` is the `seq` of the last event that the caller knows, 0 for all that are kept. Rejects `cursor_expired` if events
 * that followed it are not kept any more: the caller has missed some, and must look at the resources themselves.
 */
export interface EventsApi {
  list(by: Principal, filter: { sandbox?: string | undefined }, after: number, limit: number): Promise<Event[]>
  /** `seq` of the latest event, 0 if there is none: `after` for who wants only what comes. */
  latest(by: Principal): Promise<number>
  /** Everything after `after`, then what comes, until `signal`. */
  follow(
    by: Principal,
    filter: { sandbox?: string | undefined },
    after: number,
    signal: AbortSignal,
  ): AsyncIterable<Event>
}

/** What was answered to a request with a key. */
export interface StoredAnswer {
  key: string
  body: unknown
  at: Date
}

export interface IdempotencyApi {
  /**
   * Runs `work` once for a key of a team: a repeat gets the stored response, a repeat while the first is under way
   * `operation_in_progress`, the key with another request `idempotency_mismatch`. Keys are kept 24 hours. A 5xx is not
   * stored, so that it can be tried again.
   *
   * `work` makes its calls as the principal it is given: the first operation that one of them begins is tied to the key. If
   * the server dies before the response is stored, the repeat runs `work` again, and that call gets what the first one
   * did; if that was undone, it is done anew.
   *
   * With `early` the work begins while it is found out whether the key is free: for work that does nothing but one call of
   * this API that waits for that itself, see `OnceKey.begun`.
   *
   * With `keep` the answer is itself what is asked for, as there is nothing else to tell it by: it is stored for good before it
   * is given, and `unavailable` if it cannot be.
   */
  once(
    by: Principal,
    key: string,
    requestHash: string,
    work: (by: Principal) => Promise<{ status: number; body: unknown }>,
    options?: { early?: boolean; keep?: boolean },
  ): Promise<{ status: number; body: unknown; replayed: boolean }>
  /** The answers to requests whose keys begin so, as long as they are kept, newest first, at most `limit`. */
  answers(by: Principal, prefix: string, limit: number): Promise<StoredAnswer[]>
}
