import { Readable } from 'node:stream'
import { newId, type Pool, type RootId } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TreesUnderTest } from './trees.ts'

const NEW = { uid: 1000, gid: 1001, mode: 0o640, parents: false }
const WRITE = { ...NEW, exclusive: false }
const QUOTA = 2 ** 24

/** What `Pool.files` must do: it changes files of a root as somebody inside would, and follows nothing out of it. */
export function rootFilesContract(name: string, make: () => Promise<TreesUnderTest>): void {
  describe(`root files contract: ${name}`, () => {
    let subject: TreesUnderTest
    let root: RootId
    beforeAll(async () => {
      subject = await make()
      root = newId<RootId>()
      await subject.pool.createRoot(root, null, { diskBytes: QUOTA })
    })
    afterAll(async () => {
      await subject?.[Symbol.asyncDispose]()
    })

    const files = (): Pool['files'] => subject.pool.files
    const write = (path: string, data: string, options: Partial<typeof WRITE> = {}) =>
      files().write(root, path, Readable.from(data === '' ? [] : [Buffer.from(data)]), { ...WRITE, ...options })
    async function text(path: string): Promise<string> {
      const { body } = await files().read(root, path)
      return Buffer.concat(await body.toArray()).toString('utf8')
    }
    const listed = async (path: string, depth = 9) =>
      (await files().list(root, path, { depth, limit: 1_000 })).entries.map((entry) => entry.path)
    const errno = (code: string) => ({ code: 'guest_error', context: { errno: code } })

    it('writes whole files with their owner and mode, in the place of others or not', async () => {
      const made = await write('/a', 'one')
      expect(made).toMatchObject({
        path: '/a',
        name: 'a',
        type: 'file',
        sizeBytes: 3,
        uid: 1000,
        gid: 1001,
        mode: 0o640,
      })
      for (const time of [made.modifiedAt, made.accessedAt, made.changedAt]) expect(time).toBeInstanceOf(Date)
      await expect(write('/a', 'two', { exclusive: true })).rejects.toMatchObject(errno('EEXIST'))
      expect(await text('/a')).toBe('one')
      expect(await write('/a', '', { mode: 0o600, uid: 0 })).toMatchObject({ sizeBytes: 0, mode: 0o600, uid: 0 })
      expect(await text('/a')).toBe('')
      await expect(write('/p/q/r', 'x')).rejects.toMatchObject(errno('ENOENT'))
      await write('/p/q/r', 'deep', { parents: true, exclusive: true })
      expect(await text('/p/q/r')).toBe('deep')
      expect(await files().stat(root, '/p/q')).toMatchObject({ type: 'directory', uid: 1000, gid: 1001, mode: 0o777 })
      await expect(write('/p', 'x')).rejects.toMatchObject(errno('EISDIR'))
      await expect(write('/', 'x')).rejects.toMatchObject(errno('EISDIR'))
      await expect(write('/a/x', 'x', { parents: true })).rejects.toMatchObject(errno('ENOTDIR'))
      expect(await listed('/p')).toEqual(['/p/q', '/p/q/r'])
    })

    it('leaves what is there as it is when what comes breaks off', async () => {
      await write('/kept', 'kept')
      async function* broken() {
        yield Buffer.from('half')
        throw new Error('the sender is gone')
      }
      for (const path of ['/kept', '/never']) {
        await expect(files().write(root, path, broken(), WRITE)).rejects.toThrow('the sender is gone')
      }
      const controller = new AbortController()
      async function* endless() {
        yield Buffer.from('half')
        controller.abort()
        yield Buffer.from('more')
      }
      if (name !== 'fake') {
        const aborted = files().write(root, '/never', endless(), { ...WRITE, signal: controller.signal })
        await expect(aborted).rejects.toMatchObject({ code: 'cancelled' })
      }
      expect(await text('/kept')).toBe('kept')
      expect((await listed('/', 1)).filter((path) => path !== '/kept')).not.toContain('/never')
      const all = await listed('/', 1)
      expect(all.filter((path) => path.includes('write'))).toEqual([])
    })

    it('says that it is full, and goes on', async () => {
      const large = files().write(root, '/large', pieces(2 * QUOTA), WRITE)
      await expect(large).rejects.toMatchObject({ code: 'guest_error' })
      expect(await listed('/')).not.toContain('/large')
      await write('/small', 'fits')
    })

    it('makes directories', async () => {
      expect(await files().makeDir(root, '/d', { ...NEW, mode: 0o750 })).toMatchObject({
        type: 'directory',
        mode: 0o750,
      })
      await expect(files().makeDir(root, '/d', NEW)).rejects.toMatchObject(errno('EEXIST'))
      expect(await files().makeDir(root, '/d', { ...NEW, mode: 0o700, parents: true })).toMatchObject({ mode: 0o750 })
      await expect(files().makeDir(root, '/x/y', NEW)).rejects.toMatchObject(errno('ENOENT'))
      expect(await files().makeDir(root, '/x/y', { ...NEW, parents: true })).toMatchObject({ path: '/x/y' })
      await write('/x/f', 'f')
      await expect(files().makeDir(root, '/x/f', { ...NEW, parents: true })).rejects.toMatchObject(errno('EEXIST'))
      expect(await files().makeDir(root, '/', { ...NEW, parents: true })).toMatchObject({ path: '/' })
    })

    it('changes owners and modes', async () => {
      await write('/owned', 'x')
      expect(await files().change(root, '/owned', { mode: 0o755 })).toMatchObject({ mode: 0o755, uid: 1000, gid: 1001 })
      expect(await files().change(root, '/owned', { uid: 5 })).toMatchObject({ mode: 0o755, uid: 5, gid: 1001 })
      expect(await files().change(root, '/owned', { gid: 6, mode: 0o600 })).toMatchObject({
        mode: 0o600,
        uid: 5,
        gid: 6,
      })
      await expect(files().change(root, '/none', { uid: 5 })).rejects.toMatchObject(errno('ENOENT'))
    })

    it('removes what is at a path and below it', async () => {
      await write('/gone/a/b', 'b', { parents: true })
      await files().remove(root, '/gone')
      await expect(files().stat(root, '/gone')).rejects.toMatchObject(errno('ENOENT'))
      await expect(files().remove(root, '/gone')).rejects.toMatchObject(errno('ENOENT'))
      await expect(files().remove(root, '/')).rejects.toMatchObject(errno('EBUSY'))
    })

    it('follows links inside the root alone, and removes or replaces a link itself', async () => {
      await subject.write(subject.pool.rootPath(root), [
        { path: '/inner/f', data: 'inner' },
        { path: '/link', target: 'inner' },
        { path: '/out', target: '/../../etc' },
        { path: '/away', target: '/inner/f' },
      ])
      await write('/link/new', 'new')
      expect(await listed('/inner')).toEqual(['/inner/f', '/inner/new'])
      await expect(write('/out/hosts', 'x')).rejects.toMatchObject(errno('ENOENT'))
      await write('/away', 'away')
      expect([await text('/away'), await text('/inner/f')]).toEqual(['away', 'inner'])
      await files().remove(root, '/link')
      expect(await listed('/inner')).toEqual(['/inner/f', '/inner/new'])
    })

    it('knows of no root that is not there', async () => {
      const none = newId<RootId>()
      await expect(files().stat(none, '/')).rejects.toMatchObject({ code: 'not_found' })
      await expect(files().makeDir(none, '/x', NEW)).rejects.toMatchObject({ code: 'not_found' })
    })
  })
}

async function* pieces(bytes: number): AsyncIterable<Buffer> {
  for (let sent = 0; sent < bytes; sent += 2 ** 20) yield Buffer.alloc(2 ** 20, 'x')
}
