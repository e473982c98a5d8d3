import type { CallOptions } from './options.ts'
import { List, type PageOptions } from './pages.ts'
import type { Transport } from './transport.ts'
import type { CreateSchedule, Schedule, UpdateSchedule } from './types.ts'
import { toSchedule } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

/** Snapshots of a sandbox at set times; they end with their sandbox. */
export class Schedules {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  async create(request: CreateSchedule, options: CallOptions = {}): Promise<Schedule> {
    const json = request satisfies Schemas['CreateSchedule']
    return toSchedule(
      await this.#transport.json({ method: 'POST', path: '/v1/schedules', json, repeat: 'never', ...options }),
    )
  }

  async get(id: string, options: CallOptions = {}): Promise<Schedule> {
    return toSchedule(await this.#transport.json({ method: 'GET', path: pathOf(id), ...options }))
  }

  /** Newest first. */
  list(filter: { sandbox?: string | undefined } = {}, options: PageOptions = {}): List<Schedule> {
    return new List(this.#transport, { path: '/v1/schedules', query: filter }, options, toSchedule)
  }

  /** Ticks between the last one and now are forgotten. */
  async update(id: string, changes: UpdateSchedule, options: CallOptions = {}): Promise<Schedule> {
    const json = changes satisfies Schemas['UpdateSchedule']
    return toSchedule(await this.#transport.json({ method: 'PATCH', path: pathOf(id), json, ...options }))
  }

  /** The snapshots it took stay. */
  async delete(id: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ method: 'DELETE', path: pathOf(id), ...options })
  }
}

function pathOf(id: string): string {
  return `/v1/schedules/${encodeURIComponent(id)}`
}
