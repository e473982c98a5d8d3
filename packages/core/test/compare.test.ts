import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Core, Sandbox, Snapshot } from '../src/index.ts'
import { World } from './world.ts'

let world: World
let core: Core
let sandbox: Sandbox
beforeEach(async () => {
  world = new World()
  core = await world.server()
  sandbox = await world.sandbox(core)
})
afterEach(() => core.close())

const inside = async (ref: string = sandbox.id) => (await core.sandboxes.guest(world.by, ref)).guest
const write = async (path: string, text: string) =>
  (await inside()).files.write(path, Readable.from([Buffer.from(text)]))
async function snapshot(request: { kind?: 'memory' | 'filesystem'; name?: string } = {}): Promise<Snapshot> {
  return (await core.snapshots.create(world.by, sandbox.id, { kind: 'memory', ...request })).done
}
const text = async (body: Readable) => Buffer.concat(await body.toArray()).toString()

describe('the files of a snapshot', () => {
  it('are listed, read, searched and packed without starting it', async () => {
    await write('/srv/app/main.py', 'import os\nprint("hello")\n')
    await write('/srv/app/notes', 'none')
    const { id } = await snapshot({ name: 'point' })
    await core.sandboxes.kill(world.by, sandbox.id)
    world.host.faults.reset()

    expect(await core.browse.stat(world.by, id, '/srv/app')).toMatchObject({ type: 'directory' })
    const first = await core.browse.list(world.by, 'point', '/srv', { depth: 2, limit: 2 })
    expect(first.items.map(({ path }) => path)).toEqual(['/srv/app', '/srv/app/main.py'])
    const rest = await core.browse.list(world.by, 'point', '/srv', { depth: 2, limit: 2, after: first.next ?? '' })
    expect(rest).toMatchObject({ items: [{ path: '/srv/app/notes' }], next: null })
    const { info, body } = await core.browse.read(world.by, id, '/srv/app/main.py', { offset: 10 })
    expect([info.sizeBytes, await text(body)]).toEqual([25, 'print("hello")\n'])
    const found = await core.browse.search(world.by, id, { name: '*.py', content: 'hello' })
    expect(found).toMatchObject({ matches: [{ file: { path: '/srv/app/main.py' }, line: 2 }], incomplete: null })
    const archive = Buffer.concat(await (await core.browse.pack(world.by, id, '/srv/app')).toArray())
    expect(archive.toString('latin1', 0, 20)).toContain('app/')
    expect(world.host.faults.log.filter(({ step }) => step.startsWith('runtime.'))).toEqual([])
  })

  it('can be looked at in the trash, and not once they are gone', async () => {
    const { id } = await snapshot()
    await core.snapshots.delete(world.by, id)
    expect(await core.browse.stat(world.by, id, '/')).toMatchObject({ type: 'directory' })
    await core.snapshots.delete(world.by, id, { permanent: true })
    await expect(core.browse.stat(world.by, id, '/')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('are not those of another team, of one that failed, or of an image', async () => {
    const { id } = await snapshot()
    const stranger = { ...world.by, teamId: 'f'.repeat(24) as typeof world.by.teamId }
    await expect(core.browse.stat(stranger, id, '/')).rejects.toMatchObject({ code: 'not_found' })
    await expect(core.compare.compare(stranger, { snapshot: id }, { snapshot: id })).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(core.browse.stat(world.by, 'base', '/')).rejects.toMatchObject({ code: 'not_found' })
    world.host.faults.failNext('pool.captureRoot')
    await expect(snapshot({ name: 'failed' })).rejects.toThrow()
    const [failed] = (await core.snapshots.list(world.by, { states: ['failed'] }, { limit: 1 })).items
    await expect(core.browse.stat(world.by, String(failed?.id), '/')).rejects.toMatchObject({ code: 'wrong_state' })
  })

  it.each([
    [() => core.browse.list(world.by, 'point', '/', { depth: 65 })],
    [() => core.browse.list(world.by, 'point', '/', { limit: 0 })],
    [() => core.browse.list(world.by, 'point', '/', { limit: 10_001 })],
    [() => core.browse.list(world.by, 'point', '/', { after: 'x'.repeat(65_537) })],
    [() => core.browse.search(world.by, 'point', {})],
    [() => core.browse.search(world.by, 'point', { name: 'x'.repeat(256) })],
    [() => core.browse.search(world.by, 'point', { content: 'x', limit: 1_001 })],
    [() => core.browse.read(world.by, 'point', '/x', { offset: -1 })],
    [() => core.compare.compare(world.by, { snapshot: 'point' }, { snapshot: 'point' }, { limit: 1.5 })],
  ])('are not asked for out of bounds (%#)', async (ask) => {
    await snapshot({ name: 'point' })
    await expect(ask()).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

describe('a copy from a snapshot into a sandbox', () => {
  it('takes a directory or a file, with its owners or for one', async () => {
    await write('/srv/app/deep/file', 'kept')
    await write('/srv/a[1]*', 'odd')
    await (await inside()).files.chown('/srv/app/deep/file', '1234:1234')
    const { id } = await snapshot()
    await (await inside()).files.remove('/srv/app', { recursive: true })

    const copy = (path: string, destination: string, owner?: string) =>
      core.browse.copyInto(world.by, sandbox.id, { snapshot: id, path, destination, ...(owner ? { owner } : {}) })
    expect(await copy('/srv/app', '/srv/app')).toMatchObject({ bytes: 4 })
    const { files } = await inside()
    expect(await files.stat('/srv/app/deep/file')).toMatchObject({ uid: 1234, gid: 1234 })
    await copy('/srv/app/deep/file', '/srv/renamed', '77:77')
    expect(await files.stat('/srv/renamed')).toMatchObject({ uid: 77, sizeBytes: 4 })
    await copy('/srv/a[1]*', '/srv/app/')
    expect(await files.stat('/srv/app/a[1]*')).toMatchObject({ sizeBytes: 3 })
    await expect(copy('/nowhere', '/srv/x')).rejects.toMatchObject({
      code: 'guest_error',
      context: { errno: 'ENOENT' },
    })
  })

  it('that breaks off says why', async () => {
    await write('/srv/file', 'kept')
    const { id } = await snapshot()
    const copy = () =>
      core.browse.copyInto(world.by, sandbox.id, { snapshot: id, path: '/srv/file', destination: '/srv/copy' })
    world.host.faults.failNext('guest.files.unpack', new Error('no space'))
    await expect(copy()).rejects.toThrow('no space')
    await (await core.sandboxes.pause(world.by, sandbox.id)).done
    await expect(copy()).rejects.toMatchObject({ code: 'wrong_state' })
  })
})

describe('a comparison', () => {
  it('tells what changed between two snapshots: files, processes, ports, memory', async () => {
    await write('/srv/config', 'port=80\n')
    const { processes } = await inside()
    const ended = await processes.start({ args: ['sleep', '1000'], env: {}, stdin: false })
    const before = await snapshot()
    await processes.signal(ended.id, 'SIGKILL', true)
    await processes.wait(ended.id)
    const server = await processes.start({ args: ['tcp-echo', '8080'], env: {}, stdin: false })
    await write('/srv/config', 'port=8080\n')
    await write('/srv/new', '')
    const after = await snapshot({ kind: 'filesystem' })

    expect(await core.compare.compare(world.by, { snapshot: before.id }, { snapshot: after.id })).toMatchObject({
      before: { snapshotId: before.id, sandboxId: null, at: before.createdAt },
      after: { snapshotId: after.id },
      files: { added: [{ path: '/srv/new' }], removed: [], changed: [{ path: '/srv/config', differs: ['content'] }] },
      processes: { started: [{ pid: server.pid }], ended: [{ pid: ended.pid, command: 'sleep 1000' }] },
      ports: { opened: [{ port: 8080, pid: server.pid }], closed: [] },
      memory: expect.arrayContaining([expect.objectContaining({ pid: ended.pid, bytesAfter: null })]),
    })
    expect(await core.browse.census(world.by, before.id)).toMatchObject({ processes: [{ pid: ended.pid }], ports: [] })
    const narrow = await core.compare.compare(
      ...([world.by, { snapshot: before.id }, { snapshot: after.id }, { path: '/srv/new' }] as const),
    )
    expect(narrow.files.counts).toEqual({ added: 1, removed: 0, changed: 0 })
  })

  it('takes a sandbox as it is now, and does not wake one that rests', async () => {
    await write('/srv/config', 'one\n')
    const { id } = await snapshot()
    await write('/srv/config', 'two\n')
    const now = await core.compare.compare(world.by, { snapshot: id }, { sandbox: sandbox.id })
    expect(now).toMatchObject({
      after: { sandboxId: sandbox.id, snapshotId: null },
      files: { changed: [{ path: '/srv/config' }] },
      processes: { started: [], ended: [] },
    })
    const { guest } = await core.sandboxes.guest(world.by, sandbox.id)
    const { pid } = await guest.processes.start({ args: ['holder', 'x'], env: {}, stdin: true })
    const running = await snapshot()
    await core.sandboxes.update(world.by, sandbox.id, { timeout: { autoResume: true } })
    await (await core.sandboxes.pause(world.by, sandbox.id)).done
    const paused = await core.compare.compare(world.by, { snapshot: id }, { sandbox: sandbox.id })
    expect(paused).toMatchObject({ files: { counts: { changed: 1 } }, processes: { started: [{ pid }], ended: [] } })
    expect((await core.sandboxes.get(world.by, sandbox.id)).state).toBe('paused')
    // Nothing runs in what is stopped.
    await (await core.sandboxes.resume(world.by, sandbox.id)).done
    await (await core.sandboxes.stop(world.by, sandbox.id)).done
    const stopped = await core.compare.compare(world.by, { snapshot: running.id }, { sandbox: sandbox.id })
    expect(stopped).toMatchObject({ processes: { started: [], ended: [{ pid }] }, ports: { opened: [] } })
  })

  it('goes without what an old agent, or one that fails, does not tell', async () => {
    const { id } = await snapshot()
    world.host.faults.failNext('guest.census')
    const { processes, files } = await core.compare.compare(world.by, { snapshot: id }, { sandbox: sandbox.id })
    expect([processes, files.counts]).toEqual([null, { added: 0, removed: 0, changed: 0 }])
    const kept = world.host.snapshots.get(id)
    if (kept === undefined) throw new Error('the snapshot is gone')
    for (const census of [
      undefined,
      null,
      'x',
      { at: 'x' },
      { at: new Date().toISOString(), processes: [{}], ports: [] },
    ]) {
      kept.manifest = { formatVersion: 1, census }
      expect(await core.browse.census(world.by, id)).toBeNull()
    }
  })

  it('tells the difference of one text', async () => {
    await write('/srv/config', 'a\nb\n')
    await write('/srv/gone', 'x\n')
    const before = { snapshot: (await snapshot()).id }
    await write('/srv/config', 'a\nc\n')
    await write('/srv/large', 'x'.repeat(2 * 2 ** 20 + 1))
    await (await inside()).files.remove('/srv/gone')
    const after = { sandbox: sandbox.id }
    const told = async (path: string) => {
      const { outcome, unified } = await core.compare.compareText(world.by, before, after, path)
      return [outcome, unified]
    }
    expect(await told('/srv/config')).toEqual([
      'text',
      '--- a/srv/config\n+++ b/srv/config\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n',
    ])
    expect(await told('/srv/gone')).toEqual(['text', '--- a/srv/gone\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-x\n'])
    expect(await told('/srv/large')).toEqual(['too_large', null])
    expect(await told('/srv')).toEqual(['not_a_file', null])
    expect(await told('/etc/passwd')).toEqual(['same', ''])
    await expect(told('/nowhere')).rejects.toMatchObject({ code: 'not_found' })
    await expect(told('relative')).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})
