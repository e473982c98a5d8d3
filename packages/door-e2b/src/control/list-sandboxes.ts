import { invalidArgument, type Labels, type Principal, type Sandbox, type SpawnpointApi } from '@spawnpoint/core'
import { everyPage } from '@spawnpoint/door-kit'
import { type ShownState, shownState, statesShownAs } from './states.ts'
import { startTime } from './translate.ts'

export interface ListRequest {
  labels?: Labels | undefined
  states: readonly ShownState[]
  startedAfter?: Date | undefined
  /** Keeps what it answers true for */
  only?: ((sandbox: Sandbox) => Promise<boolean>) | undefined
  order: 'asc' | 'desc'
  limit: number
  nextToken?: string | undefined
}

/**
 * One page by start time, and how many there are that run. The ledger orders by creation, which is another thing for
 * sandboxes that were paused, and can count nothing: so all that match are read.
 */
export async function listSandboxes(api: SpawnpointApi, by: Principal, request: ListRequest) {
  const after = request.nextToken === undefined ? null : positionOf(request.nextToken)
  const matching: Sandbox[] = []
  const filter = { states: statesShownAs(request.states), labels: request.labels }
  for (const sandbox of await everyPage((page) => api.sandboxes.list(by, filter, page))) {
    const started = startTime(sandbox)
    if (request.startedAfter !== undefined && started < request.startedAfter) continue
    if (request.only === undefined || (await request.only(sandbox))) matching.push(sandbox)
  }
  const sign = request.order === 'asc' ? 1 : -1
  const compare = (a: Position, b: Position) => sign * (a.time - b.time || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  const rest = matching
    .map((sandbox) => ({ sandbox, time: startTime(sandbox).getTime(), id: sandbox.id as string }))
    .sort(compare)
    .filter((one) => after === null || compare(one, after) > 0)
  const page = rest.slice(0, request.limit)
  const last = page.at(-1)
  return {
    items: page.map(({ sandbox }) => sandbox),
    nextToken: last !== undefined && rest.length > page.length ? tokenOf(last) : null,
    running: matching.filter((sandbox) => shownState(sandbox) === 'running').length,
  }
}

/** Where a sandbox stands in the order: at its start time in epoch milliseconds, and among those of the same at its id. */
interface Position {
  time: number
  id: string
}

function tokenOf({ time, id }: Position): string {
  return Buffer.from(`${time}_${id}`).toString('base64url')
}

function positionOf(token: string): Position {
  const parts = /^(\d{1,15})_([0-9a-f]{24})$/.exec(Buffer.from(token, 'base64url').toString())
  if (parts === null) throw invalidArgument('nextToken', 'not one that this server gave')
  return { time: Number(parts[1]), id: parts[2] as string }
}
