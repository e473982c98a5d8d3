import type { FileEvent } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, type Box, pieces, readAll, readText, run } from './bench.ts'

export function filesSuite(bench: () => Bench): void {
  describe('files', () => {
    let b: Bench
    let box: Box
    let count = 0
    let dir: string
    beforeAll(async () => {
      b = bench()
      box = await b.boot()
    })
    afterAll(() => b.drop(box))

    /** A directory of its own for each test. */
    const fresh = async () => {
      dir = `/root/files-${count++}`
      await box.guest.files.mkdir(dir)
      return dir
    }
    const write = (path: string, text: string, options = {}) => box.guest.files.write(path, pieces(text), options)
    const errno = (name: string) => ({ code: 'guest_error', context: { errno: name } })

    it('come back as written, with missing parents made', async () => {
      const path = `${await fresh()}/a/b/ü file`
      const info = await write(path, 'hello')
      expect(info).toMatchObject({
        path,
        name: 'ü file',
        type: 'file',
        sizeBytes: 5,
        mode: 0o644,
        uid: 0,
        owner: 'root',
        symlinkTarget: null,
        modifiedAt: expect.any(Date),
      })
      expect(await box.guest.files.stat(path)).toEqual(info)
      const read = await box.guest.files.read(path)
      expect(read.info).toEqual(info)
      expect((await readAll(read.body)).toString()).toBe('hello')
    })

    it('are the ones that processes see', async () => {
      const path = `${await fresh()}/shared`
      await write(path, 'for the process')
      expect((await (await run(box.guest, b.programs.cat(path))).end()).text()).toBe('for the process')
    })

    it('of any bytes and some size survive the way', async () => {
      const path = `${await fresh()}/big`
      const data = Buffer.from(Uint8Array.from({ length: 1_500_000 }, (_, index) => (index * 7) % 256))
      await box.guest.files.write(path, pieces(data.subarray(0, 700_000), data.subarray(700_000)))
      expect((await readAll((await box.guest.files.read(path)).body)).equals(data)).toBe(true)
      const part = await box.guest.files.read(path, { offset: 999_990, length: 20 })
      expect((await readAll(part.body)).equals(data.subarray(999_990, 1_000_010))).toBe(true)
      const beyond = await box.guest.files.read(path, { offset: 2_000_000 })
      expect(await readAll(beyond.body)).toHaveLength(0)
    })

    it('may be empty', async () => {
      const path = `${await fresh()}/empty`
      expect((await box.guest.files.write(path, pieces())).sizeBytes).toBe(0)
      expect(await readText(box.guest, path)).toBe('')
    })

    it('are written whole or not at all', async () => {
      const path = `${await fresh()}/atomic`
      await write(path, 'before')
      const broken = box.guest.files.write(
        path,
        (async function* () {
          yield Buffer.from('half of it')
          throw new Error('the sender broke off')
        })(),
      )
      await expect(broken).rejects.toThrow()
      expect(await readText(box.guest, path)).toBe('before')
      expect((await box.guest.files.list(dir, { depth: 1, limit: 100 })).map((info) => info.name)).toEqual(['atomic'])
    })

    it('can be appended to, protected, and keep their mode', async () => {
      const path = `${await fresh()}/log`
      expect((await write(path, 'one', { mode: 0o600 })).mode).toBe(0o600)
      await write(path, ' two', { append: true })
      expect(await readText(box.guest, path)).toBe('one two')
      await expect(write(path, 'x', { exclusive: true })).rejects.toMatchObject(errno('EEXIST'))
      expect((await write(path, 'new')).mode).toBe(0o600)
      expect((await write(path, 'new', { mode: 0o640 })).mode).toBe(0o640)
      expect(await readText(box.guest, path)).toBe('new')
    })

    it('are listed by path, to a depth, up to a limit', async () => {
      await fresh()
      for (const name of ['b', 'a/y/deep', 'a/x', 'c']) await write(`${dir}/${name}`, '')
      const list = async (depth: number, limit = 100) =>
        (await box.guest.files.list(dir, { depth, limit })).map((info) => info.path.slice(dir.length + 1))
      expect(await list(1)).toEqual(['a', 'b', 'c'])
      expect(await list(2)).toEqual(['a', 'a/x', 'a/y', 'b', 'c'])
      expect(await list(9)).toEqual(['a', 'a/x', 'a/y', 'a/y/deep', 'b', 'c'])
      expect(await list(1, 2)).toHaveLength(2)
      expect((await box.guest.files.list(dir, { depth: 1, limit: 1 }))[0]?.type).toBe('directory')
    })

    it('that are not there, or of another kind, say so', async () => {
      await fresh()
      await write(`${dir}/file`, '')
      const missing = `${dir}/missing`
      await expect(box.guest.files.stat(missing)).rejects.toMatchObject(errno('ENOENT'))
      await expect(box.guest.files.read(missing)).rejects.toMatchObject(errno('ENOENT'))
      await expect(box.guest.files.list(missing, { depth: 1, limit: 9 })).rejects.toMatchObject(errno('ENOENT'))
      await expect(box.guest.files.remove(missing)).rejects.toMatchObject(errno('ENOENT'))
      await expect(box.guest.files.move(missing, `${dir}/x`)).rejects.toMatchObject(errno('ENOENT'))
      await expect(box.guest.files.read(dir)).rejects.toMatchObject(errno('EISDIR'))
      await expect(write(dir, 'x')).rejects.toMatchObject(errno('EISDIR'))
      await expect(box.guest.files.list(`${dir}/file`, { depth: 1, limit: 9 })).rejects.toMatchObject(errno('ENOTDIR'))
      await expect(box.guest.files.stat(`${dir}/file/x`)).rejects.toMatchObject(errno('ENOTDIR'))
      await expect(write(`${dir}/file/x`, 'x')).rejects.toMatchObject(errno('ENOTDIR'))
    })

    it('lie in directories that are made with or without parents', async () => {
      await fresh()
      const made = await box.guest.files.mkdir(`${dir}/one`, { mode: 0o700 })
      expect(made).toMatchObject({ type: 'directory', mode: 0o700, path: `${dir}/one` })
      await expect(box.guest.files.mkdir(`${dir}/one`)).rejects.toMatchObject(errno('EEXIST'))
      await expect(box.guest.files.mkdir(`${dir}/x/y`)).rejects.toMatchObject(errno('ENOENT'))
      await box.guest.files.mkdir(`${dir}/x/y`, { parents: true })
      await box.guest.files.mkdir(`${dir}/x/y`, { parents: true })
      expect((await box.guest.files.stat(`${dir}/x/y`)).type).toBe('directory')
    })

    it('are removed, directories with content only when told so', async () => {
      await fresh()
      await write(`${dir}/d/file`, '')
      await expect(box.guest.files.remove(`${dir}/d`)).rejects.toMatchObject(errno('ENOTEMPTY'))
      expect((await box.guest.files.stat(`${dir}/d/file`)).type).toBe('file')
      await box.guest.files.remove(`${dir}/d`, { recursive: true })
      await write(`${dir}/file`, '')
      await box.guest.files.remove(`${dir}/file`)
      expect(await box.guest.files.list(dir, { depth: 9, limit: 9 })).toEqual([])
    })

    it('stay where what is removed or moved is a process, whose directory leads to them', async () => {
      await fresh()
      await write(`${dir}/kept`, 'kept')
      const refused = { code: 'guest_error' }
      await expect(box.guest.files.remove('/proc/1', { recursive: true })).rejects.toMatchObject(refused)
      await expect(box.guest.files.move('/proc/1', `${dir}/moved`)).rejects.toMatchObject(refused)
      expect(await readText(box.guest, `${dir}/kept`)).toBe('kept')
    })

    it('move, alone or with their directory, over what is there', async () => {
      await fresh()
      await write(`${dir}/a/file`, 'moved')
      await write(`${dir}/target`, 'old')
      expect((await box.guest.files.move(`${dir}/a/file`, `${dir}/target`)).path).toBe(`${dir}/target`)
      expect(await readText(box.guest, `${dir}/target`)).toBe('moved')
      await box.guest.files.move(`${dir}/target`, `${dir}/a/back`)
      await box.guest.files.move(`${dir}/a`, `${dir}/renamed`)
      expect(await readText(box.guest, `${dir}/renamed/back`)).toBe('moved')
      await expect(box.guest.files.stat(`${dir}/a`)).rejects.toMatchObject(errno('ENOENT'))
    })

    it('change mode and owner', async () => {
      const path = `${await fresh()}/file`
      await write(path, '')
      await box.guest.files.chmod(path, 0o640)
      await box.guest.files.chown(path, 'nobody')
      expect(await box.guest.files.stat(path)).toMatchObject({ mode: 0o640, owner: 'nobody' })
      await expect(box.guest.files.chown(path, 'no-such-user')).rejects.toMatchObject({ code: 'guest_error' })
    })

    it('belong to the user who asks, who gets no further than he may', async () => {
      const path = `/tmp/files-of-nobody-${count++}`
      expect(await write(path, 'mine', { user: 'nobody' })).toMatchObject({ owner: 'nobody' })
      await fresh()
      await write(`${dir}/secret`, 'root only', { mode: 0o600 })
      await box.guest.files.chmod(dir, 0o755)
      await box.guest.files.chmod('/root', 0o755)
      await expect(box.guest.files.read(`${dir}/secret`, { user: 'nobody' })).rejects.toMatchObject(errno('EACCES'))
      await expect(write(`${dir}/new`, 'x', { user: 'nobody' })).rejects.toMatchObject(errno('EACCES'))
    })

    it('made by root on behalf of an owner belong to the owner, with their directories', async () => {
      await fresh()
      await box.guest.files.chmod(dir, 0o700)
      const path = `${dir}/sub/file`
      expect(await write(path, 'for nobody', { owner: 'nobody' })).toMatchObject({ owner: 'nobody' })
      expect(await box.guest.files.stat(`${dir}/sub`)).toMatchObject({ owner: 'nobody' })
      expect(await box.guest.files.mkdir(`${dir}/made`, { owner: 'nobody' })).toMatchObject({ owner: 'nobody' })
      const moved = await box.guest.files.move(path, `${dir}/new/file`, { owner: 'nobody' })
      expect(moved).toMatchObject({ owner: 'nobody' })
      expect(await box.guest.files.stat(`${dir}/new`)).toMatchObject({ owner: 'nobody' })
      expect((await readAll((await box.guest.files.read(moved.path, { owner: 'nobody' })).body)).toString()).toBe(
        'for nobody',
      )
      const nobody = { code: 'guest_error', context: { what: 'user' } }
      await expect(box.guest.files.stat(dir, { owner: 'no-such-user' })).rejects.toMatchObject(nobody)
    })

    it('tell what a symlink leads to, if asked', async () => {
      await fresh()
      await write(`${dir}/file`, 'x', { mode: 0o640 })
      await (await run(box.guest, b.programs.link(`${dir}/file`, `${dir}/link`))).end()
      await (await run(box.guest, b.programs.link('link', `${dir}/second`))).end()
      await (await run(box.guest, b.programs.link('nowhere', `${dir}/broken`))).end()
      const target = { path: `${dir}/file`, type: 'file', mode: 0o640 }
      expect(await box.guest.files.stat(`${dir}/second`)).toMatchObject({ symlinkTarget: 'link', target: null })
      expect(await box.guest.files.stat(`${dir}/second`, { targets: true })).toMatchObject({ type: 'symlink', target })
      const listed = await box.guest.files.list(dir, { depth: 1, limit: 9, targets: true })
      expect(listed.map((info) => [info.name, info.target])).toEqual([
        ['broken', null],
        ['file', null],
        ['link', target],
        ['second', target],
      ])
    })

    it('by relative paths lie in the user’s home', async () => {
      await write('relative-file', 'at home')
      expect(await readText(box.guest, '/root/relative-file')).toBe('at home')
    })

    it('carry attributes where the runtime can', async () => {
      const path = `${await fresh()}/file`
      await write(path, '')
      const attributes = { 'user.colour': 'grün', 'user.empty': '' }
      if (b.subject.traits.xattrs) {
        await box.guest.files.setXattr(path, attributes)
        expect(await box.guest.files.getXattr(path)).toMatchObject(attributes)
        expect((await box.guest.files.stat(path)).xattrs).toEqual({})
        const wanted = { xattrs: 'user.c' }
        const colour = { 'user.colour': 'grün' }
        expect((await box.guest.files.stat(path, wanted)).xattrs).toEqual(colour)
        expect((await box.guest.files.move(path, `${dir}/moved`, wanted)).xattrs).toEqual(colour)
        expect((await box.guest.files.list(dir, { depth: 1, limit: 9, ...wanted }))[0]?.xattrs).toEqual(colour)
        await write(`${dir}/moved`, 'again', { xattrs: { 'user.size': 'L' } })
        expect(await box.guest.files.getXattr(`${dir}/moved`)).toEqual({ 'user.size': 'L' })
      } else {
        await expect(box.guest.files.setXattr(path, attributes)).rejects.toMatchObject({ code: 'guest_error' })
      }
    })

    it.each([
      ['root', '/root'],
      ['tmp', '/tmp'],
    ])('in %s can be watched', async (_, base) => {
      const watched = `${base}/watched-${count++}`
      await box.guest.files.mkdir(watched)
      const stop = new AbortController()
      const events = await box.guest.files.watch(watched, { recursive: false, signal: stop.signal })
      await write(`${watched}/file`, 'x')
      const seen: FileEvent[] = []
      const iterator = events[Symbol.asyncIterator]()
      const until = async (types: FileEvent['type'][], path: string) => {
        while (!seen.some((event) => event.path === path && types.includes(event.type))) {
          const { done, value } = await iterator.next()
          if (done) throw new Error(`the watch ended, having seen ${JSON.stringify(seen)}`)
          seen.push(value)
        }
      }
      await until(['created', 'modified', 'renamed'], `${watched}/file`)
      await box.guest.files.remove(`${watched}/file`)
      await until(['removed'], `${watched}/file`)
      expect(seen.every((event) => event.path.startsWith(watched))).toBe(true)
      stop.abort()
    })

    it('below a watched directory are seen if asked for, also in new directories', async () => {
      await fresh()
      await box.guest.files.mkdir(`${dir}/sub`)
      const stop = new AbortController()
      const events = await box.guest.files.watch(dir, { recursive: true, signal: stop.signal })
      await write(`${dir}/sub/file`, 'x')
      for await (const event of events) if (event.path === `${dir}/sub/file`) break
      stop.abort()
    })

    it('that are not there cannot be watched', async () => {
      const watch = box.guest.files.watch('/no/such/dir', { recursive: false })
      await expect(watch).rejects.toMatchObject(errno('ENOENT'))
    })
  })
}
