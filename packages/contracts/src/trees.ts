import { newId, type Pool, type RootId, type SnapshotId, type TreeSource } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** A file of a tree; directories on the way are made. Exactly one of `data` and `target`, or neither for a directory. */
export interface TreeFile {
  path: string
  data?: string
  /** Of a symlink */
  target?: string
  mode?: number
  /** Owner and group */
  uid?: number
}

export interface TreesUnderTest extends AsyncDisposable {
  /** Opened */
  pool: Pool
  /** Makes files in a directory that the pool gave out, or changes them; what a capture sees is written. */
  write(dir: string, files: TreeFile[]): Promise<void>
  /** With all that is below it. */
  remove(dir: string, path: string): Promise<void>
}

const BASE: TreeFile[] = [
  { path: '/etc/passwd', data: 'root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n' },
  { path: '/etc/group', data: 'root:x:0:\nann:x:1000:\n' },
  { path: '/etc/app/config', data: 'port=80\nhost=here\n' },
  { path: '/etc/app/notes', data: 'one\ntwo\n', mode: 0o600, uid: 1000 },
  { path: '/etc-old/x', data: '' },
  { path: '/bin', target: 'usr/bin' },
  { path: '/usr/bin/tool', data: 'binary', mode: 0o755 },
  { path: '/escape', target: '/../../../../etc/passwd' },
  { path: '/loop', target: 'loop' },
  { path: '/dangling', target: '/nowhere' },
  { path: '/empty' },
]

/**
 * What `Pool.trees` must do. Links are resolved inside the tree, never out of it; what is told of a root is one instant of it.
 */
export function treesContract(name: string, make: () => Promise<TreesUnderTest>): void {
  describe(`trees contract: ${name}`, () => {
    let subject: TreesUnderTest
    let root: RootId
    let source: TreeSource
    beforeAll(async () => {
      subject = await make()
      root = await rootOf(BASE)
      source = { from: 'snapshot', id: await capture(root) }
    })
    afterAll(async () => {
      await subject?.[Symbol.asyncDispose]()
    })

    const trees = () => subject.pool.trees

    async function rootOf(files: TreeFile[]): Promise<RootId> {
      const image = newId<never>()
      await subject.pool.createImage(image, (dir) => subject.write(dir, files))
      const id = newId<RootId>()
      await subject.pool.createRoot(id, { from: 'image', id: image }, { diskBytes: 2 ** 29 })
      return id
    }
    async function capture(from: RootId): Promise<SnapshotId> {
      const id = newId<SnapshotId>()
      await subject.pool.stageSnapshot(id)
      await subject.pool.captureRoot(id, from)
      await subject.pool.publishSnapshot(id, {})
      return id
    }
    const change = (files: TreeFile[]) => subject.write(subject.pool.rootPath(root), files)
    async function text(path: string, range: { offset?: number; length?: number } = {}, of = source): Promise<string> {
      const { body } = await trees().read(of, path, range)
      return Buffer.concat(await body.toArray()).toString('utf8')
    }
    const paths = async (path: string, depth: number) =>
      (await trees().list(source, path, { depth, limit: 1_000 })).entries.map((entry) => entry.path)

    it('tells what is at a path, of a link itself, with the names that the tree has for owners', async () => {
      const notes = await trees().stat(source, '/etc/app//notes')
      const known = {
        path: '/etc/app/notes',
        name: 'notes',
        type: 'file',
        sizeBytes: 8,
        mode: 0o600,
        uid: 1000,
        gid: 1000,
      }
      expect(notes).toMatchObject({
        ...known,
        owner: 'ann',
        group: 'ann',
        symlinkTarget: null,
        target: null,
        xattrs: {},
      })
      expect(notes.modifiedAt).toBeInstanceOf(Date)
      expect(await trees().stat(source, '/bin')).toMatchObject({
        type: 'symlink',
        symlinkTarget: 'usr/bin',
        owner: 'root',
      })
      expect(await trees().stat(source, '/bin/tool')).toMatchObject({ type: 'file', path: '/bin/tool', mode: 0o755 })
      expect(await trees().stat(source, '/')).toMatchObject({ type: 'directory', path: '/', name: '/' })
    })

    it('lists directories before what is in them, names in the order of their bytes', async () => {
      const top = ['/bin', '/dangling', '/empty', '/escape', '/etc', '/etc-old', '/loop', '/usr']
      expect(await paths('/', 1)).toEqual(top)
      expect(await paths('/', 2)).toEqual([
        ...['/bin', '/dangling', '/empty', '/escape', '/etc', '/etc/app', '/etc/group', '/etc/passwd'],
        ...['/etc-old', '/etc-old/x', '/loop', '/usr', '/usr/bin'],
      ])
      expect(await paths('/bin', 1)).toEqual(['/bin/tool'])
      expect(await paths('/empty', 5)).toEqual([])
    })

    it('lists in pages that make the whole, whatever their size', async () => {
      const whole = await paths('/', 9)
      for (const limit of [1, 2, 3, 5, 50]) {
        const found: string[] = []
        for (let after: string | undefined; ; ) {
          const { entries, next } = await trees().list(source, '/', { depth: 9, limit, after })
          expect(entries.length).toBeLessThanOrEqual(limit)
          found.push(...entries.map(({ path }) => path))
          if (next === null) break
          after = next
        }
        expect(found).toEqual(whole)
      }
      const { next } = await trees().list(source, '/', { depth: 1, limit: 1 })
      for (const after of [next ?? '', 'no cursor', 'bm8'])
        await expect(trees().list(source, '/etc', { depth: 1, limit: 9, after })).rejects.toMatchObject({
          code: 'invalid_argument',
        })
    })

    it('reads files, all of them or a part', async () => {
      expect(await text('/etc/app/config')).toBe('port=80\nhost=here\n')
      expect(await text('/etc/app/config', { offset: 5, length: 2 })).toBe('80')
      expect(await text('/etc/app/config', { offset: 13 })).toBe('here\n')
      expect(await text('/etc/app/config', { offset: 1_000 })).toBe('')
      expect(await text('/etc-old/x')).toBe('')
      const { info, body } = await trees().read(source, '/bin/tool')
      body.destroy()
      expect(info).toMatchObject({ path: '/bin/tool', sizeBytes: 6 })
    })

    it('follows links inside the tree alone', async () => {
      expect(await text('/escape')).toContain('ann:x:1000')
      expect(await text('/../../etc/app/config')).toContain('port=80')
    })

    it('says what is wrong with a path', async () => {
      for (const [path, errno] of [
        ['/nowhere', 'ENOENT'],
        ['/dangling', 'ENOENT'],
        ['/loop', 'ELOOP'],
        ['/etc', 'EISDIR'],
        ['/bin/tool/x', 'ENOTDIR'],
        ['etc/passwd', 'EINVAL'],
        ['/nul\0', 'EINVAL'],
        [`/${'x'.repeat(5_000)}`, 'ENAMETOOLONG'],
      ] as const)
        await expect(trees().read(source, path)).rejects.toMatchObject({ code: 'guest_error', context: { errno } })
      await expect(trees().list(source, '/bin/tool', { depth: 1, limit: 1 })).rejects.toMatchObject({
        context: { errno: 'ENOTDIR' },
      })
      await expect(trees().stat(source, '/nowhere')).rejects.toMatchObject({ context: { errno: 'ENOENT' } })
    })

    it('knows of no source that is not there', async () => {
      for (const unknown of [
        { from: 'snapshot', id: newId<SnapshotId>() },
        { from: 'image', id: newId<never>() },
        { from: 'root', id: newId<RootId>() },
      ] as const) {
        await expect(trees().stat(unknown, '/')).rejects.toMatchObject({ code: 'not_found' })
        const comparing = trees().compare(source, unknown, { path: '/', limit: 1, timeoutMs: 60_000 })
        await expect(comparing).rejects.toMatchObject({ code: 'not_found' })
      }
    })

    it('ends when it is told to', async () => {
      const signal = AbortSignal.abort()
      await expect(trees().stat(source, '/', { signal })).rejects.toMatchObject({ code: 'cancelled' })
      await expect(trees().read(source, '/etc/passwd', { signal })).rejects.toMatchObject({ code: 'cancelled' })
      const comparing = trees().compare(source, source, { path: '/', limit: 1, timeoutMs: 60_000, signal })
      await expect(comparing).rejects.toMatchObject({ code: 'cancelled' })
    })

    it('packs what is at a path under the name it is given, which a guest unpacks', async () => {
      const entries = async (path: string) => {
        const archive = await trees().pack(source, path, { name: 'it' })
        return tarNames(Buffer.concat(await archive.toArray()))
      }
      expect(await entries('/etc/app')).toEqual(['it/', 'it/config', 'it/notes'])
      expect(await entries('/bin')).toEqual(['it/', 'it/tool'])
      expect(await entries('/bin/tool')).toEqual(['it'])
      await expect(trees().pack(source, '/nowhere', { name: 'it' })).rejects.toMatchObject({
        context: { errno: 'ENOENT' },
      })
    })

    it('searches for names and content', async () => {
      const search = async (request: { path?: string; name?: string; content?: string; limit?: number }) => {
        const bounds = { limit: 100, timeoutMs: 60_000, readBytes: 2 ** 30 }
        const { matches, incomplete } = await trees().search(source, { path: '/', ...bounds, ...request })
        return [...matches.map(({ file, line, text }) => [file.path, line, text]), incomplete]
      }
      expect(await search({ name: 'o*' })).toEqual([null])
      expect(await search({ name: '*o?e*' })).toEqual([['/etc/app/notes', null, null], null])
      expect(await search({ name: 'pass' })).toEqual([['/etc/passwd', null, null], null])
      expect(await search({ content: 'two' })).toEqual([['/etc/app/notes', 2, 'two'], null])
      expect(await search({ content: 'host', name: 'con*' })).toEqual([['/etc/app/config', 2, 'host=here'], null])
      expect(await search({ path: '/usr', name: '' })).toEqual([
        ['/usr/bin', null, null],
        ['/usr/bin/tool', null, null],
        null,
      ])
      expect(await search({ name: '', limit: 1 })).toEqual([['/bin', null, null], 'limit'])
    })

    it('compares two trees', async () => {
      const before = source
      await change([
        { path: '/etc/app/config', data: 'port=81\nhost=here\n' },
        { path: '/etc/app/notes', data: 'one\ntwo\nthree\n', mode: 0o640, uid: 1000 },
        { path: '/new/inner/file', data: 'new' },
        { path: '/usr/bin/tool', data: 'binary', mode: 0o755 },
      ])
      await subject.remove(subject.pool.rootPath(root), '/etc-old')
      await subject.remove(subject.pool.rootPath(root), '/bin')
      await change([{ path: '/bin', target: 'usr/local/bin' }])
      const after: TreeSource = { from: 'snapshot', id: await capture(root) }
      const options = { path: '/', limit: 100, timeoutMs: 60_000 }
      const found = await trees().compare(before, after, options)
      expect(found.added.map(({ path }) => path)).toEqual(['/new', '/new/inner', '/new/inner/file'])
      expect(found.removed.map(({ path }) => path)).toEqual(['/etc-old', '/etc-old/x'])
      expect(found.changed.map(({ path, differs }) => [path, differs])).toEqual([
        ['/bin', ['target']],
        ['/etc/app/config', ['content']],
        ['/etc/app/notes', ['content', 'mode']],
      ])
      expect(found).toMatchObject({
        counts: { added: 3, removed: 2, changed: 3 },
        truncated: false,
        unread: 0,
        incomplete: null,
      })
      expect(found.changed[2]).toMatchObject({
        before: { type: 'file', sizeBytes: 8, mode: 0o600, uid: 1000 },
        after: { type: 'file', sizeBytes: 14, mode: 0o640, uid: 1000 },
      })
      expect(found.added[2]).toMatchObject({
        before: null,
        after: { type: 'file', sizeBytes: 3, symlinkTarget: null },
        differs: [],
      })

      const back = await trees().compare(after, before, { ...options, limit: 1 })
      expect(back).toMatchObject({ counts: { added: 2, removed: 3, changed: 3 }, truncated: true })
      expect([back.added.length, back.removed.length, back.changed.length]).toEqual([1, 1, 1])

      const inner = await trees().compare(before, after, { ...options, path: '/etc/app/config' })
      expect(inner.counts).toEqual({ added: 0, removed: 0, changed: 1 })
      await expect(trees().compare(before, after, { ...options, path: '/nowhere' })).rejects.toMatchObject({
        context: { errno: 'ENOENT' },
      })
      const same = await trees().compare(after, after, options)
      expect(same.counts).toEqual({ added: 0, removed: 0, changed: 0 })
    })

    it('reads one instant of a root, which goes on being written', async () => {
      const live: TreeSource = { from: 'root', id: root }
      await change([{ path: '/live', data: 'first' }])
      const { body } = await trees().read(live, '/live')
      await change([{ path: '/live', data: 'second' }])
      expect(Buffer.concat(await body.toArray()).toString()).toBe('first')
      expect(await text('/live', {}, live)).toBe('second')
      const { added } = await trees().compare({ from: 'snapshot', id: await capture(root) }, live, {
        ...{ path: '/', limit: 9, timeoutMs: 60_000 },
      })
      expect(added).toEqual([])
    })

    it('rejects once its source is deleted', async () => {
      const id = await capture(root)
      await subject.pool.deleteSnapshot(id)
      await expect(trees().stat({ from: 'snapshot', id }, '/')).rejects.toMatchObject({ code: 'not_found' })
    })
  })
}

/** Names in a ustar or pax archive; ours have no long ones. */
function tarNames(archive: Buffer): string[] {
  const names: string[] = []
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0; ) {
    const header = archive.subarray(at, at + 512).toString('latin1')
    const size = Number.parseInt(header.slice(124, 136), 8)
    if (header[156] !== 'x') names.push(header.slice(0, 100).replace(/\0.*$/s, ''))
    at += 512 + Math.ceil(size / 512) * 512
  }
  return names
}
