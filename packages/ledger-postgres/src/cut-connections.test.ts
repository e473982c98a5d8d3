import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import {
  sampleEvent,
  sampleKey,
  sampleOperation,
  sampleSandbox,
  sampleSnapshot,
} from '@spawnpoint/contracts/ledger-samples'
import {
  type IncarnationId,
  isCode,
  type Ledger,
  type LedgerTx,
  newId,
  type Operation,
  type Sandbox,
  type Snapshot,
  type TeamId,
} from '@spawnpoint/core'
import { Client } from 'pg'
import { expect, it, vi } from 'vitest'
import { PostgresLedger } from './postgres-ledger.ts'
import { LossyProxy } from './testing/lossy-proxy.ts'
import { embeddedLedger } from './testing/scratch.ts'

// Work for a database that is cut off all the time; most of it is waiting for it to be back.
vi.setConfig({ testTimeout: 120_000 })

const CONNECTIONS = 8
const [WORKERS, TRANSACTIONS] = [24, 400]
const teams = Array.from({ length: 3 }, () => newId<TeamId>())
const takenHash = `hash-${newId()}`

/** What one transaction was to write, and what its caller was told. */
interface Attempt {
  sandbox: Sandbox
  snapshot: Snapshot
  operation: Operation
  /** Shared sandboxes whose generation it raises */
  raised: Sandbox[]
  outcome: 'acknowledged' | 'refused' | 'unknown'
}

const below = (limit: number): number => Math.floor(Math.random() * limit)
const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T

/** In any order. */
function shuffled<T>(all: readonly T[]): T[] {
  const rest = [...all]
  return all.map(() => rest.splice(below(rest.length), 1)[0] as T)
}

type Step = (tx: LedgerTx) => Promise<unknown>

function stepsOf({ sandbox, snapshot, operation, raised }: Attempt): Step[] {
  const { teamId, id: sandboxId } = sandbox
  const raise =
    (shared: Sandbox): Step =>
    async (tx) => {
      const found = await tx.lockSandbox(shared.id)
      if (found !== null) await tx.putSandbox({ ...found, generation: found.generation + 1 })
    }
  const interval = { kind: 'incarnation', cpus: 1, memoryBytes: 1, storedBytes: 0, endedAt: null } as const
  const startedAt = new Date(1_700_000_000_000)
  return shuffled<Step>([
    (tx) => tx.putSandbox(sandbox),
    (tx) => Promise.all([tx.putSnapshot(snapshot), tx.sandboxes({ teamId }, { limit: 3 })]),
    (tx) => tx.putOperation(operation),
    (tx) => tx.addEvent(sampleEvent(teamId, { sandboxId, type: `event-${sandboxId}` })),
    (tx) => tx.beginUsage({ ...interval, id: newId<IncarnationId>(), teamId, sandboxId, startedAt }),
    ...raised.map(raise),
  ])
}

/** Each refused in its own way: by the database at once, by it with the commit, before it is asked, and by the work itself. */
const faults = (teamId: TeamId): Step[] => [
  (tx) => tx.putKey(sampleKey(teamId), takenHash),
  (tx) => tx.putSandbox(sampleSandbox(teamId, { name: 'taken' })),
  (tx) => tx.endUsage(newId(), new Date(Number.NaN)),
  () => Promise.reject(new Error('changed its mind')),
]

async function attempt(ledger: Ledger, shared: readonly Sandbox[]): Promise<Attempt> {
  const teamId = pick(teams)
  const sandbox = sampleSandbox(teamId)
  const about = { sandboxId: sandbox.id }
  const [snapshot, operation] = [sampleSnapshot(teamId, about), sampleOperation(teamId, about)]
  const made: Attempt = {
    sandbox,
    snapshot,
    operation,
    raised: shuffled(shared).slice(0, below(3)),
    outcome: 'refused',
  }
  const steps = stepsOf(made)
  const fault = below(3) === 0
  if (fault) steps.splice(below(steps.length + 1), 0, pick(faults(teamId)))
  const durability = below(4) === 0 ? 'later' : 'now'
  const work = async (tx: LedgerTx) => {
    // The first write of such a transaction may be done alone.
    if (durability === 'later') await tx.sandbox(sandbox.id)
    for (const step of steps) await step(tx)
  }
  try {
    await ledger.transact(work, { durability })
    expect(fault, 'what must be refused is acknowledged').toBe(false)
    made.outcome = 'acknowledged'
  } catch (error) {
    if (isCode(error, 'unavailable')) made.outcome = 'unknown'
    else if (!fault && !isCode(error, 'timeout')) throw error
  }
  return made
}

/** `true`, `false`, or a rejection where a part of it is there. */
async function happened({ read }: Ledger, { sandbox, snapshot, operation }: Attempt): Promise<boolean> {
  const events = await read.events({ teamId: sandbox.teamId, sandboxId: sandbox.id }, 0, 2)
  const parts = [await read.sandbox(sandbox.id), await read.snapshot(snapshot.id), await read.operation(operation.id)]
  const there = [...parts.map((part) => part !== null), events.length === 1]
  expect(new Set(there).size, `a part of ${sandbox.id}: ${there}`).toBe(1)
  return there[0] === true
}

async function untilThere(ledger: Ledger): Promise<void> {
  while (
    !(await ledger.read.team(newId()).then(
      () => true,
      () => false,
    ))
  )
    await pause(5) // away, for a while
}

async function asked<T extends object>(databaseUrl: string, sql: string): Promise<T[]> {
  const client = new Client(databaseUrl)
  client.on('error', () => undefined) // its query rejects
  try {
    await client.connect()
    return (await client.query<T>(sql)).rows
  } finally {
    await client.end()
  }
}

const OURS = `from pg_stat_activity where application_name = 'spawnpoint' and datname = current_database()`

/** Ends one connection after the other, or what it is at, at any moment, and PostgreSQL itself in the middle. */
async function cut(databaseUrl: string, cluster: string, proxy: LossyProxy, left: () => number): Promise<void> {
  let restarted = false
  while (left() > 0) {
    if (!restarted && left() < TRANSACTIONS / 2) {
      restarted = true
      const pid = (await readFile(join(cluster, 'postmaster.pid'), 'utf8')).split('\n')[0]
      process.kill(Number(pid), 'SIGINT')
    }
    // The second is what a time limit does.
    const end = pick(['pg_terminate_backend', 'pg_cancel_backend', null])
    if (end === null) proxy.loseAnswer()
    else await asked(databaseUrl, `select ${end}(pid) ${OURS} order by random() limit 1`).catch(() => []) // it restarts
    await pause(below(12))
  }
  expect(restarted).toBe(true)
}

/** Reads on from the last event it has, as a follower does. */
async function follow({ read }: Ledger, teamId: TeamId, writing: () => boolean): Promise<string[]> {
  const seen: { seq: number; type: string }[] = []
  for (;;) {
    const last = !writing()
    const batch = await read.events({ teamId }, seen.at(-1)?.seq ?? 0, 20).catch(() => null) // cut off: asks again
    if (last && batch?.length === 0) return seen.map(({ type }) => type)
    seen.push(...(batch ?? []))
    if (!batch?.length) await pause(2)
  }
}

it('keeps what it acknowledged, and all or nothing of the rest, whatever fails and whenever it is cut off', async () => {
  await using server = await embeddedLedger()
  const { databaseUrl } = server.ledger
  await using proxy = await LossyProxy.to(databaseUrl)
  await using ledger = new PostgresLedger({ databaseUrl: proxy.databaseUrl })
  await ledger.open()
  const shared = Array.from({ length: 4 }, () => sampleSandbox(pick(teams), { generation: 0 }))
  await ledger.transact(async (tx) => {
    for (const one of shared) await tx.putSandbox(one)
    for (const teamId of teams) await tx.putSandbox(sampleSandbox(teamId, { name: 'taken' }))
    await tx.putKey(sampleKey(newId()), takenHash)
  })

  const attempts: Attempt[] = []
  let left = TRANSACTIONS
  const worker = async () => {
    for (; left > 0; left -= 1) {
      const made = await attempt(ledger, shared)
      attempts.push(made)
      if (made.outcome === 'unknown') await untilThere(ledger)
    }
  }
  let writing = true
  const followed = teams.map((teamId) => follow(ledger, teamId, () => writing))
  const cutting = cut(databaseUrl, join(server.dataDir, 'postgres'), proxy, () => left)
  await Promise.all([cutting, ...Array.from({ length: WORKERS }, worker)])
  writing = false
  await untilThere(ledger)

  const raised = new Map(shared.map(({ id }) => [id, 0]))
  const told = new Map(teams.map((teamId) => [teamId, new Set<string>()]))
  const counts = { acknowledged: 0, refused: 0, unknown: 0 }
  for (const made of attempts) {
    counts[made.outcome] += 1
    const there = await happened(ledger, made)
    if (made.outcome !== 'unknown') expect(there, made.outcome).toBe(made.outcome === 'acknowledged')
    if (!there) continue
    for (const { id } of made.raised) raised.set(id, (raised.get(id) ?? 0) + 1)
    told.get(made.sandbox.teamId)?.add(`event-${made.sandbox.id}`)
  }
  for (const kind of Object.values(counts)) expect(kind, JSON.stringify(counts)).toBeGreaterThan(0)
  for (const [id, times] of raised) expect((await ledger.read.sandbox(id))?.generation).toBe(times)
  const seen = await Promise.all(followed)
  teams.forEach((teamId, n) => {
    expect(seen[n]?.toSorted()).toEqual([...(told.get(teamId) ?? [])].sort())
  })

  // Every connection is there to be had, at once, and none is left in a transaction or with a lock.
  let inside = 0
  const all = Promise.withResolvers<void>()
  const hold = (tx: LedgerTx) => {
    inside += 1
    if (inside === CONNECTIONS) all.resolve()
    return all.promise.then(() => tx.putSandbox(sampleSandbox(newId())))
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, () => ledger.transact(hold)))
  const busy = `select count(*)::int as count ${OURS} and state <> 'idle'`
  await expect.poll(() => asked(databaseUrl, busy)).toEqual([{ count: 0 }])
  expect(await asked(databaseUrl, `select objid from pg_locks where locktype = 'advisory'`)).toEqual([])
})
