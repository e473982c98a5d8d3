import { type Sandbox, type Snapshot, Spawnpoint } from 'spawnpoint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { REPOSITORY, World } from './world.ts'

let world: World
let sandbox: Sandbox
let before: Snapshot
let after: Snapshot
const listening = (port: number) => `python3 -m http.server ${port} >/dev/null 2>&1 & echo $!`

beforeAll(async () => {
  world = await World.start()
  sandbox = await world.client.sandboxes.create({ image: 'base' })
  const root = (command: string) => sandbox.run(command, { user: 'root', check: true })
  await root('mkdir -p /srv/app && printf "port=80\\nhost=here\\n" > /srv/app/config && chown -R 1234:1234 /srv/app')
  await root(`ln -s ${REPOSITORY} /srv/host && ln -s / /srv/top && touch /srv/gone`)
  const server = (await root(listening(8123))).stdout.trim()
  await root('until python3 -c "import socket; socket.create_connection((\'127.0.0.1\', 8123))"; do sleep 0.1; done')
  before = await sandbox.snapshot({ kind: 'memory', name: 'before' })
  await root(`kill ${server}; printf "port=81\\nhost=here\\n" > /srv/app/config; rm /srv/gone; chmod 700 /srv/app`)
  await root(listening(8124))
  await root('until python3 -c "import socket; socket.create_connection((\'127.0.0.1\', 8124))"; do sleep 0.1; done')
  await root('head -c 3000000 /dev/urandom > /srv/large')
  after = await sandbox.snapshot({ kind: 'filesystem', name: 'after' })
})
afterAll(() => world[Symbol.asyncDispose]())

const pathsIn = (changes: { path: string }[]) => changes.map(({ path }) => path)

describe('two snapshots', () => {
  it('differ in files, processes, ports and memory', async () => {
    const { files, processes, ports, memory } = await before.diff(after)
    expect(pathsIn(files.removed)).toEqual(['/srv/gone'])
    expect(pathsIn(files.added)).toEqual(['/srv/large'])
    expect(files.changed.map(({ path, differs }) => [path, differs])).toEqual([
      ['/srv/app', ['mode']],
      ['/srv/app/config', ['content']],
    ])
    expect(files).toMatchObject({ truncated: false, unread: 0, incomplete: null })
    expect(processes?.ended.map(({ command }) => command)).toEqual(['python3 -m http.server 8123'])
    expect(processes?.started.map(({ command }) => command)).toEqual(['python3 -m http.server 8124'])
    expect(ports?.closed).toMatchObject([{ port: 8123, pid: processes?.ended[0]?.pid }])
    expect(ports?.opened).toMatchObject([{ port: 8124, pid: processes?.started[0]?.pid }])
    expect(memory).toContainEqual(expect.objectContaining({ command: 'python3 -m http.server 8123', bytesAfter: null }))
    const text = await before.diffText(after, '/srv/app/config')
    expect(text.unified).toContain('@@ -1,2 +1,2 @@\n-port=80\n+port=81\n host=here\n')
    expect((await before.diff('after', { path: '/usr' })).files.counts).toEqual({ added: 0, removed: 0, changed: 0 })
  })

  it('and a sandbox differ from what it is now, what it has not written out yet included', async () => {
    await sandbox.files.write('/srv/app/config', 'port=82\nhost=here\n')
    await sandbox.run('echo fresh > /srv/fresh', { user: 'root', check: true })
    const now = await sandbox.diff(after)
    expect(pathsIn(now.files.added)).toEqual(['/srv/fresh'])
    expect(pathsIn(now.files.changed)).toEqual(['/srv/app/config'])
    expect(now.processes).toEqual({ started: [], ended: [] })
    expect((await sandbox.diffText(after, '/srv/fresh')).unified).toContain('+fresh\n')
    // What a clone runs came from its snapshot: the same processes, as long as they live.
    await using clone = await before.spawn()
    const inClone = await clone.diff(before)
    // It has a name of its own.
    expect(pathsIn(inClone.files.changed)).toEqual(['/etc/hostname', '/etc/hosts', '/etc/machine-id'])
    expect(inClone).toMatchObject({
      files: { added: [], removed: [] },
      ...{ processes: { started: [], ended: [] }, ports: { opened: [], closed: [] } },
    })
  })
})

describe('a snapshot that is not started', () => {
  it('is listed, searched and read, its links leading nowhere out of it', async () => {
    const listed = await before.files.list('/srv').toArray()
    expect(listed.map(({ name, type }) => [name, type])).toEqual([
      ...[
        ['app', 'directory'],
        ['gone', 'file'],
        ['host', 'symlink'],
        ['top', 'symlink'],
      ],
    ])
    expect(await before.files.stat('/srv/app/config')).toMatchObject({ uid: 1234, owner: '1234' })
    expect(await before.files.readText('/srv/top/etc/passwd')).toContain('user:x:1000')
    for (const path of ['/srv/host/package.json', '/srv/top/proc/self/environ'])
      expect(await before.files.exists(path)).toBe(false)
    await expect(before.files.read('/srv/app')).rejects.toMatchObject({ context: { errno: 'EISDIR' } })
    const { items } = await before.files.search({ path: '/srv', content: 'host=here' })
    expect(items).toMatchObject([{ file: { path: '/srv/app/config' }, line: 2 }])
    expect((await after.files.read('/srv/large', { offset: 2_999_990 })).length).toBe(10)
    let bytes = 0
    for await (const piece of after.files.archive('/srv')) bytes += piece.length
    expect(bytes).toBeGreaterThan(3_000_000)
    expect((await before.census())?.ports).toMatchObject([{ port: 8123 }])
    const stranger = new Spawnpoint({ url: world.url, apiKey: `sp_${'0'.repeat(64)}` })
    await expect(stranger.snapshots.get('before')).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('gives files to a sandbox that runs, with their owners', async () => {
    await sandbox.files.copyFrom(before, '/srv/app', { to: '/srv/restored' })
    expect(await sandbox.files.stat('/srv/restored')).toMatchObject({ uid: 1234, mode: 0o755 })
    expect(await sandbox.files.stat('/srv/restored/config')).toMatchObject({ uid: 1234 })
    expect(await sandbox.files.readText('/srv/restored/config')).toContain('port=80')
    await sandbox.files.copyFrom(after, '/srv/large', { to: '/srv/restored/', owner: 'user' })
    expect(await sandbox.files.stat('/srv/restored/large')).toMatchObject({ owner: 'user', sizeBytes: 3_000_000 })
    await sandbox.files.copyFrom(before, '/usr/share/doc', { to: '/srv/doc' })
    const same = await sandbox.run('diff -r --no-dereference /usr/share/doc /srv/doc && echo same', { user: 'root' })
    expect(same).toMatchObject({ stdout: 'same\n', stderr: '' })
  })
})
