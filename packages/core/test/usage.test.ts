import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Core, UsageRow } from '../src/index.ts'
import { World } from './world.ts'

const MINUTE = 60_000
const DAY = 24 * 3_600_000
const GIB = 2 ** 30
/** Milliseconds between two notes of what is used, and a little for writing them: what a crash may cost */
const NOTED_EVERY = MINUTE + 10_000
/** Milliseconds that pass at once: samples are taken meanwhile */
const STEP = 5_000

const VERBS = ['create', 'pause', 'resume', 'stop', 'start', 'kill', 'snapshot', 'rollback', 'fork', 'forget'] as const
const WHEN = ['before', 'during', 'after'] as const

type Command =
  | { do: (typeof VERBS)[number]; box: number; crash: { call: number; when: (typeof WHEN)[number] } | null }
  | { do: 'pass'; ms: number; cpu: number; down: boolean }

const act = (crashes: boolean) =>
  fc.record({
    do: fc.constantFrom(...VERBS),
    box: fc.nat(3),
    crash: crashes
      ? fc.option(fc.record({ call: fc.nat(50), when: fc.constantFrom(...WHEN) }), { freq: 2 })
      : fc.constant(null),
  })
const pass = (crashes: boolean) =>
  fc.record({
    do: fc.constant('pass' as const),
    ms: fc.integer({ min: 1, max: 30 * MINUTE }),
    cpu: fc.nat(5_000),
    down: crashes ? fc.boolean() : fc.constant(false),
  })
const commands = (crashes: boolean) =>
  fc.array(fc.oneof({ arbitrary: act(crashes), weight: 3 }, { arbitrary: pass(crashes), weight: 2 }), {
    minLength: 3,
    maxLength: 20,
  })

/** A machine whose truth is kept beside: what the records named, and the host ran, whenever time passed. */
class Observed {
  readonly world = new World()
  core!: Core
  readonly start = this.world.clock.now().getTime()
  ranMs = 0
  storedByteMs = 0
  crashes = 0
  readonly #spent = new Map<string, number>()

  get spentMs(): number {
    return [...this.#spent.values()].reduce((sum, ms) => sum + ms, 0)
  }

  async open(): Promise<this> {
    this.core = await this.world.server({ fakeTime: true })
    for (let n = 0; n < 2; n += 1) await this.#ask('create', n)
    return this
  }

  async run(command: Command): Promise<void> {
    if (command.do === 'pass') return this.#pass(command)
    const { faults } = this.world.host
    const { life } = faults
    if (command.crash !== null) faults.crashCall(faults.log.length + command.crash.call, command.crash.when)
    try {
      await this.#ask(command.do, command.box)
    } catch {
      // Refused, or cut off: the records say how far it got.
    }
    await faults.quiet()
    if (faults.life !== life) await this.#comeBack()
    faults.reset()
  }

  async rows(by: ('day' | 'sandbox')[]): Promise<UsageRow[]> {
    const { world } = this
    const [from, to] = [new Date(this.start - DAY), new Date(world.clock.now().getTime() + DAY)]
    return this.core.usage.rows(world.by, { from, to, by })
  }

  async killAll(): Promise<void> {
    const { items } = await this.core.sandboxes.list(this.world.by, {}, { limit: 500 })
    for (const { id } of items) await this.core.sandboxes.kill(this.world.by, id)
  }

  async #ask(verb: (typeof VERBS)[number], box: number): Promise<void> {
    const { by } = this.world
    const { sandboxes, snapshots } = this.core
    if (verb === 'create') return void (await (await sandboxes.create(by, { image: 'base' })).done)
    const { items } = await sandboxes.list(by, {}, { limit: 500 })
    const { id } = items[box % Math.max(1, items.length)] ?? { id: 'none' }
    const taken = (await snapshots.list(by, {}, { limit: 500 })).items.filter(({ state }) => state === 'ready')
    if (verb === 'kill') await sandboxes.kill(by, id)
    else if (verb === 'snapshot') await (await snapshots.create(by, id, { kind: 'memory' })).done
    else if (verb === 'rollback') await (await sandboxes.rollback(by, id, { origin: true })).done
    else if (verb === 'fork') await (await sandboxes.fork(by, id, { count: 2, mode: 'best_effort' })).done
    else if (verb === 'forget') await snapshots.delete(by, taken[box]?.id ?? 'none', { permanent: true })
    else await (await sandboxes[verb](by, id)).done
  }

  async #pass({ ms, cpu, down }: Command & { do: 'pass' }): Promise<void> {
    const { clock, host } = this.world
    const { ledger } = host
    const tables = ledger.committed
    for (const { incarnationId } of tables.sandboxes.values()) {
      const machine = incarnationId === null ? undefined : host.incarnations.get(incarnationId)?.machine
      if (incarnationId === null || machine === undefined) continue
      machine.spend(cpu)
      this.ranMs += ms
      this.#spent.set(incarnationId, machine.cpuMs)
    }
    const paused = new Set([...tables.sandboxes.values()].map(({ pausedSnapshotId }) => pausedSnapshotId))
    for (const { id, internal, state, sizeBytes } of tables.snapshots.values()) {
      const kept = internal ? paused.has(id) : state !== 'creating' && state !== 'failed'
      if (kept) this.storedByteMs += ms * sizeBytes
    }
    if (down) host.faults.crash()
    for (let left = ms; left > 0; left -= STEP) {
      clock.advance(Math.min(left, STEP))
      if (!down) await host.faults.quiet()
    }
    if (down) await this.#comeBack()
  }

  async #comeBack(): Promise<void> {
    this.crashes += 1
    this.core = await this.world.server({ fakeTime: true })
    await this.core.idle()
  }
}

async function live(list: Command[], check: (it: Observed) => Promise<void>): Promise<void> {
  const it = await new Observed().open()
  for (const command of list) await it.run(command)
  await it.core.idle()
  await check(it)
  await it.core.close()
}

const total = (rows: UsageRow[], field: 'sandboxSeconds' | 'cpuUsedSeconds' | 'snapshotGibHours') =>
  rows.reduce((sum, row) => sum + row[field], 0)

/** What lasts is open, each once, and nothing else is. */
function openAsRecorded({ world }: Observed): void {
  const tables = world.host.ledger.committed
  const sandboxes = [...tables.sandboxes.values()]
  const lasting = sandboxes.flatMap(({ incarnationId, pausedSnapshotId }) => [incarnationId, pausedSnapshotId])
  const kept = [...tables.snapshots.values()].filter(({ internal, state }) => !internal && state === 'ready')
  const expected = [...lasting.filter((id) => id !== null), ...kept.map(({ id }) => id)].sort()
  const open = [...tables.usage.values()].filter(({ interval }) => interval.endedAt === null)
  expect(open.map(({ interval }) => interval.id).sort()).toEqual(expected)
}

/** No moment of a sandbox is counted twice. */
function neverTwice({ world }: Observed): void {
  const now = world.clock.now()
  const bySandbox = Map.groupBy(
    [...world.host.ledger.committed.usage.values()].filter(({ interval }) => interval.kind === 'incarnation'),
    ({ interval }) => interval.sandboxId,
  )
  for (const lives of bySandbox.values()) {
    const sorted = lives.map(({ interval }) => interval).sort((a, b) => a.startedAt.getTime() - b.startedAt.getTime())
    for (const [n, { startedAt }] of sorted.entries())
      expect((sorted[n - 1]?.endedAt ?? (n === 0 ? startedAt : now)).getTime()).toBeLessThanOrEqual(startedAt.getTime())
  }
}

describe('usage of random lives', () => {
  it('is the time that sandboxes ran and snapshots were kept', async () => {
    await fc.assert(
      fc.asyncProperty(commands(false), (list) =>
        live(list, async (it) => {
          const rows = await it.rows(['day', 'sandbox'])
          expect(total(rows, 'sandboxSeconds')).toBeCloseTo(it.ranMs / 1_000, 3)
          expect(total(rows, 'snapshotGibHours') * GIB * 3_600_000).toBeCloseTo(
            it.storedByteMs,
            -Math.log10(1 + it.storedByteMs / 1_000),
          )
          openAsRecorded(it)
          neverTwice(it)
          // Processor time is noted now and then, and in full at the end.
          await it.killAll()
          expect(total(await it.rows([]), 'cpuUsedSeconds')).toBeCloseTo(it.spentMs / 1_000, 3)
        }),
      ),
      { numRuns: 40 },
    )
  })

  it('is neither lost nor counted twice where the server dies at any call, or is away for hours', async () => {
    await fc.assert(
      fc.asyncProperty(commands(true), (list) =>
        live(list, async (it) => {
          const ran = total(await it.rows([]), 'sandboxSeconds') * 1_000
          // What was killed, but not written so when the server died, is charged for until it was last seen.
          const boxes = it.world.host.ledger.committed.sandboxes.size
          expect(ran).toBeLessThanOrEqual(it.ranMs + 1)
          expect(ran).toBeGreaterThanOrEqual(it.ranMs - it.crashes * boxes * NOTED_EVERY - 1)
          expect(total(await it.rows([]), 'cpuUsedSeconds')).toBeLessThanOrEqual(it.spentMs / 1_000 + 0.001)
          openAsRecorded(it)
          neverTwice(it)
        }),
      ),
      { numRuns: 60 },
    )
  })
})
