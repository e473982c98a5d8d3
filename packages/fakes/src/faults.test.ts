import { type ImageId, NO_LIMITS, newId, type SnapshotId, type TeamId } from '@spawnpoint/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { CrashSignal } from './faults.ts'
import { fillFakeRoot } from './image-builder.ts'
import { TestWorld } from './test-world.ts'

let world: TestWorld
beforeEach(async () => {
  world = await new TestWorld().open()
})

const hold = { hooks: true, hookTimeoutMs: 10, sync: true, findCulprits: true }
const team = () => ({
  id: newId<TeamId>(),
  name: 'team',
  snapshotRetentionMs: null,
  trashMs: 0,
  limits: NO_LIMITS,
  createdAt: new Date(),
})

describe('a call that is to fail', () => {
  it('rejects with the error, does nothing, and works the next time', async () => {
    const root = await world.root()
    const failure = new Error('as planned')
    world.host.faults.failNext('pool.deleteRoot', failure)
    await expect(world.pool.deleteRoot(root)).rejects.toBe(failure)
    expect(world.host.leaks().roots).toEqual([root])
    await world.pool.deleteRoot(root)
    expect(world.host.leaks().roots).toEqual([])
  })

  it('can be named by its place in the log', async () => {
    const root = await world.root()
    world.host.faults.reset()
    world.host.faults.failCall(1)
    await world.pool.rootUsage(root)
    await expect(world.pool.flushRoot(root)).rejects.toMatchObject({ code: 'runtime_failed' })
    await world.pool.flushRoot(root)
    expect(world.host.faults.log.map((call) => call.step)).toEqual([
      'pool.rootUsage',
      'pool.flushRoot',
      'pool.flushRoot',
    ])
  })
})

describe('a call that is to hang', () => {
  it('is seen to arrive and goes on when released', async () => {
    const root = await world.root()
    const hang = world.host.faults.hang('pool.deleteRoot')
    const deleted = world.pool.deleteRoot(root)
    await hang.reached
    await world.host.faults.quiet()
    expect(world.host.leaks().roots).toEqual([root])
    hang.release()
    await deleted
    expect(world.host.leaks().roots).toEqual([])
  })

  it('dies with the server', async () => {
    const hang = world.host.faults.hang('ledger.commit')
    const record = team()
    const put = expect(world.ledger.transact((tx) => tx.putTeam(record))).rejects.toThrow(CrashSignal)
    await hang.reached
    world.host.crashServer()
    await put
    await world.open()
    expect(await world.ledger.read.team(record.id)).toBeNull()
    // The lock that the dead server held is free.
    await world.ledger.transact((tx) => tx.putTeam(record))
    expect(await world.ledger.read.team(record.id)).toEqual(record)
  })
})

describe('a crash', () => {
  it.each([
    ['before', { images: 0, staged: 0 }],
    ['during', { images: 0, staged: 1 }],
    ['after', { images: 1, staged: 0 }],
  ] as const)('%s the making of an image leaves what it would', async (when, left) => {
    world.host.faults.crashAt('pool.createImage', when)
    const made = world.pool.createImage(newId<ImageId>(), async (dir) => fillFakeRoot(world.host, dir))
    await expect(made).rejects.toThrow(CrashSignal)
    const { images, staged } = world.host.leaks()
    expect({ images: images.length, staged: staged.length }).toEqual(left)
  })

  it('while an image is filled leaves it staged, to be swept', async () => {
    const made = world.pool.createImage(newId<ImageId>(), async (dir) => {
      fillFakeRoot(world.host, dir)
      world.host.crashServer()
    })
    await expect(made).rejects.toThrow(CrashSignal)
    await world.open()
    const { images, staged } = await world.pool.list()
    expect(images).toEqual([])
    expect(staged).toHaveLength(1)
    await world.pool.deleteStaged(staged[0] as string)
    expect(world.host.leaks().staged).toEqual([])
  })

  it.each([
    ['before', 0],
    ['during', 1],
    ['after', 1],
  ] as const)('%s a start leaves %i incarnations', async (when, left) => {
    const spec = world.spec(await world.root())
    world.host.faults.crashAt('runtime.start', when)
    await expect(world.runtime.start(spec)).rejects.toThrow(CrashSignal)
    await world.open()
    expect(await world.runtime.list()).toHaveLength(left)
    // Whose agent never answered cannot be reached, only killed.
    if (when === 'during')
      await expect(world.runtime.attach(spec.id)).rejects.toMatchObject({ code: 'guest_unresponsive' })
    if (when === 'after') expect(await world.runtime.attach(spec.id)).toBeDefined()
    await world.runtime.kill(spec.id)
    expect(world.host.leaks().incarnations).toEqual([])
  })

  it('takes all instances with it, and nothing they wait for comes', async () => {
    const { guest, id } = await world.boot()
    const { id: sleeper } = await guest.processes.start({ args: ['sleep', '1000'], env: {}, stdin: false })
    const waiting = expect(guest.processes.wait(sleeper)).rejects.toThrow(CrashSignal)
    let told = false
    world.runtime.onExit(() => {
      told = true
    })
    void guest.gone.then(() => {
      told = true
    })
    const { pool, runtime, ledger } = world
    world.host.crashServer()
    await waiting
    await expect(guest.metrics()).rejects.toThrow(CrashSignal)
    await expect(pool.list()).rejects.toThrow(CrashSignal)
    await expect(runtime.list()).rejects.toThrow(CrashSignal)
    await expect(ledger.read.team(newId())).rejects.toThrow(CrashSignal)
    await expect(ledger.transact(async () => 1)).rejects.toThrow(CrashSignal)
    world.host.crashIncarnation(id)
    await world.host.faults.quiet()
    expect(told).toBe(false)
  })

  it.each([
    ['before', false],
    ['after', true],
  ] as const)('%s a commit decides whether it happened', async (when, happened) => {
    const record = team()
    world.host.faults.crashAt('ledger.commit', when)
    await expect(world.ledger.transact((tx) => tx.putTeam(record))).rejects.toThrow(CrashSignal)
    await world.open()
    expect((await world.ledger.read.team(record.id)) !== null).toBe(happened)
  })

  it('in the middle of a transaction rolls it back', async () => {
    const record = team()
    const put = world.ledger.transact(async (tx) => {
      await tx.putTeam(record)
      world.host.crashServer()
    })
    await expect(put).rejects.toThrow(CrashSignal)
    await world.open()
    expect(await world.ledger.read.team(record.id)).toBeNull()
  })

  it('can strike every call of a piece of work in turn', async () => {
    const snapshot = newId<SnapshotId>()
    const capture = async (
      { pool, runtime }: TestWorld,
      { root, id, guest }: Awaited<ReturnType<TestWorld['boot']>>,
    ) => {
      const { memoryDir } = await pool.stageSnapshot(snapshot)
      await guest.hold(hold)
      await runtime.pause(id)
      await runtime.checkpoint(id, memoryDir)
      await pool.captureRoot(snapshot, root)
      await runtime.resume(id)
      await guest.release()
      await pool.publishSnapshot(snapshot, {})
    }
    const box = await world.boot()
    world.host.faults.reset()
    await capture(world, box)
    const steps = world.host.faults.log.map((call) => call.step)
    const outcomes: string[] = []
    for (const [index, step] of steps.entries()) {
      const struck = await new TestWorld().open()
      const victim = await struck.boot()
      struck.host.faults.reset()
      struck.host.faults.crashCall(index, 'after')
      await expect(capture(struck, victim)).rejects.toMatchObject({ name: 'CrashSignal', step })
      const { staged, snapshots } = struck.host.leaks()
      await struck.open()
      const state = (await struck.runtime.list())[0]?.paused ? 'paused' : 'running'
      outcomes.push(`${staged.length} staged, ${snapshots.length} published, ${state}`)
    }
    expect(outcomes).toEqual([
      '1 staged, 0 published, running',
      '1 staged, 0 published, running',
      '1 staged, 0 published, paused',
      '1 staged, 0 published, paused',
      '1 staged, 0 published, paused',
      '1 staged, 0 published, running',
      '1 staged, 0 published, running',
      '0 staged, 1 published, running',
    ])
  })
})

describe('a reboot', () => {
  it('ends the incarnations and keeps the disk', async () => {
    const { root } = await world.boot()
    world.host.reboot()
    await world.open()
    expect(await world.runtime.list()).toEqual([])
    expect((await world.pool.list()).roots).toEqual([root])
  })
})

describe('the fakes insist on', () => {
  it('a pause before a capture', async () => {
    const { root } = await world.boot()
    const id = newId<SnapshotId>()
    await world.pool.stageSnapshot(id)
    await expect(world.pool.captureRoot(id, root)).rejects.toMatchObject({ code: 'runtime_failed' })
  })

  it('a pause before a checkpoint', async () => {
    const { id } = await world.boot()
    const { memoryDir } = await world.pool.stageSnapshot(newId())
    await expect(world.runtime.checkpoint(id, memoryDir)).rejects.toMatchObject({ code: 'runtime_failed' })
  })

  it('a kill before a root goes, and one incarnation per root', async () => {
    const { root, id } = await world.boot()
    await expect(world.pool.deleteRoot(root)).rejects.toMatchObject({ code: 'runtime_failed' })
    await expect(world.runtime.start(world.spec(root))).rejects.toMatchObject({ code: 'runtime_failed' })
    await world.runtime.kill(id)
    await world.pool.deleteRoot(root)
  })

  it('identify before anything else', async () => {
    const guest = await world.runtime.start(world.spec(await world.root()))
    await expect(guest.metrics()).rejects.toThrow(/identify comes first/)
  })

  it('no transaction inside a transaction', async () => {
    const nested = world.ledger.transact(() => world.ledger.transact(async () => 1))
    await expect(nested).rejects.toThrow(/inside/)
  })
})

describe('what a guest cannot have captured', () => {
  it('is found by hold, and refused by a runtime that is too old', async () => {
    const { guest, id } = await world.boot()
    const culprits = [{ pid: 7, what: 'open file', path: '/root/gone' }]
    const incarnation = world.host.incarnations.get(id)
    if (incarnation) incarnation.culprits = culprits
    world.runtime.info.capabilities.capturesDeletedFiles = false
    expect((await guest.hold(hold)).culprits).toEqual(culprits)
    await world.runtime.pause(id)
    const { memoryDir } = await world.pool.stageSnapshot(newId())
    const refused = { code: 'capture_refused', context: { culprits } }
    await expect(world.runtime.checkpoint(id, memoryDir)).rejects.toMatchObject(refused)
    expect(await world.runtime.list()).toEqual([{ id, paused: true }])
    expect(world.host.pausedIncarnations()).toEqual([id])
  })
})
