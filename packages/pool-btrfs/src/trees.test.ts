import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { chmod, lchown, mkdir, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { rootFilesContract } from '@spawnpoint/contracts/root-files'
import { type TreeFile, type TreesUnderTest, treesContract } from '@spawnpoint/contracts/trees'
import { newId, type SnapshotId } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestWorld } from './test-world.ts'

const READER = join(import.meta.dirname, '../../../.cache/test/reader')

beforeAll(() => {
  execFileSync('sh', [join(import.meta.dirname, '../../../guest/agent/build.sh'), READER], { stdio: 'pipe' })
})

async function write(dir: string, files: TreeFile[]): Promise<void> {
  for (const { path, data, target, mode, uid } of files) {
    const at = join(dir, path)
    await mkdir(dirname(at), { recursive: true })
    if (target !== undefined) await symlink(target, at)
    else if (data === undefined) await mkdir(at)
    else {
      await unlink(at).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      })
      await writeFile(at, data)
      await chmod(at, mode ?? 0o644)
    }
    if (uid !== undefined) await lchown(at, uid, uid)
  }
}

const btrfs = async (): Promise<TreesUnderTest> => {
  const world = new TestWorld(undefined, READER)
  await world.pool.open()
  return {
    pool: world.pool,
    write,
    remove: (dir, path) => rm(join(dir, path), { recursive: true }),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

treesContract('btrfs', btrfs)
rootFilesContract('btrfs', btrfs)

describe('a hostile tree', () => {
  let world: TestWorld
  beforeAll(async () => {
    world = new TestWorld(undefined, READER)
    await world.pool.open()
  })
  afterAll(() => world?.[Symbol.asyncDispose]())

  async function snapshotOf(fill: (dir: string) => void): Promise<{ from: 'snapshot'; id: SnapshotId }> {
    const root = await world.root(await world.image({}))
    fill(world.pool.rootPath(root))
    return { from: 'snapshot', id: await world.snapshot(root) }
  }
  const options = { path: '/', limit: 100, timeoutMs: 60_000 }

  it('has nothing opened that answers, waits or is the host, and names of any bytes', async () => {
    const source = await snapshotOf((dir) => {
      execFileSync('mkfifo', [join(dir, 'fifo')])
      execFileSync('mknod', [join(dir, 'disk'), 'b', '7', '0'])
      execFileSync('mknod', [join(dir, 'zero'), 'c', '1', '5'])
      execFileSync('python3', ['-c', 'import socket,sys; socket.socket(socket.AF_UNIX).bind("s")'], { cwd: dir })
      writeFileSync(Buffer.concat([Buffer.from(`${dir}/bad-`), Buffer.from([0xff])]), 'x')
      writeFileSync(join(dir, 'n'.repeat(255)), '')
      writeFileSync(join(dir, 'two\nlines"'), '')
      execFileSync('ln', ['-s', '/proc/self/environ', join(dir, 'environ')])
      execFileSync('ln', ['-s', '/reader', join(dir, 'program')])
    })
    const { trees } = world.pool
    const { entries } = await trees.list(source, '/', { depth: 3, limit: 100 })
    expect(Object.fromEntries(entries.map(({ name, type }) => [name, type]))).toEqual({
      'bad-\ufffd': 'file',
      disk: 'block',
      environ: 'symlink',
      fifo: 'fifo',
      ['n'.repeat(255)]: 'file',
      program: 'symlink',
      s: 'socket',
      'two\nlines"': 'file',
      zero: 'char',
    })
    for (const path of ['/fifo', '/disk', '/zero', '/s'])
      await expect(trees.read(source, path)).rejects.toMatchObject({ context: { errno: 'EINVAL' } })
    for (const path of ['/environ', '/program'])
      await expect(trees.read(source, path)).rejects.toMatchObject({ context: { errno: 'ENOENT' } })
    const bounds = { limit: 100, timeoutMs: 60_000, readBytes: 2 ** 30 }
    expect((await trees.search(source, { path: '/', content: 'x', ...bounds })).matches).toHaveLength(1)
    const archive = await trees.pack(source, '/', { name: 'it' })
    const bytes = Buffer.concat(await archive.toArray())
    const listed = execFileSync('tar', ['--list', '--file=-', '--quoting-style=escape'], {
      input: bytes,
      encoding: 'utf8',
    })
    expect(listed.split('\n').filter(Boolean)).toHaveLength(6)
  })

  it('does not make anybody wait for files that are huge: what lies in the same place is the same, the rest is not read', async () => {
    const root = await world.root(await world.image({}), 2 ** 40)
    const path = world.pool.rootPath(root)
    const huge = (name: string, text: string) => {
      writeFileSync(join(path, name), text)
      truncateSync(join(path, name), 2 ** 39)
    }
    huge('kept', 'a')
    huge('other', 'a')
    const before = { from: 'snapshot', id: await world.snapshot(root) } as const
    execFileSync('touch', [join(path, 'kept')])
    await rm(join(path, 'other'))
    huge('other', 'b')
    const after = { from: 'snapshot', id: await world.snapshot(root) } as const
    const found = await world.pool.trees.compare(before, after, options)
    expect(found.changed.map(({ path, differs }) => [path, differs])).toEqual([['/other', ['content']]])
    expect(found).toMatchObject({ unread: 1, incomplete: null })
    const search = { path: '/', content: 'nothing', limit: 9, timeoutMs: 60_000, readBytes: 2 ** 30 }
    expect(await world.pool.trees.search(before, search)).toEqual({ matches: [], incomplete: 'bytes' })
  })

  it('is not read further when nobody wants it any more', async () => {
    const source = await snapshotOf((dir) => {
      closeSync(openSync(join(dir, 'large'), 'w'))
      truncateSync(join(dir, 'large'), 2 ** 38)
    })
    for (let n = 0; n < 40; n += 1) {
      // More than may be open at a time: each gives its place back.
      const { body } = await world.pool.trees.read(source, '/large')
      for await (const piece of body) {
        expect(piece.length).toBeGreaterThan(0)
        break
      }
    }
    const controller = new AbortController()
    const { body } = await world.pool.trees.read(source, '/large', { signal: controller.signal })
    controller.abort()
    await expect(body.toArray()).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('that goes away while it is read does not look as if it ended', async () => {
    const source = await snapshotOf((dir) => {
      mkdirSync(join(dir, 'd'))
      writeFileSync(join(dir, 'd/large'), Buffer.alloc(2 ** 23, 'x'))
    })
    const archive = await world.pool.trees.pack(source, '/d', { name: 'it' })
    await world.pool.deleteSnapshot(source.id)
    await expect(archive.toArray()).rejects.toMatchObject({ code: 'not_found' })
  })

  it('that is written leaves nothing of the instant that was read', async () => {
    const root = await world.root(await world.image({ a: 'b' }))
    const { body } = await world.pool.trees.read({ from: 'root', id: root }, '/a')
    expect(await body.toArray()).toHaveLength(1)
    await expect(world.pool.trees.stat({ from: 'root', id: root }, '/none')).rejects.toThrow()
    const trash = join(world.dataDir, 'pool/trash')
    expect(readdirSync(trash)).not.toEqual([])
    await world.reopen()
    await expect.poll(() => readdirSync(trash)).toEqual([])
  })

  it('is read whole, with what was in the holes', async () => {
    const data = Buffer.alloc(5 * 2 ** 20, 'block ')
    const source = await snapshotOf((dir) => writeFileSync(join(dir, 'file'), data))
    const { body } = await world.pool.trees.read(source, '/file')
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
    expect(digest(Buffer.concat(await body.toArray()))).toBe(digest(data))
    await expect(world.pool.trees.stat({ from: 'snapshot', id: newId<SnapshotId>() }, '/')).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})
