import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { FileEvent, GuestFiles, WriteOptions } from '@spawnpoint/core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { buildAgent, identity, startAgent, type TestAgent } from '../test/test-agent.ts'
import { until } from '../test/until.ts'

let built: string
let agent: TestAgent
let files: GuestFiles
let dir: string
let count = 0
beforeAll(async () => {
  built = mkdtempSync(join(tmpdir(), 'spawnpoint-build-'))
  agent = await startAgent(buildAgent(built))
  await agent.guest.identify(identity)
  files = agent.guest.files
}, 60_000)
afterAll(async () => {
  await agent[Symbol.asyncDispose]()
  rmSync(built, { recursive: true, force: true })
})
beforeEach(() => {
  dir = join(agent.dir, `files-${count++}`)
  mkdirSync(dir, { mode: 0o777 })
  chmodSync(dir, 0o777)
})

async function* bytes(...parts: (string | Uint8Array)[]) {
  for (const part of parts) yield typeof part === 'string' ? Buffer.from(part) : part
}
const put = (path: string, text: string, options?: WriteOptions) => files.write(path, bytes(text), options)
const get = async (path: string, options = {}) => (await buffer((await files.read(path, options)).body)).toString()
const errno = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error) => (error.code === 'guest_error' ? error.context.errno : error),
  )

describe('write and read', () => {
  test('make missing parents, set mode and owner, leave no temporary file', async () => {
    const path = join(dir, 'a/b/c.txt')
    const info = await put(path, 'hello', { mode: 0o640, user: 'nobody' })
    expect(info).toMatchObject({
      path,
      name: 'c.txt',
      type: 'file',
      sizeBytes: 5,
      mode: 0o640,
      uid: 65534,
      owner: 'nobody',
      group: 'nogroup',
    })
    expect(statSync(join(dir, 'a')).uid).toBe(65534)
    expect(readdirSync(join(dir, 'a/b'))).toEqual(['c.txt'])
    expect(await get(path)).toBe('hello')
    expect((await put(join(dir, 'plain'), '')).mode).toBe(0o644)
    expect((await put(join(dir, 'wide'), '', { mode: 0o4777 })).mode).toBe(0o4777)
  })

  test('an existing file keeps mode and owner', async () => {
    const path = join(dir, 'f')
    await put(path, 'one', { mode: 0o600, user: 'nobody' })
    expect(await put(path, 'two')).toMatchObject({ mode: 0o600, owner: 'nobody' })
    expect(await put(path, 'three', { mode: 0o644 })).toMatchObject({ mode: 0o644 })
    expect(await get(path)).toBe('three')
  })

  test('replace atomically: who has the old file open keeps the old bytes', async () => {
    const path = join(dir, 'f')
    await put(path, 'old')
    const before = lstatSync(path).ino
    const { body } = await files.read(path)
    await put(path, 'new')
    expect(lstatSync(path).ino).not.toBe(before)
    expect((await buffer(body)).toString()).toBe('old')
  })

  test('append and exclusive', async () => {
    const path = join(dir, 'log')
    await put(path, 'a', { append: true, mode: 0o600 })
    expect(await put(path, 'b', { append: true })).toMatchObject({ sizeBytes: 2, mode: 0o600 })
    expect(await get(path)).toBe('ab')
    expect(await errno(put(path, 'x', { exclusive: true }))).toBe('EEXIST')
    expect(await get(path)).toBe('ab')
    await put(join(dir, 'fresh'), 'x', { exclusive: true })
    expect(readdirSync(dir).sort()).toEqual(['fresh', 'log'])
  })

  test('12 MB in odd pieces arrive exactly, both ways', async () => {
    const whole = randomBytes(12_000_000)
    const path = join(dir, 'big')
    const pieces: Uint8Array[] = []
    for (let at = 0, size = 1; at < whole.length; at += size, size = (size * 7 + 13) % 300_000) {
      pieces.push(whole.subarray(at, at + size))
      if (size === 0) size = 1
    }
    await files.write(path, bytes(...pieces))
    expect(readFileSync(path).equals(whole)).toBe(true)
    expect((await buffer((await files.read(path)).body)).equals(whole)).toBe(true)
    const part = await files.read(path, { offset: 5_000_000, length: 200_000 })
    expect((await buffer(part.body)).equals(whole.subarray(5_000_000, 5_200_000))).toBe(true)
    expect(await get(path, { offset: 99_000_000 })).toBe('')
  })

  test('a body that fails leaves the old file and no temporary one', async () => {
    const path = join(dir, 'f')
    await put(path, 'old')
    async function* broken() {
      yield randomBytes(200_000)
      throw new Error('upload broke')
    }
    await expect(files.write(path, broken())).rejects.toThrow('upload broke')
    await until(() => readdirSync(dir).length === 1)
    expect(await get(path)).toBe('old')
  })

  test('a reader that stops early or stands still holds nobody up', async () => {
    const path = join(dir, 'big')
    writeFileSync(path, Buffer.alloc(8_000_000))
    const still = await files.read(path)
    const { body } = await files.read(path)
    for await (const _ of body) break
    expect(await get(path, { length: 3 })).toBe('\0\0\0')
    expect((await buffer(still.body)).length).toBe(8_000_000)
  })

  test('through symlinks, also dangling ones; loops are refused', async () => {
    symlinkSync('real', join(dir, 'link'))
    await put(join(dir, 'link'), 'x')
    expect(lstatSync(join(dir, 'link')).isSymbolicLink()).toBe(true)
    await put(join(dir, 'link'), 'y')
    expect(readFileSync(join(dir, 'real'), 'utf8')).toBe('y')
    symlinkSync('loop', join(dir, 'loop'))
    expect(await errno(files.read(join(dir, 'loop')))).toBe('ELOOP')
  })

  test('relative paths start at the home', async () => {
    await agent.guest.processes.start({
      args: ['sh', '-c', `sed -i 's#^games:.*#games:x:5:60:games:${dir}:/bin/sh#' /etc/passwd`],
      env: {},
      stdin: false,
      id: `sed${count}`,
    })
    await agent.guest.processes.wait(`sed${count}`)
    expect((await put('sub/f', 'x', { user: 'games' })).path).toBe(join(dir, 'sub/f'))
    expect((await files.stat('~/sub/f', { user: 'games' })).owner).toBe('games')
  })

  test('special files do not hang', async () => {
    expect(await errno(files.read(dir))).toBe('EISDIR')
    expect(await errno(put(dir, 'x'))).toBe('EISDIR')
    expect(await errno(files.read('/dev/zero'))).toBe('EINVAL')
    expect(await errno(files.read(agent.toGuest))).toBe('EINVAL')
    expect(await errno(put(agent.toGuest, 'x'))).toBe('EINVAL')
    expect((await put('/dev/null', 'x')).type).toBe('char')
    expect(await get('/proc/self/comm')).toMatch(/^[a-z-]+\n$/) // whatever the binary is called
  })

  test('hostile paths', async () => {
    expect(await errno(files.stat(''))).toBe('EINVAL')
    expect(await errno(files.stat('/a\0b'))).toBe('EINVAL')
    expect(await errno(files.stat(`/${'x'.repeat(300)}`))).toBe('ENAMETOOLONG')
    expect(await errno(files.stat(`/${'x/'.repeat(3000)}`))).toBe('ENAMETOOLONG')
    expect(await errno(put(join(dir, 'f/../../../../../../../../no/way/\uD800'), 'x', { user: 'nobody' }))).toBe(
      'EACCES',
    )
    const odd = join(dir, '-rf "quoted" \n\u{1F600}')
    await put(odd, 'x')
    expect((await files.list(dir, { depth: 1, limit: 10 })).map((entry) => entry.path)).toEqual([odd])
    expect(await errno(files.remove('/', { recursive: true }))).toBe('EBUSY')
  })
})

describe('rights', () => {
  test('a user reaches what it may and no more', async () => {
    const secret = join(dir, 'secret')
    await put(secret, 'root only', { mode: 0o600 })
    const closed = join(dir, 'closed')
    mkdirSync(closed, { mode: 0o700 })
    writeFileSync(join(closed, 'in'), 'x')
    expect(await get(secret)).toBe('root only')
    const attempts = [
      files.read(secret, { user: 'nobody' }),
      put(secret, 'x', { user: 'nobody' }),
      put(join(closed, 'new'), 'x', { user: 'nobody' }),
      files.stat(join(closed, 'in'), { user: 'nobody' }),
      files.list(closed, { depth: 1, limit: 9, user: 'nobody' }),
      files.mkdir(join(closed, 'd'), { user: 'nobody' }),
      files.remove(join(closed, 'in'), { user: 'nobody' }),
      files.move(secret, join(closed, 'x'), { user: 'nobody' }),
      files.watch(closed, { recursive: true, user: 'nobody' }),
    ]
    expect(await Promise.all(attempts.map(errno))).toEqual(attempts.map(() => 'EACCES'))
    expect(readFileSync(secret, 'utf8')).toBe('root only')
    expect(await errno(files.stat(secret, { user: 'nobody-here' }))).toBe('EINVAL')
    // The agent's threads are all root's again.
    for (let i = 0; i < 20; i++) expect(await get(secret)).toBe('root only')
  })

  test('a file that the user may write in a directory it may not is written in place', async () => {
    const closed = join(dir, 'closed')
    mkdirSync(closed, { mode: 0o755 })
    writeFileSync(join(closed, 'open'), 'long old text')
    chmodSync(join(closed, 'open'), 0o666)
    const before = lstatSync(join(closed, 'open')).ino
    await put(join(closed, 'open'), 'new', { user: 'nobody' })
    expect(readFileSync(join(closed, 'open'), 'utf8')).toBe('new')
    expect(lstatSync(join(closed, 'open')).ino).toBe(before)
  })
})

describe('directories', () => {
  test('list takes room for what it comes to, and ends where there is none', async () => {
    for (const name of 'abcdefghij') await put(join(dir, name.repeat(200)), '')
    let [taken, left] = [0, Number.POSITIVE_INFINITY]
    const room = {
      async taken(bytes: number) {
        taken += bytes
        return taken <= left
      },
    }
    const list = () => files.list(dir, { depth: 1, limit: 100, room })
    expect(await list()).toHaveLength(10)
    expect(taken).toBeGreaterThan(10 * 200)
    left = 3 * taken - 1
    expect(await list()).toHaveLength(10)
    await expect(list()).rejects.toMatchObject({ code: 'rate_limited', context: { retryAfterMs: 1_000 } })
    left = Number.POSITIVE_INFINITY
    expect(await list()).toHaveLength(10)
  })

  test('list goes as deep as told, sorted, bounded', async () => {
    for (const path of ['b/two/three/four', 'a/x', 'a-b']) mkdirSync(join(dir, path), { recursive: true })
    symlinkSync('a', join(dir, 'link'))
    const list = async (depth: number, limit = 100) =>
      (await files.list(dir, { depth, limit })).map((entry) => entry.path.slice(dir.length + 1))
    expect(await list(1)).toEqual(['a', 'a-b', 'b', 'link'])
    expect(await list(2)).toEqual(['a', 'a-b', 'a/x', 'b', 'b/two', 'link'])
    expect(await list(9)).toContain('b/two/three/four')
    expect((await list(9, 3)).length).toBe(3)
    const link = (await files.list(dir, { depth: 1, limit: 9 })).find((entry) => entry.name === 'link')
    expect(link).toMatchObject({ type: 'symlink', symlinkTarget: 'a' })
    expect(await errno(files.list(join(dir, 'none'), { depth: 1, limit: 9 }))).toBe('ENOENT')
  })

  test('5,000 entries', async () => {
    for (let i = 0; i < 5000; i++) writeFileSync(join(dir, `file-${i}`), '')
    expect((await files.list(dir, { depth: 1, limit: 10_000 })).length).toBe(5000)
  })

  test('mkdir, move, remove, chmod, chown', async () => {
    const made = await files.mkdir(join(dir, 'x/y'), { parents: true, mode: 0o700, user: 'nobody' })
    expect(made).toMatchObject({ type: 'directory', mode: 0o700, owner: 'nobody' })
    expect(await errno(files.mkdir(join(dir, 'x')))).toBe('EEXIST')
    expect(await errno(files.mkdir(join(dir, 'p/q')))).toBe('ENOENT')
    await files.mkdir(join(dir, 'x/y'), { parents: true })
    await put(join(dir, 'x/y/f'), 'x')
    expect((await files.move(join(dir, 'x/y/f'), join(dir, 'new/g'))).path).toBe(join(dir, 'new/g'))
    expect(await errno(files.remove(join(dir, 'new')))).toBe('ENOTEMPTY')
    await files.chmod(join(dir, 'new/g'), 0o4711)
    await files.chown(join(dir, 'new/g'), 'nobody')
    expect(await files.stat(join(dir, 'new/g'))).toMatchObject({ mode: 0o711, owner: 'nobody', group: 'root' })
    await files.chown(join(dir, 'new/g'), 'root:games')
    expect(await files.stat(join(dir, 'new/g'))).toMatchObject({ owner: 'root', group: 'games' })
    await files.remove(join(dir, 'new'), { recursive: true })
    expect(await errno(files.stat(join(dir, 'new')))).toBe('ENOENT')
    expect(await errno(files.remove(join(dir, 'new'), { recursive: true }))).toBe('ENOENT')
    await files.remove(join(dir, 'x/y'))
    expect(existsSync(join(dir, 'x/y'))).toBe(false)
  })

  test('move between file systems keeps all', async () => {
    await put('/run/tree/sub/f', 'content', { mode: 0o600, user: 'nobody' }).catch(() => {})
    await put('/run/tree/sub/f', 'content', { mode: 0o600 })
    await files.chown('/run/tree/sub/f', 'nobody')
    await files.move('/run/tree', join(dir, 'moved'))
    expect(await files.stat(join(dir, 'moved/sub/f'))).toMatchObject({ mode: 0o600, owner: 'nobody', sizeBytes: 7 })
    expect(await errno(files.stat('/run/tree'))).toBe('ENOENT')
    expect(readdirSync(dir)).toEqual(['moved'])
  })

  test('extended attributes', async () => {
    // ext4 and tmpfs since Linux 6.6 have them; the agent's /run is a tmpfs.
    const path = '/run/attributed'
    await put(path, 'x')
    await files.setXattr(path, { 'user.one': '1', 'user.two': 'zwei' })
    await files.setXattr(path, { 'user.one': 'changed' })
    expect(await files.getXattr(path)).toEqual({ 'user.one': 'changed', 'user.two': 'zwei' })
    expect(await errno(files.setXattr(path, { 'security.x': 'y' }))).toBe('EINVAL')
    expect(await errno(files.getXattr('/run/none'))).toBe('ENOENT')
  })
})

describe('watch', () => {
  async function watching(path: string, recursive: boolean) {
    const abort = new AbortController()
    const seen: FileEvent[] = []
    const events = await files.watch(path, { recursive, signal: abort.signal })
    const done = (async () => {
      for await (const event of events) seen.push(event)
    })().catch((error) => error)
    const names = () => seen.map((event) => `${event.type} ${event.path.slice(dir.length + 1)}`)
    return { seen, names, stop: () => abort.abort(), done }
  }

  test('tells of changes below, in new directories too', async () => {
    const watch = await watching(dir, true)
    mkdirSync(join(dir, 'd/e'), { recursive: true })
    await until(() => watch.names().includes('created d/e'))
    await put(join(dir, 'd/e/f'), 'x')
    await put(join(dir, 'd/e/f'), 'y')
    await files.move(join(dir, 'd/e/f'), join(dir, 'd/g'))
    await files.chmod(join(dir, 'd/g'), 0o600)
    await files.remove(join(dir, 'd'), { recursive: true })
    await until(() => watch.names().includes('removed d'))
    expect(watch.names().filter((name) => !name.startsWith('removed'))).toEqual([
      'created d',
      'created d/e',
      'created d/e/f',
      'modified d/e/f',
      'modified d/e/f',
      'renamed d/e/f',
      'created d/g',
      'attributes d/g',
    ])
    expect(watch.seen[0]).toEqual({ type: 'created', path: join(dir, 'd'), fileType: 'directory' })
    watch.stop()
    expect(await watch.done).toMatchObject({ code: 'cancelled' })
  })

  test('without recursion only of the directory itself', async () => {
    mkdirSync(join(dir, 'sub'))
    const watch = await watching(dir, false)
    writeFileSync(join(dir, 'sub/deep'), 'x')
    writeFileSync(join(dir, 'here'), 'x')
    await until(() => watch.names().includes('modified here'))
    expect(watch.names()).toEqual(['created here', 'modified here'])
    watch.stop()
  })

  test('files in directories that appear full are told', async () => {
    const watch = await watching(dir, true)
    const script = `mkdir -p ${dir}/t/u/v && for i in 1 2 3 4 5 6 7 8 9; do echo > ${dir}/t/u/v/$i; done`
    await agent.guest.processes.start({ args: ['sh', '-c', script], env: {}, stdin: false })
    await until(() => [1, 2, 3, 4, 5, 6, 7, 8, 9].every((i) => watch.names().includes(`created t/u/v/${i}`)))
    watch.stop()
  })

  test('an overflow ends it with an error', async () => {
    const events = await files.watch(dir, { recursive: false })
    // Nobody reads the events, so no credit is granted and the kernel's queue of 16,384 fills.
    const script = `cd ${dir}; i=0; while [ $i -lt 15000 ]; do echo >> a; echo >> b; i=$((i+1)); done`
    await agent.guest.processes.start({ args: ['sh', '-c', script], env: {}, stdin: false, id: 'flood' })
    await agent.guest.processes.wait('flood')
    let seen = 0
    const reading = (async () => {
      for await (const _ of events) seen++
    })()
    await expect(reading).rejects.toMatchObject({ code: 'guest_error', context: { errno: 'EOVERFLOW' } })
    expect(seen).toBeGreaterThan(16_000)
  })

  test('what is not there is refused', async () => {
    expect(await errno(files.watch(join(dir, 'none'), { recursive: true }))).toBe('ENOENT')
  })
})
