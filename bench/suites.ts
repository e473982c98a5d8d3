import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Sandbox, Snapshot } from 'spawnpoint'
import { type BareSandbox, syncFiles, syncPath } from './bare.ts'
import { command } from './command.ts'
import { interleave, type Results, timed } from './samples.ts'
import { PROGRAM, runEcho, untilReady, type World } from './world.ts'

export interface Plan {
  rounds: number
  largeRounds: number
  /** MiB of touched memory */
  memoryMib: number[]
  /** MiB of files */
  filesMib: number[]
}

export const SERVER = 'spawnpoint'
export const BARE = 'bare commands'
/** Until it would survive a power cut */
const DURABLE = 'bare, then fsync'
const LARGE_MIB = 1_024
/** Images of at least so much are written past the page cache, where that is the better way. */
const DIRECT_FROM_MIB = 256
const MIB = 2 ** 20
const GIB = 2 ** 30

export interface Bench {
  world: World
  results: Results
  plan: Plan
  signal: AbortSignal
  say(text: string): void
}

/** What was deleted is given back by whoever commits the pool next, which should be nobody who is measured. */
async function giveBack(world: World): Promise<void> {
  await command('btrfs', ['filesystem', 'sync', world.bare.options.poolDir])
}

/** After a sandbox came up the server makes the next one ready, as the bare side does before its clock starts. */
async function settle({ world, plan }: Bench): Promise<void> {
  await giveBack(world)
  await sleep(plan.rounds < 3 ? 300 : 700)
}

const DEFAULTS = { cpus: 2, memoryBytes: GIB, diskBytes: 10 * GIB, maxProcesses: 1_024 }

/** From an image to the first command answered, and the end. */
export async function create(bench: Bench): Promise<void> {
  const { world, results, plan, signal } = bench
  await interleave(
    plan.rounds,
    [
      async (counted) => {
        let sandbox!: Sandbox
        const createMs = await timed(async () => {
          sandbox = await world.client.sandboxes.create({ image: 'base', resources: DEFAULTS })
          await runEcho(sandbox)
        })
        const deleteMs = await timed(() => sandbox.kill())
        await settle(bench)
        if (!counted) return
        results.add('create', SERVER, createMs)
        results.add('delete', SERVER, deleteMs)
      },
      async (counted) => {
        const sandbox = await world.bare.place(DEFAULTS)
        await sandbox.prepare(world.baseRoot)
        await sandbox.create()
        const createMs = await timed(async () => {
          await sandbox.start()
          await sandbox.ask('run')
        })
        const deleteMs = await timed(() => sandbox.delete())
        await sandbox.remove()
        await giveBack(world)
        if (!counted) return
        results.add('create', BARE, createMs)
        results.add('delete', BARE, deleteMs)
      },
      async (counted) => {
        const sandbox = await world.bare.place(DEFAULTS)
        const createMs = await timed(async () => {
          await sandbox.prepare(world.baseRoot)
          await sandbox.run()
          await sandbox.ask('run')
        })
        await sandbox.remove()
        await giveBack(world)
        if (counted) results.add('create', 'bare, nothing ahead', createMs)
      },
    ],
    signal,
  )
}

/**
 * How a sandbox's memory lies in that of the machine stays as it is while it lives, and may be written more quickly for it:
 * after so many rounds both sides begin with another one.
 */
const ROUNDS_OF_A_PAIR = 3

/** Commands before those that are counted. */
const WARM_UP = 300
/** Of so many in a row the last one counts: what ran before on the machine has then left the processor's caches, on every side alike. */
const IN_A_ROW = 3

async function lastOfRow(work: () => Promise<unknown>): Promise<number> {
  let ms = 0
  for (let n = 0; n < IN_A_ROW; n += 1) ms = await timed(work)
  return ms
}

/** One command in a sandbox that runs. */
export async function exec({ world, results, plan, signal }: Bench): Promise<void> {
  await using sandbox = await world.client.sandboxes.create({ image: 'base', resources: DEFAULTS })
  await world.install(sandbox)
  const bare = await world.bare.place(DEFAULTS)
  await bare.prepare(world.baseRoot)
  await bare.run()
  const work = 'command'
  // A server in service has long compiled what it runs; so has its client. What is compared with is compiled ahead.
  for (let n = 0; n < WARM_UP && !signal.aborted; n += 1) await runEcho(sandbox)
  await interleave(
    plan.rounds * 6,
    [
      async (counted) => {
        const ms = await lastOfRow(() => runEcho(sandbox))
        if (counted) results.add(work, SERVER, ms)
      },
      async (counted) => {
        const { stdout } = await sandbox.processes.run([PROGRAM, 'time', String(IN_A_ROW)])
        const last = stdout.trim().split(' ').map(Number).at(-1) as number
        if (counted) results.add(work, 'fork+exec inside', last)
      },
      async (counted) => {
        const ms = await lastOfRow(() => bare.ask('run'))
        if (counted) results.add(work, 'bare init over a pipe', ms)
      },
      async (counted) => {
        const ms = await lastOfRow(() => bare.exec(['/bin/echo', 'x']))
        if (counted) results.add(work, 'runsc exec', ms)
      },
    ],
    signal,
  )
  await bare.remove()
  results.aim({ work, who: SERVER, against: 'fork+exec inside', atMost: 1.3 })
  results.aim({ work, who: SERVER, against: 'runsc exec', atMost: 1 })
}

/** Snapshots of memory, and sandboxes from them. */
export async function memory(bench: Bench, mib: number): Promise<void> {
  const { world, results, plan, signal } = bench
  const rounds = mib >= LARGE_MIB ? plan.largeRounds : plan.rounds
  const resources = { ...DEFAULTS, memoryBytes: (512 + 2 * mib) * MIB }
  const direct = mib >= DIRECT_FROM_MIB && world.bare.options.capabilities.checkpointFlags.includes('direct')
  const name = (what: string) => `${what}, ${mib} MiB`

  await using stack = new AsyncDisposableStack()
  let snapshot: Snapshot | null = null
  let kept: BareSnapshot | null = null
  stack.defer(async () => {
    await snapshot?.delete({ permanent: true })
    if (kept) await removeBareSnapshot(world, kept)
  })
  for (let done = 0; done < rounds; done += ROUNDS_OF_A_PAIR) {
    await using pair = new AsyncDisposableStack()
    let origin!: Sandbox
    let bare!: BareSandbox
    const makers = [
      async () => {
        origin = pair.use(await world.client.sandboxes.create({ image: 'base', resources }))
        await world.install(origin)
        await untilReady(origin, ['hold', String(mib)])
      },
      async () => {
        bare = await world.bare.place(resources)
        pair.defer(() => bare.remove())
        await bare.prepare(world.baseRoot)
        await bare.run()
        await bare.ask(`hold ${mib}`)
      },
    ]
    // What is free of the machine's memory may lie better for the first one.
    const isOdd = (done / ROUNDS_OF_A_PAIR) % 2 === 1
    for (const make of isOdd ? makers.toReversed() : makers) await make()
    await interleave(
      Math.min(ROUNDS_OF_A_PAIR, rounds - done),
      [
        async (counted) => {
          const previous = snapshot
          const ms = await timed(async () => {
            snapshot = await origin.snapshot({ kind: 'memory' })
          })
          await previous?.delete({ permanent: true })
          await settle(bench)
          mustHold(receiptOf(snapshot).memoryBytes, mib)
          if (!counted) return
          results.add(name('memory snapshot'), SERVER, ms)
          results.add(name('memory snapshot, stands still'), SERVER, receiptOf(snapshot).standstillMs)
          results.steps(name('memory snapshot'), receiptOf(snapshot).steps)
        },
        async (counted) => {
          const previous = kept
          const taken = await takeBareSnapshot(world, bare, direct)
          kept = taken
          if (previous) await removeBareSnapshot(world, previous)
          await settle(bench)
          mustHold((await stat(join(taken.image, 'pages.img'))).size, mib)
          if (!counted) return
          results.add(name('memory snapshot'), BARE, taken.totalMs)
          results.add(name('memory snapshot'), DURABLE, taken.durableMs)
          results.add(name('memory snapshot, stands still'), BARE, taken.standstillMs)
        },
      ],
      signal,
    )
  }
  results.aim({ work: name('memory snapshot'), who: SERVER, against: DURABLE, atMost: 1.2 })
  results.aim({ work: name('memory snapshot, stands still'), who: SERVER, against: BARE, atMost: 1.2 })

  await interleave(
    rounds,
    [
      async (counted) => {
        let sandbox!: Sandbox
        const ms = await timed(async () => {
          sandbox = await (snapshot as Snapshot).spawn()
          await runEcho(sandbox)
        })
        const deleteMs = await timed(() => sandbox.kill())
        await settle(bench)
        if (!counted) return
        results.add(name('spawn'), SERVER, ms)
        results.add(name('delete'), SERVER, deleteMs)
      },
      async (counted) => {
        const sandbox = await world.bare.place(resources)
        await sandbox.prepare((kept as BareSnapshot).root)
        await sandbox.create()
        const ms = await timed(async () => {
          await sandbox.restore((kept as BareSnapshot).image)
          await sandbox.ask('run')
        })
        const deleteMs = await timed(() => sandbox.delete())
        await sandbox.remove()
        await giveBack(world)
        if (!counted) return
        results.add(name('spawn'), BARE, ms)
        results.add(name('delete'), BARE, deleteMs)
      },
      async (counted) => {
        const sandbox = await world.bare.place(resources)
        const ms = await timed(async () => {
          await sandbox.prepare((kept as BareSnapshot).root)
          await sandbox.restore((kept as BareSnapshot).image)
          await sandbox.ask('run')
        })
        await sandbox.remove()
        await giveBack(world)
        if (counted) results.add(name('spawn'), 'bare, nothing ahead', ms)
      },
    ],
    signal,
  )
  results.aim({ work: name('spawn'), who: SERVER, against: BARE, atMost: 1.2 })
}

/** Snapshots of files only, with nothing and with 100 MiB waiting to be written. */
export async function filesystem(bench: Bench, mib: number): Promise<void> {
  const { world, results, plan, signal } = bench
  const rounds = mib >= LARGE_MIB ? plan.largeRounds : plan.rounds
  const dirtyMib = Math.min(100, mib)
  await using stack = new AsyncDisposableStack()
  const origin = stack.use(await world.client.sandboxes.create({ image: 'base', resources: DEFAULTS }))
  await world.install(origin)
  await untilReady(origin, ['fill', '/home/user/data', String(mib)])
  const bare = await world.bare.place(DEFAULTS)
  stack.defer(() => bare.remove())
  await bare.prepare(world.baseRoot)
  await bare.run()
  await bare.ask(`fill /home/user/data ${mib}`)

  for (const dirty of [false, true]) {
    const work = `filesystem snapshot, ${mib} MiB${dirty ? `, ${dirtyMib} dirty` : ''}`
    await interleave(
      rounds,
      [
        async (counted) => {
          if (dirty) await untilReady(origin, ['fill', '/home/user/data', String(dirtyMib)])
          let snapshot!: Snapshot
          const ms = await timed(async () => {
            snapshot = await origin.snapshot({ kind: 'filesystem' })
          })
          const { standstillMs, steps } = receiptOf(snapshot)
          await snapshot.delete({ permanent: true })
          await giveBack(world)
          if (!counted) return
          results.add(work, SERVER, ms)
          results.add(`${work}, stands still`, SERVER, standstillMs)
          results.steps(work, steps)
        },
        async (counted) => {
          if (dirty) await bare.ask(`fill /home/user/data ${dirtyMib}`)
          const target = join(world.bare.options.poolDir, 'taken')
          const flushed = join(world.bare.options.poolDir, 'flushed')
          let standstillMs = 0
          const ms = await timed(async () => {
            // The cheapest way to write one subvolume's dirty pages, and none of its neighbours'.
            if (dirty) await bare.capture(flushed)
            standstillMs = await timed(async () => {
              await bare.pause()
              await bare.capture(target)
              await bare.resume()
            })
          })
          // The snapshot was committed when its command ended, so this should find nothing to do.
          const durableMs = ms + (await timed(() => syncPath(world.bare.options.poolDir)))
          await command('btrfs', ['subvolume', 'delete', target, ...(dirty ? [flushed] : [])])
          await giveBack(world)
          if (!counted) return
          results.add(work, BARE, ms)
          results.add(work, DURABLE, durableMs)
          results.add(`${work}, stands still`, BARE, standstillMs)
        },
      ],
      signal,
    )
    results.aim({ work: `${work}, stands still`, who: SERVER, atMost: 50 })
    results.aim({ work, who: SERVER, against: DURABLE, atMost: 1.2 })
  }
}

// ---------------------------------------------------------------- bare snapshots

interface BareSnapshot {
  image: string
  root: string
  totalMs: number
  durableMs: number
  standstillMs: number
}

let taken = 0

async function takeBareSnapshot(world: World, sandbox: BareSandbox, direct: boolean): Promise<BareSnapshot> {
  taken += 1
  const root = join(world.bare.options.poolDir, `snapshot-${taken}`)
  const image = await world.bare.memoryDir(`memory-${taken}`)
  const totalMs = await timed(async () => {
    await sandbox.pause()
    await sandbox.checkpoint(image, direct)
    await sandbox.capture(root)
    await sandbox.resume()
  })
  const durableMs = totalMs + (await timed(() => syncFiles(image)))
  return { image, root, totalMs, durableMs, standstillMs: totalMs }
}

async function removeBareSnapshot(_world: World, snapshot: BareSnapshot): Promise<void> {
  await command('btrfs', ['subvolume', 'delete', snapshot.root])
  await command('rm', ['-rf', snapshot.image])
}

/** A program that has ended would make a quick snapshot of nothing. */
function mustHold(bytes: number, mib: number): void {
  if (bytes < mib * MIB) throw new Error(`the snapshot holds ${bytes} bytes instead of ${mib} MiB`)
}

function receiptOf(snapshot: Snapshot | null) {
  if (!snapshot?.receipt) throw new Error('a ready snapshot without a receipt')
  return snapshot.receipt
}
