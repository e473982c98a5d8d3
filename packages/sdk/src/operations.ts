import { errorFromServer } from './errors.ts'
import { followEvents } from './follow.ts'
import type { CallOptions } from './options.ts'
import { List, type PageOptions } from './pages.ts'
import type { Transport } from './transport.ts'
import type { Operation, OperationKind, OperationProgress, OperationState, SpawnpointEvent } from './types.ts'
import { toEvent, toOperation } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

export interface OperationChange {
  operation: Operation
  progress: OperationProgress | null
}

/** Recorded pieces of work. */
export class Operations {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  async get(id: string, options: CallOptions = {}): Promise<Operation> {
    const path = `/v1/operations/${encodeURIComponent(id)}`
    return toOperation(await this.#transport.json({ method: 'GET', path, ...options }))
  }

  /** Newest first. */
  list(
    filter: {
      states?: OperationState[] | undefined
      kinds?: OperationKind[] | undefined
      sandbox?: string | undefined
    } = {},
    options: PageOptions = {},
  ): List<Operation> {
    const query = { state: filter.states, kind: filter.kinds, sandbox: filter.sandbox }
    return new List(this.#transport, { path: '/v1/operations', query }, options, toOperation)
  }

  /** The operation now and at every change, ending with its end; reconnects by itself. */
  async *follow(id: string, options: { signal?: AbortSignal | undefined } = {}): AsyncGenerator<OperationChange> {
    const path = `/v1/operations/${encodeURIComponent(id)}/events`
    let over = false
    for await (const { data } of followEvents(this.#transport, { path, signal: options.signal }, () => over)) {
      const change = JSON.parse(data) as { operation: Schemas['Operation']; progress: OperationProgress | null }
      over = change.operation.state !== 'open'
      yield { operation: toOperation(change.operation), progress: change.progress }
      if (over) return
    }
  }

  /** Waits for its end. Throws the error that ended it. */
  async wait(
    id: string,
    options: { signal?: AbortSignal | undefined; onProgress?: ((change: OperationChange) => void) | undefined } = {},
  ): Promise<Operation> {
    let last: Operation | null = null
    for await (const change of this.follow(id, options)) {
      last = change.operation
      options.onProgress?.(change)
    }
    const operation = last ?? (await this.get(id, options))
    if (operation.state === 'failed') {
      const { code, message } = operation.error ?? { code: 'internal', message: 'The operation failed' }
      throw errorFromServer(code, message, {})
    }
    return operation
  }
}

export interface EventFilter {
  /** Only what happened to this sandbox */
  sandbox?: string | undefined
  /** Only events with a greater `seq`; default 0, everything the server keeps */
  after?: number | undefined
}

/** What happened, in order. */
export class Events {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** What has happened, oldest first. */
  list(filter: EventFilter = {}, options: PageOptions = {}): List<SpawnpointEvent> {
    const query = { sandbox: filter.sandbox }
    return new List(this.#transport, { path: '/v1/events', query }, options, toEvent, filter.after)
  }

  /**
   * What has happened and what comes, until the loop is left or the signal fires; reconnects without a gap. With
   * `after: 'now'` only what comes: whatever is asked for once `onConnection(true)` was called misses nothing.
   */
  async *follow(
    filter: Omit<EventFilter, 'after'> & {
      after?: number | 'now' | undefined
      signal?: AbortSignal | undefined
      /** Called whenever the connection opens or breaks */
      onConnection?: ((open: boolean) => void) | undefined
    } = {},
  ): AsyncGenerator<SpawnpointEvent> {
    const query = { sandbox: filter.sandbox, cursor: filter.after }
    const request = { path: '/v1/events', query, signal: filter.signal }
    const events = followEvents(this.#transport, request, () => false, filter.onConnection)
    for await (const { data } of events) yield toEvent(JSON.parse(data))
  }
}
