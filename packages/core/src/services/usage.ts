import type { Principal, UsageApi, UsageRequest } from '../api.ts'
import { invalidArgument, SpawnpointError } from '../errors.ts'
import type { TeamId, UsageRow } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { UsageFilter, UsageSums } from '../ports/index.ts'
import { findTeam } from './teams.ts'

const MAX_RANGE_MS = 400 * 86_400_000
const MAX_ROWS = 100_000
const GIB = 2 ** 30

export class Usage implements UsageApi {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  rows(by: Principal, request: UsageRequest): Promise<UsageRow[]> {
    return this.#rows(request, { teamId: by.teamId, byTeam: false })
  }

  async ofTeams(_by: Principal, request: UsageRequest & { team?: string | undefined }): Promise<UsageRow[]> {
    const { team } = request
    const teamId = team === undefined ? undefined : (await findTeam(this.#parts.ledger.read, team)).id
    return this.#rows(request, { teamId, byTeam: true })
  }

  async #rows(
    { from, to, by }: UsageRequest,
    scope: { teamId: TeamId | undefined; byTeam: boolean },
  ): Promise<UsageRow[]> {
    for (const [path, date] of [
      ['from', from],
      ['to', to],
    ] as const)
      if (Number.isNaN(date.getTime())) throw invalidArgument(path, 'is not a date')
    if (from >= to) throw invalidArgument('to', 'must be after from')
    if (to.getTime() - from.getTime() > MAX_RANGE_MS) throw invalidArgument('to', 'at most 400 days after from')
    const { ledger, clock } = this.#parts
    const filter: UsageFilter = {
      ...scope,
      from,
      to,
      now: clock.now(),
      byDay: by.includes('day'),
      bySandbox: by.includes('sandbox'),
      limit: MAX_ROWS + 1,
    }
    const rows = await ledger.read.usage(filter)
    if (rows.length > MAX_ROWS) {
      throw new SpawnpointError('limit_exceeded', `More than ${MAX_ROWS} rows; ask for a shorter time`, {
        limit: 'rows',
        allowed: MAX_ROWS,
        asked: rows.length,
      })
    }
    return rows.map(rowOf)
  }
}

function rowOf(sums: UsageSums): UsageRow {
  const { teamId, day, sandboxId } = sums
  return {
    teamId,
    day,
    sandboxId,
    sandboxSeconds: rounded(sums.ranMs / 1_000),
    cpuSeconds: rounded(sums.cpuMs / 1_000),
    cpuUsedSeconds: rounded(sums.cpuUsedMs / 1_000),
    memoryGibSeconds: rounded(sums.memoryByteMs / GIB / 1_000),
    snapshotGibHours: rounded(sums.storedByteMs / GIB / 3_600_000),
  }
}

/** To a thousandth, or so that small sums keep six digits. */
function rounded(value: number): number {
  return value >= 1_000 ? Math.round(value * 1_000) / 1_000 : Number(value.toPrecision(6))
}
