import type { OperationProgress, OperationsApi, Principal } from '../api.ts'
import { notFound } from '../errors.ts'
import { isId, type OperationId } from '../ids.ts'
import type { Operation } from '../model.ts'
import type { OperationRunner } from '../operations/runner.ts'
import type { Parts } from '../parts.ts'
import { Signal } from './follow.ts'
import { findSandbox } from './refs.ts'

/** Updates kept for a follower that reads slowly; older progress is dropped, states never matter twice. */
const MAX_BACKLOG = 1_000

export class Operations implements OperationsApi {
  readonly #parts: Parts
  readonly #runner: OperationRunner

  constructor(parts: Parts, runner: OperationRunner) {
    this.#parts = parts
    this.#runner = runner
  }

  async get(by: Principal, id: string): Promise<Operation> {
    const operation = isId(id) ? await this.#parts.ledger.read.operation(id as OperationId) : null
    if (operation === null || operation.teamId !== by.teamId) throw notFound('operation', id)
    return operation
  }

  async list(by: Principal, filter: Parameters<OperationsApi['list']>[1], page: Parameters<OperationsApi['list']>[2]) {
    const { read } = this.#parts.ledger
    const sandboxId = filter.sandbox === undefined ? undefined : (await findSandbox(read, by.teamId, filter.sandbox)).id
    return read.operations({ teamId: by.teamId, states: filter.states, kinds: filter.kinds, sandboxId }, page)
  }

  async *follow(by: Principal, id: string, signal: AbortSignal): ReturnType<OperationsApi['follow']> {
    const backlog: { operation: Operation; progress: OperationProgress | null }[] = []
    const more = new Signal()
    using _listening = this.#runner.listen(id as OperationId, (update) => {
      backlog.push(update)
      if (backlog.length > MAX_BACKLOG) backlog.shift()
      more.notify()
    })
    const now = await this.get(by, id)
    yield { operation: now, progress: null }
    if (now.state !== 'open') return
    while (!signal.aborted) {
      const next = more.next(signal)
      for (let update = backlog.shift(); update !== undefined; update = backlog.shift()) {
        yield update
        if (update.operation.state !== 'open') return
      }
      await next
    }
  }
}
