import { beforeEach, describe, expect, it } from 'vitest'
import { type Core, type LimitsChange, type RecipeSource, SpawnpointError, type TeamLimits } from '../src/index.ts'
import { GIB, World } from './world.ts'

const HOUR = 3_600_000

let world: World
let core: Core
beforeEach(async () => {
  world = new World()
  core = await world.server()
  return () => core.close()
})

const limit = (limits: LimitsChange) => core.teams.update(world.by, 'default', { limits })
const create = () => core.sandboxes.create(world.by, { image: 'base' })
const used = async () => (await core.keys.team(world.by)).used

async function refusal(asked: Promise<unknown>): Promise<object> {
  const error: unknown = await asked.then(
    () => 'nothing was refused',
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof SpawnpointError)) throw error
  return { code: error.code, ...error.context }
}

const exceeded = (limit: keyof TeamLimits, allowed: number, used: number, asked: number) => ({
  code: 'quota_exceeded',
  limit,
  allowed,
  used,
  asked,
})

describe('a limit of a team', () => {
  it('holds for creates at the same moment', async () => {
    await limit({ sandboxes: 3 })
    const asked = await Promise.allSettled(Array.from({ length: 8 }, create))
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    expect(await refusal(create())).toEqual(exceeded('sandboxes', 3, 3, 1))
    expect((await used()).sandboxes).toBe(3)
  })

  it('of processors and memory counts what each sandbox may use', async () => {
    await limit({ cpus: 2.5, memoryBytes: 4 * GIB })
    const big = { image: 'base', resources: { cpus: 1.5, memoryBytes: 2 * GIB } }
    await (await core.sandboxes.create(world.by, big)).done
    expect(await refusal(core.sandboxes.create(world.by, big))).toEqual(exceeded('cpus', 2.5, 1.5, 1.5))
    await limit({ cpus: null, memoryBytes: 3 * GIB })
    expect(await refusal(core.sandboxes.create(world.by, big))).toMatchObject({ limit: 'memoryBytes', used: 2 * GIB })
    await (await create()).done
    expect(await used()).toMatchObject({ sandboxes: 2, cpus: 2.5, memoryBytes: 3 * GIB })
  })

  it('counts a sandbox that builds an image, from its claim to its end', async () => {
    await limit({ sandboxes: 1 })
    const source: RecipeSource = { type: 'recipe', from: 'base', steps: [{ type: 'run', command: 'true' }] }
    const build = (name: string) => core.images.build(world.by, { name, source })
    const first = await build('one')
    expect(await refusal(build('two'))).toEqual(exceeded('sandboxes', 1, 1, 1))
    expect(await refusal(create())).toEqual(exceeded('sandboxes', 1, 1, 1))
    await first.done
    expect((await used()).sandboxes).toBe(0)
    await (await create()).done
    expect(await refusal(build('two'))).toEqual(exceeded('sandboxes', 1, 1, 1))
    // What no sandbox builds is not under it.
    await (await core.images.build(world.by, { name: 'tar', source: { type: 'tar', path: 'x.tar' } })).done
  })

  it('does not count what rests, and is asked again when that is brought back', async () => {
    const [one, two] = [await world.sandbox(core), await world.sandbox(core)]
    await (await core.sandboxes.pause(world.by, one.id)).done
    await (await core.sandboxes.stop(world.by, two.id)).done
    await limit({ sandboxes: 1 })
    const three = await world.sandbox(core)
    for (const back of [
      () => core.sandboxes.resume(world.by, one.id),
      () => core.sandboxes.start(world.by, two.id),
      () => core.sandboxes.rollback(world.by, two.id, { origin: true }),
    ])
      expect(await refusal(back())).toEqual(exceeded('sandboxes', 1, 1, 1))
    expect((await core.sandboxes.get(world.by, one.id)).state).toBe('paused')
    // What runs counts already.
    await (await core.sandboxes.rollback(world.by, three.id, { origin: true })).done
    await core.sandboxes.kill(world.by, three.id)
    expect((await (await core.sandboxes.resume(world.by, one.id)).done).state).toBe('running')
  })

  it('holds for the use of a sandbox that would be woken', async () => {
    const timeout = { autoResume: true, onTimeout: 'pause' as const }
    const { id } = await (await core.sandboxes.create(world.by, { image: 'base', timeout })).done
    await (await core.sandboxes.pause(world.by, id)).done
    await limit({ sandboxes: 0 })
    expect(await refusal(core.sandboxes.guest(world.by, id))).toEqual(exceeded('sandboxes', 0, 0, 1))
  })

  it('is one for all children of a fork, none of which is made', async () => {
    const { id } = await world.sandbox(core)
    await limit({ sandboxes: 3 })
    const fork = (count: number) => core.sandboxes.fork(world.by, id, { count, mode: 'best_effort' })
    expect(await refusal(fork(3))).toEqual(exceeded('sandboxes', 3, 1, 3))
    expect(await used()).toMatchObject({ sandboxes: 1 })
    expect((await core.sandboxes.get(world.by, id)).state).toBe('running')
    expect(await (await fork(2)).done).toHaveLength(2)
    expect(await used()).toMatchObject({ sandboxes: 3 })
  })

  it('of snapshots leaves the sandbox running', async () => {
    const { id } = await world.sandbox(core)
    await limit({ snapshots: 1 })
    const take = () => core.snapshots.create(world.by, id, { kind: 'filesystem' })
    const first = await (await take()).done
    expect(await refusal(take())).toEqual(exceeded('snapshots', 1, 1, 1))
    expect((await core.sandboxes.get(world.by, id)).state).toBe('running')
    await core.snapshots.delete(world.by, first.id)
    expect((await (await take()).done).state).toBe('ready')
  })

  it('of storage is asked before more is stored; a pause is never refused', async () => {
    const { id } = await world.sandbox(core)
    const { sizeBytes } = await (await core.snapshots.create(world.by, id, { kind: 'memory' })).done
    await limit({ storageBytes: sizeBytes })
    expect(await refusal(core.snapshots.create(world.by, id, { kind: 'memory' }))).toMatchObject({
      limit: 'storageBytes',
      allowed: sizeBytes,
      used: sizeBytes,
    })
    await (await core.sandboxes.pause(world.by, id)).done
    expect((await used()).storageBytes).toBeGreaterThan(sizeBytes)
  })

  it('of retention bounds what is asked for, and what is not', async () => {
    const { id } = await world.sandbox(core)
    await limit({ snapshotRetentionMs: HOUR })
    const take = (ttlMs?: number | null) => core.snapshots.create(world.by, id, { kind: 'filesystem', ttlMs })
    const taken = await (await take()).done
    expect(taken.expiresAt?.getTime()).toBe(taken.createdAt.getTime() + HOUR)
    expect(await refusal(take(HOUR + 1))).toEqual(exceeded('snapshotRetentionMs', HOUR, 0, HOUR + 1))
    expect(await refusal(take(null))).toMatchObject({ limit: 'snapshotRetentionMs' })
    const short = await (await take(1_000_000)).done
    const update = (request: { ttlMs?: number | null; pinned?: boolean }) =>
      core.snapshots.update(world.by, short.id, request)
    expect(await refusal(update({ pinned: true }))).toMatchObject({ limit: 'snapshotRetentionMs' })
    expect(await refusal(update({ ttlMs: null }))).toMatchObject({ limit: 'snapshotRetentionMs' })
    // From when it was taken: asking again and again makes it no longer.
    expect(await refusal(update({ ttlMs: HOUR + 60_000 }))).toMatchObject({ limit: 'snapshotRetentionMs' })
    expect((await update({ ttlMs: 2_000_000 })).expiresAt).not.toBeNull()
    await core.keys.updateTeam(world.by, { snapshotRetentionMs: 60_000 })
    const usual = await (await take()).done
    expect(usual.expiresAt?.getTime()).toBe(usual.createdAt.getTime() + 60_000)
  })

  it('is a number that makes sense', async () => {
    for (const limits of [{ sandboxes: -1 }, { sandboxes: 1.5 }, { cpus: Number.NaN }, { snapshotRetentionMs: 0 }])
      expect(await refusal(limit(limits))).toMatchObject({ code: 'invalid_argument' })
    expect((await core.keys.team(world.by)).limits.sandboxes).toBeNull()
    await expect(core.teams.update(world.by, 'nobody', { limits: {} })).rejects.toMatchObject({ code: 'not_found' })
  })
})
