import { describe, expect, it, vi } from 'vitest'
import type { Core, IncarnationId, Principal, Sandbox, SandboxId } from '../src/index.ts'
import { Tokens } from '../src/services/tokens.ts'
import { CONFIG, World } from './world.ts'

async function secondTeam(world: World, core: Core): Promise<Principal> {
  const { key } = await core.createTeam('second')
  const by = await core.authenticate(key)
  await (await core.images.build(by, { name: 'base', source: { type: 'debian', suite: 'bookworm', packages: [] } }))
    .done
  expect(by.teamId).not.toBe(world.by.teamId)
  return by
}

describe('tokens', () => {
  const tokens = (secret = CONFIG.secret) => new Tokens({ config: { ...CONFIG, secret } })

  it('are the same with the same secret, others with every other purpose, subject or secret', () => {
    const one = tokens().issue('envd', 'a'.repeat(24))
    expect(one).toMatch(/^[0-9a-f]{64}$/)
    expect(tokens().issue('envd', 'a'.repeat(24))).toBe(one)
    const all = [
      one,
      tokens().issue('ingress', 'a'.repeat(24)),
      tokens().issue('envd', 'b'.repeat(24)),
      tokens(Buffer.alloc(32, 8)).issue('envd', 'a'.repeat(24)),
      tokens().issue('a', 'bc'),
      tokens().issue('ab', 'c'),
      tokens().issue('a b', 'c'),
      tokens().issue('a', 'b c'),
    ]
    expect(new Set(all).size).toBe(all.length)
  })

  it('are told from everything else', () => {
    const token = tokens().issue('envd', 'x')
    expect(tokens().verify('envd', 'x', token)).toBe(true)
    const flipped = (token[0] === '0' ? '1' : '0') + token.slice(1)
    for (const other of [
      '',
      'x',
      flipped,
      token.slice(1),
      `${token}0`,
      token.toUpperCase(),
      'é'.repeat(64),
      ` ${token}`,
    ])
      expect(tokens().verify('envd', 'x', other), other).toBe(other === token)
    expect(tokens().verify('ingress', 'x', token)).toBe(false)
    expect(tokens().verify('envd', 'y', token)).toBe(false)
  })

  it('need a whole secret', () => {
    for (const secret of [new Uint8Array(0), Buffer.alloc(31), Buffer.alloc(33)])
      expect(() => tokens(secret)).toThrow('secret')
  })
})

describe('a team', () => {
  it('has a name of its own and a key that opens it, and nothing else', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    const { team, key } = await core.createTeam('second')
    const by = await core.authenticate(key)
    expect(by.teamId).toBe(team.id)
    expect(await core.keys.team(by)).toEqual(team)
    await expect(core.sandboxes.get(by, sandbox.id)).rejects.toMatchObject({ code: 'not_found' })
    expect((await core.keys.list(by, { limit: 10 })).items).toHaveLength(1)
  })

  it('is not made with a name that is taken or no name, and then leaves no key', async () => {
    const world = new World()
    await using core = await world.server()
    await core.createTeam('second')
    const keys = world.host.ledger.committed.keys.size
    await expect(core.createTeam('second')).rejects.toMatchObject({ code: 'name_taken' })
    await expect(core.createTeam('default')).rejects.toMatchObject({ code: 'name_taken' })
    for (const name of ['', '-a', 'A', 'a b', 'a/b', 'a:b', 'a'.repeat(64)])
      await expect(core.createTeam(name), name).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(world.host.ledger.committed.keys.size).toBe(keys)
    await core.createTeam('a'.repeat(63))
  })
})

describe('reach', () => {
  it('finds a sandbox of any team by its id alone, as long as it lives, and who may act on it', async () => {
    const world = new World()
    await using core = await world.server()
    const by = await secondTeam(world, core)
    const theirs = await (await core.sandboxes.create(by, { image: 'base', name: 'theirs' })).done
    const reached = await core.sandboxes.reach(theirs.id)
    expect(reached).toEqual({ by: { teamId: by.teamId, keyId: null }, sandbox: theirs })
    expect((await core.sandboxes.guest(reached?.by as Principal, theirs.id)).sandbox.id).toBe(theirs.id)
    await (await core.sandboxes.pause(by, theirs.id)).done
    expect((await core.sandboxes.reach(theirs.id))?.sandbox.state).toBe('paused')
    await core.sandboxes.kill(by, theirs.id)
    for (const id of [theirs.id, 'theirs', 'f'.repeat(24), '', 'x'.repeat(500), '\0'])
      expect(await core.sandboxes.reach(id), id).toBeNull()
  })

  it('answers with the record as it is, though it remembers it', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    expect((await core.sandboxes.reach(sandbox.id))?.sandbox.ingress.default).toBe('open')
    world.host.faults.reset()
    await core.sandboxes.reach(sandbox.id)
    expect(world.host.faults.log).toEqual([])
    await core.sandboxes.update(world.by, sandbox.id, { ingress: { default: 'closed' } })
    expect((await core.sandboxes.reach(sandbox.id))?.sandbox.ingress.default).toBe('closed')
  })

  it('does not let one team in by what it remembers for another', async () => {
    const world = new World()
    await using core = await world.server()
    const by = await secondTeam(world, core)
    const sandbox = await world.sandbox(core)
    await core.sandboxes.reach(sandbox.id)
    await expect(core.sandboxes.guest(by, sandbox.id)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('goes over all that run or would wake, of every team, more than a page of them', async () => {
    const world = new World()
    await using core = await world.server()
    const by = await secondTeam(world, core)
    const running: Sandbox[] = []
    for (let n = 0; n < 3; n += 1) running.push(await world.sandbox(core))
    running.push(await (await core.sandboxes.create(by, { image: 'base' })).done)
    const paused = await world.sandbox(core)
    await (await core.sandboxes.pause(world.by, paused.id)).done
    const asleep = await (await core.sandboxes.create(by, { image: 'base', timeout: { autoResume: true } })).done
    await (await core.sandboxes.pause(by, asleep.id)).done
    running.push(asleep)
    const found = await Array.fromAsync(core.sandboxes.reachAll())
    expect(found.map(({ sandbox }) => sandbox.id).sort()).toEqual(running.map(({ id }) => id).sort())
    for (const one of found) expect(one.by).toEqual({ teamId: one.sandbox.teamId, keyId: null })
  })
})

describe('gone', () => {
  /** What `gone` of the present incarnation has come to. */
  function watch(core: Core, sandbox: Sandbox) {
    const gone = vi.fn()
    void core.sandboxes.gone(sandbox.id, sandbox.incarnationId as IncarnationId).then(gone)
    return gone
  }

  it.each<[string, (world: World, core: Core, sandbox: Sandbox) => Promise<unknown>]>([
    ['a pause', async (w, c, s) => (await c.sandboxes.pause(w.by, s.id)).done],
    ['a stop', async (w, c, s) => (await c.sandboxes.stop(w.by, s.id)).done],
    ['a kill', (w, c, s) => c.sandboxes.kill(w.by, s.id)],
    ['a roll back', async (w, c, s) => (await c.sandboxes.rollback(w.by, s.id, { origin: true })).done],
    ['its death', async (w, _c, s) => w.host.crashIncarnation(s.incarnationId as IncarnationId)],
  ])('resolves at %s, and only then', async (_, end) => {
    const world = new World()
    await using core = await world.server()
    const [sandbox, other] = [await world.sandbox(core), await world.sandbox(core)]
    const [gone, otherGone] = [watch(core, sandbox), watch(core, other)]
    await (await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })).done
    await world.host.faults.quiet()
    expect(gone).not.toHaveBeenCalled()
    await end(world, core, sandbox)
    await expect.poll(() => gone.mock.calls.length).toBe(1)
    expect(otherGone).not.toHaveBeenCalled()
  })

  it('resolves at once for what is not the present incarnation', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    const paused = await (await core.sandboxes.pause(world.by, sandbox.id)).done
    await (await core.sandboxes.resume(world.by, sandbox.id)).done
    await core.sandboxes.gone(paused.id, sandbox.incarnationId as IncarnationId)
    await core.sandboxes.gone(sandbox.id, 'f'.repeat(24) as IncarnationId)
    await core.sandboxes.gone('f'.repeat(24) as SandboxId, sandbox.incarnationId as IncarnationId)
  })

  it('knows what an earlier server began', async () => {
    const world = new World()
    await world.server()
    const first = await world.server()
    const sandbox = await world.sandbox(first)
    world.host.crashServer()
    await using core = await world.server()
    const gone = watch(core, sandbox)
    await world.host.faults.quiet()
    expect(gone).not.toHaveBeenCalled()
    await core.sandboxes.kill(world.by, sandbox.id)
    await expect.poll(() => gone.mock.calls.length).toBe(1)
  })
})

describe('roll back to the origin', () => {
  const content = async (world: World, core: Core, sandbox: Sandbox, path: string) => {
    const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
    return guest.files.stat(path).then(
      () => 'there',
      (error) => error.context.errno,
    )
  }
  const write = async (world: World, core: Core, sandbox: Sandbox, path: string) => {
    const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
    await guest.files.write(path, [Buffer.from('x')] as never)
  }

  it('boots the image anew', async () => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    await world.startCounter(core, sandbox)
    await write(world, core, sandbox, '/home/user/mine')
    const own = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })).done
    await (await core.sandboxes.rollback(world.by, sandbox.id, { snapshot: own.id })).done
    const back = await (await core.sandboxes.rollback(world.by, sandbox.id, { origin: true })).done
    expect(back).toMatchObject({ id: sandbox.id, state: 'running', sourceSnapshotId: null, originSnapshotId: null })
    expect(back.generation).toBeGreaterThan(1)
    expect(await content(world, core, sandbox, '/home/user/mine')).toBe('ENOENT')
    await expect(world.ask(core, sandbox)).rejects.toMatchObject({ code: 'process_not_found' })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('restores the snapshot it was started from, also after it was elsewhere', async () => {
    const world = new World()
    await using core = await world.server()
    const first = await world.sandbox(core)
    await world.startCounter(core, first)
    await (await core.snapshots.create(world.by, first.id, { kind: 'memory', name: 'origin' })).done
    const sandbox = await (await core.sandboxes.create(world.by, { snapshot: 'origin' })).done
    await world.tell(core, sandbox, 'later')
    const own = await (await core.snapshots.create(world.by, sandbox.id, { kind: 'memory' })).done
    const elsewhere = await (await core.sandboxes.rollback(world.by, sandbox.id, { snapshot: own.id })).done
    expect(elsewhere).toMatchObject({ sourceSnapshotId: own.id, originSnapshotId: sandbox.sourceSnapshotId })
    expect(await world.ask(core, sandbox)).toBe('later')
    const back = await (await core.sandboxes.rollback(world.by, sandbox.id, { origin: true })).done
    expect(back.sourceSnapshotId).toBe(sandbox.sourceSnapshotId)
    expect(await world.ask(core, sandbox)).toBe('first')
    // By name as well: it is one that this sandbox may go back to.
    await (await core.sandboxes.rollback(world.by, sandbox.id, { snapshot: own.id })).done
    await (await core.sandboxes.rollback(world.by, sandbox.id, { snapshot: 'origin' })).done
    expect(await world.ask(core, sandbox)).toBe('first')
    expect(await world.disagreements(core)).toEqual([])
  })

  it('boots the files of the snapshot where its memory was not wanted, of a fork too', async () => {
    const world = new World()
    await using core = await world.server()
    const first = await world.sandbox(core)
    await world.startCounter(core, first)
    const snapshot = await (await core.snapshots.create(world.by, first.id, { kind: 'memory' })).done
    const sandbox = await (await core.sandboxes.create(world.by, { snapshot: snapshot.id, cold: true })).done
    const [fork] = await (await core.sandboxes.fork(world.by, sandbox.id, { count: 1, mode: 'all_or_nothing' })).done
    for (const { id } of [sandbox, fork?.sandbox as Sandbox]) {
      const back = await (await core.sandboxes.rollback(world.by, id, { origin: true })).done
      expect(back).toMatchObject({ state: 'running', sourceSnapshotId: snapshot.id, originCold: true })
      await expect(world.ask(core, back)).rejects.toMatchObject({ code: 'process_not_found' })
      // Asked for by its id it comes with all it has.
      await (await core.sandboxes.rollback(world.by, id, { snapshot: snapshot.id })).done
      expect(await world.ask(core, back)).toBe('first')
    }
  })

  it.each(['pause', 'stop'] as const)('works on what rests after a %s', async (verb) => {
    const world = new World()
    await using core = await world.server()
    const sandbox = await world.sandbox(core)
    await (await core.sandboxes[verb](world.by, sandbox.id)).done
    const back = await (await core.sandboxes.rollback(world.by, sandbox.id, { origin: true })).done
    expect(back).toMatchObject({ state: 'running', haltedAt: null, pausedSnapshotId: null })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('says which of them is gone, and the sandbox runs on', async () => {
    const world = new World()
    await using core = await world.server()
    const first = await world.sandbox(core)
    await world.startCounter(core, first)
    const snapshot = await (await core.snapshots.create(world.by, first.id, { kind: 'memory' })).done
    const sandbox = await (await core.sandboxes.create(world.by, { snapshot: snapshot.id })).done
    await core.snapshots.delete(world.by, snapshot.id)
    await core.images.delete(world.by, 'base')
    for (const [one, resource] of [
      [sandbox, 'snapshot'],
      [first, 'image'],
    ] as const) {
      await expect(core.sandboxes.rollback(world.by, one.id, { origin: true })).rejects.toMatchObject({
        code: 'not_found',
        context: { resource },
      })
      expect(await world.ask(core, one)).toBe('first')
    }
    expect(await world.disagreements(core)).toEqual([])
  })
})
