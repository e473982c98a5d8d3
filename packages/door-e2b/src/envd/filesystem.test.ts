import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type EnvdWorld, frame, framesAsTheyCome, openEnvdWorld } from './testing/envd-world.ts'

let world: EnvdWorld
let id: string
let dir: string
let count = 0
beforeAll(async () => {
  world = await openEnvdWorld()
  id = (await world.sandbox()).id
})
afterAll(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})
beforeEach(async () => {
  dir = `/tmp/files-${count++}`
  await (await world.guest(id)).files.mkdir(dir)
})

const call = (method: string, message: object, headers = {}) =>
  world.unary(id, `filesystem.Filesystem/${method}`, message, headers)
const write = async (path: string, text = 'x', options = {}) => {
  const guest = await world.guest(id)
  await guest.files.write(path, [Buffer.from(text)] as unknown as AsyncIterable<Uint8Array>, options)
}
const link = async (target: string, path: string) => {
  const guest = await world.guest(id)
  const { id: process } = await guest.processes.start({ args: ['link', target, path], env: {}, stdin: false })
  await guest.processes.wait(process)
}
const as = (user: string) => ({ authorization: `Basic ${Buffer.from(`${user}:`).toString('base64')}` })

describe('an entry', () => {
  it('has all that clients read', async () => {
    await write(`${dir}/file.txt`, 'hello', { mode: 0o640, xattrs: { 'user.e2b.kind': 'note', 'user.other': 'x' } })
    const { entry } = (await call('Stat', { path: `${dir}/file.txt` })).json()
    expect(entry).toEqual({
      name: 'file.txt',
      type: 'FILE_TYPE_FILE',
      path: `${dir}/file.txt`,
      size: '5',
      mode: 0o640,
      permissions: '-rw-r-----',
      owner: 'user',
      group: 'user',
      modifiedTime: expect.stringMatching(/^\d{4}-.*Z$/),
      metadata: { kind: 'note' },
    })
  })

  it.each([
    [0o755, 'drwxr-xr-x'],
    [0o1777, 'dtrwxrwxrwx'],
    [0o2700, 'dgrwx------'],
  ])('of a directory with mode %o', async (mode, permissions) => {
    await (await world.guest(id)).files.mkdir(`${dir}/d`, { mode })
    const { entry } = (await call('Stat', { path: `${dir}/d` })).json()
    expect([entry.permissions, entry.mode, entry.type]).toEqual([permissions, mode & 0o777, 'FILE_TYPE_DIRECTORY'])
  })

  it('of a symlink is what it leads to', async () => {
    await write(`${dir}/file`, 'hello', { mode: 0o600 })
    await link(`${dir}/file`, `${dir}/link`)
    await link('nowhere', `${dir}/broken`)
    const linked = (await call('Stat', { path: `${dir}/link` })).json().entry
    expect(linked).toMatchObject({
      type: 'FILE_TYPE_FILE',
      mode: 0o600,
      permissions: 'Lrwxrwxrwx',
      symlinkTarget: `${dir}/file`,
    })
    const broken = (await call('Stat', { path: `${dir}/broken` })).json().entry
    expect(broken).toMatchObject({ type: 'FILE_TYPE_SYMLINK', symlinkTarget: `${dir}/broken` })
  })
})

describe('paths', () => {
  it('start at the home of the user, or the working directory', async () => {
    const path = async (asked: string, headers = {}) =>
      (await call('Stat', { path: asked }, headers)).json().entry?.path
    await (await world.guest(id)).files.mkdir('/root', { parents: true }).catch(() => {})
    expect(await path('')).toBe('/home/user')
    expect(await path('~')).toBe('/home/user')
    expect(await path('~', as('root'))).toBe('/root')
    expect(await path('.', as('root'))).toBe('/root')
  })

  it('of a user that is not there are refused', async () => {
    const { status, json } = await call('Stat', { path: '/' }, as('nosuch'))
    expect([status, json()]).toEqual([401, { code: 'unauthenticated', message: "invalid username: 'nosuch'" }])
  })
})

describe('listing', () => {
  it('goes as deep as asked, a directory before its content', async () => {
    for (const name of ['b', 'a/y/deep', 'a/x', 'a-b']) await write(`${dir}/${name}`)
    const names = async (depth: number) =>
      (await call('ListDir', { path: dir, depth }))
        .json()
        .entries.map(({ path }: { path: string }) => path.slice(dir.length + 1))
    expect(await names(0)).toEqual(['a', 'a-b', 'b'])
    expect(await names(1)).toEqual(['a', 'a-b', 'b'])
    expect(await names(2)).toEqual(['a', 'a/x', 'a/y', 'a-b', 'b'])
    expect(await names(9)).toEqual(['a', 'a/x', 'a/y', 'a/y/deep', 'a-b', 'b'])
  })

  it('follows a link that is asked for, under its own name', async () => {
    await write(`${dir}/real/file`)
    await link(`${dir}/real`, `${dir}/link`)
    expect((await call('ListDir', { path: `${dir}/real` })).json().entries).toHaveLength(1)
  })

  it('of an empty directory is empty, of what is none an error', async () => {
    expect((await call('ListDir', { path: dir })).json()).toEqual({})
    await write(`${dir}/file`)
    expect((await call('ListDir', { path: `${dir}/file` })).json().code).toBe('invalid_argument')
    expect((await call('ListDir', { path: `${dir}/missing` })).json().code).toBe('not_found')
    expect((await call('Stat', { path: `${dir}/file/below` })).json().code).toBe('not_found')
    await link(`${dir}/loop`, `${dir}/loop`)
    expect((await call('Stat', { path: `${dir}/loop/below` })).json().code).toBe('not_found')
  })
})

describe('changes', () => {
  it('make directories with their parents, each the user’s', async () => {
    const made = await call('MakeDir', { path: `${dir}/a/b` }, as('nobody'))
    expect(made.json().entry).toMatchObject({ name: 'b', type: 'FILE_TYPE_DIRECTORY', owner: 'nobody' })
    expect((await call('Stat', { path: `${dir}/a` })).json().entry.owner).toBe('nobody')
    expect((await call('MakeDir', { path: `${dir}/a/b` })).json().code).toBe('already_exists')
    await write(`${dir}/file`)
    expect((await call('MakeDir', { path: `${dir}/file` })).json().code).toBe('invalid_argument')
    expect((await call('MakeDir', { path: `${dir}/file/x` })).json().code).toBe('invalid_argument')
  })

  it('move, making what is missing on the way', async () => {
    await write(`${dir}/file`, 'hello', { xattrs: { 'user.e2b.a': '1' } })
    const moved = await call('Move', { source: `${dir}/file`, destination: `${dir}/new/name` })
    expect(moved.json().entry).toMatchObject({ path: `${dir}/new/name`, size: '5', metadata: { a: '1' } })
    const again = await call('Move', { source: `${dir}/file`, destination: `${dir}/x` })
    expect([again.status, again.json().code]).toEqual([404, 'not_found'])
  })

  it('remove whatever is there, or nothing', async () => {
    await write(`${dir}/d/e/file`)
    expect((await call('Remove', { path: `${dir}/d` })).json()).toEqual({})
    expect((await call('Remove', { path: `${dir}/d` })).json()).toEqual({})
    expect((await call('Stat', { path: `${dir}/d` })).json().code).toBe('not_found')
    expect((await call('Remove', { path: '/' })).json().code).toBe('failed_precondition')
  })
})

describe('a watch', () => {
  const watch = async (message: object, headers: Record<string, string> = {}) =>
    framesAsTheyCome(await world.open(id, 'filesystem.Filesystem/WatchDir', frame(message), headers))

  it('begins with a start, then tells what happens', async () => {
    const frames = await watch({ path: dir })
    expect((await frames.next()).value?.json).toEqual({ start: {} })
    await write(`${dir}/file`)
    expect((await frames.next()).value?.json).toEqual({ filesystem: { name: 'file', type: 'EVENT_TYPE_CREATE' } })
    await write(`${dir}/file`, 'more')
    expect((await frames.next()).value?.json.filesystem.type).toBe('EVENT_TYPE_WRITE')
    await (await world.guest(id)).files.chmod(`${dir}/file`, 0o600)
    expect((await frames.next()).value?.json.filesystem.type).toBe('EVENT_TYPE_CHMOD')
    await call('Move', { source: `${dir}/file`, destination: `${dir}/other` })
    expect((await frames.next()).value?.json.filesystem).toEqual({ name: 'file', type: 'EVENT_TYPE_RENAME' })
    expect((await frames.next()).value?.json.filesystem).toEqual({ name: 'other', type: 'EVENT_TYPE_CREATE' })
    await call('Remove', { path: `${dir}/other` })
    expect((await frames.next()).value?.json.filesystem.type).toBe('EVENT_TYPE_REMOVE')
    await frames.return(undefined)
  })

  it('goes below if asked, and shows entries if asked', async () => {
    await (await world.guest(id)).files.mkdir(`${dir}/sub`)
    const frames = await watch({ path: dir, recursive: true, includeEntry: true })
    await frames.next()
    await write(`${dir}/sub/file`, 'hello')
    const { filesystem } = (await frames.next()).value?.json ?? {}
    expect(filesystem).toMatchObject({ name: 'sub/file', type: 'EVENT_TYPE_CREATE', entry: { size: '5' } })
    await call('Remove', { path: `${dir}/sub/file` })
    expect((await frames.next()).value?.json.filesystem).toEqual({ name: 'sub/file', type: 'EVENT_TYPE_REMOVE' })
    await frames.return(undefined)
  })

  it('stays open while nothing happens, and ends at its time limit', async () => {
    const frames = await watch({ path: dir }, { 'keepalive-ping-interval': '1', 'connect-timeout-ms': '2500' })
    const all = []
    for await (const { json } of frames) all.push(json)
    expect([all[0], all[1], all.at(-1)]).toMatchObject([
      { start: {} },
      { keepalive: {} },
      { error: { code: 'deadline_exceeded' } },
    ])
  })

  it('of what is no directory is refused', async () => {
    await write(`${dir}/file`)
    for (const [path, code] of [
      [`${dir}/file`, 'invalid_argument'],
      [`${dir}/missing`, 'not_found'],
    ]) {
      const { value } = await (await watch({ path })).next()
      expect([value?.flags, value?.json.error.code]).toEqual([2, code])
    }
  })
})

describe('a watcher that is asked', () => {
  it('tells what happened since the last time', async () => {
    const { watcherId } = (await call('CreateWatcher', { path: dir, recursive: true })).json()
    await write(`${dir}/a`)
    await write(`${dir}/b`)
    const asked = async () =>
      ((await call('GetWatcherEvents', { watcherId })).json().events ?? []).map(({ name }: { name: string }) => name)
    expect(await asked()).toEqual(['a', 'b'])
    expect(await asked()).toEqual([])
    await write(`${dir}/c`)
    expect(await asked()).toEqual(['c'])
    expect((await call('RemoveWatcher', { watcherId })).json()).toEqual({})
    expect((await call('GetWatcherEvents', { watcherId })).json().code).toBe('not_found')
    expect((await call('RemoveWatcher', { watcherId })).json().code).toBe('not_found')
  })

  it('is not another sandbox’s', async () => {
    const { watcherId } = (await call('CreateWatcher', { path: dir })).json()
    const other = await world.sandbox()
    for (const method of ['GetWatcherEvents', 'RemoveWatcher']) {
      const { json } = await world.unary(other.id, `filesystem.Filesystem/${method}`, { watcherId })
      expect(json().code).toBe('not_found')
    }
    expect((await call('GetWatcherEvents', { watcherId })).status).toBe(200)
  })

  it('ends with its sandbox', async () => {
    const box = await world.sandbox()
    const made = await world.unary(box.id, 'filesystem.Filesystem/CreateWatcher', { path: '/tmp' })
    await (await world.core.sandboxes.pause(world.by, box.id)).done
    await (await world.core.sandboxes.resume(world.by, box.id)).done
    await sleep(0)
    const { json } = await world.unary(box.id, 'filesystem.Filesystem/GetWatcherEvents', made.json())
    expect(json().code).toBe('not_found')
  })

  it('is one of a few', async () => {
    const box = await world.sandbox()
    const create = () => world.unary(box.id, 'filesystem.Filesystem/CreateWatcher', { path: '/tmp' })
    const made = await Promise.all(Array.from({ length: 70 }, create))
    expect(made.filter(({ status }) => status === 200)).toHaveLength(64)
    for (const { status, json } of made) if (status !== 200) expect(json().code).toBe('resource_exhausted')
  })
})
