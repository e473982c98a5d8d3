import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TarFile, tarOf } from '../tar.ts'
import { type Bench, type Box, pieces, readAll, readText } from './bench.ts'

export function archivesSuite(bench: () => Bench): void {
  describe('archives', () => {
    let b: Bench
    let box: Box
    let count = 0
    beforeAll(async () => {
      b = bench()
      box = await b.boot()
    })
    afterAll(() => b.drop(box))

    const fresh = async () => {
      const dir = `/root/archives-${count++}`
      await box.guest.files.mkdir(dir)
      return dir
    }
    const unpack = (
      files: TarFile[] | Buffer,
      request: { source: string; destination: string; mode?: number; keepOwners?: boolean },
    ) => {
      const archive = Buffer.isBuffer(files) ? files : tarOf(files)
      // In pieces that cut headers and content anywhere.
      const parts = Array.from({ length: Math.ceil(archive.length / 700) }, (_, n) =>
        archive.subarray(n * 700, n * 700 + 700),
      )
      return box.guest.files.unpack(pieces(...parts), { owner: 'nobody', ...request })
    }
    const text = (path: string) => readText(box.guest, path)
    const exists = (path: string) =>
      box.guest.files.stat(path).then(
        () => true,
        () => false,
      )

    const APP: TarFile[] = [
      { name: 'app/', type: 'directory', mode: 0o750 },
      { name: 'app/run.sh', data: '#!/bin/sh\n', mode: 0o755 },
      { name: 'app/lib/', type: 'directory' },
      { name: 'app/lib/big', data: Buffer.alloc(300_000, 'x') },
      { name: 'app/current', type: 'symlink', target: 'lib/big' },
      { name: 'other', data: 'not wanted' },
    ]

    it('give a directory’s content to the destination, with owner, modes and links', async () => {
      const to = `${await fresh()}/deep/app`
      expect(await unpack(gzipSync(tarOf(APP)), { source: 'app', destination: to })).toEqual({
        entries: 5,
        bytes: 300_010,
      })
      const infos = await box.guest.files.list(to, { depth: 3, limit: 100 })
      expect(
        infos.map(({ path, mode, uid, symlinkTarget }) => [path.slice(to.length), mode, uid, symlinkTarget]),
      ).toEqual([
        ['/current', 0o777, 65534, 'lib/big'],
        ['/lib', 0o755, 65534, null],
        ['/lib/big', 0o644, 65534, null],
        ['/run.sh', 0o755, 65534, null],
      ])
      expect((await text(`${to}/current`)).length).toBe(300_000)
      expect(await box.guest.files.stat(to)).toMatchObject({ uid: 65534, mode: 0o755 })
    })

    it('give one file its new name, or put it into a directory', async () => {
      const dir = await fresh()
      await unpack(APP, { source: 'app/run.sh', destination: `${dir}/new/start` })
      expect(await box.guest.files.stat(`${dir}/new/start`)).toMatchObject({ mode: 0o755, uid: 65534 })
      await unpack(APP, { source: 'other', destination: dir })
      await unpack(APP, { source: './other', destination: `${dir}/made/` })
      expect([await text(`${dir}/other`), await text(`${dir}/made/other`)]).toEqual(['not wanted', 'not wanted'])
    })

    it('take a name as it is where a backslash says so', async () => {
      const dir = await fresh()
      const files: TarFile[] = [
        { name: 'a*b', data: 'star' },
        { name: 'aXb', data: 'letter' },
      ]
      expect(await unpack(files, { source: 'a\\*b', destination: `${dir}/one` })).toMatchObject({ entries: 1 })
      expect(await text(`${dir}/one`)).toBe('star')
    })

    it('keep owners where that is asked for, of the destination as well if it is new', async () => {
      const dir = await fresh()
      const files: TarFile[] = [
        { name: 'app/', type: 'directory', mode: 0o700, uid: 1234 },
        { name: 'app/run', data: '#!', mode: 0o4755, uid: 1235 },
        { name: 'app/link', type: 'symlink', target: 'run', uid: 1236 },
        { name: 'alone', data: '', uid: 1237 },
      ]
      await unpack(files, { source: 'app', destination: `${dir}/way/app`, keepOwners: true })
      const [app, link, ran] = await box.guest.files.list(`${dir}/way`, { depth: 2, limit: 9 })
      expect(app).toMatchObject({ uid: 1234, gid: 1234, mode: 0o700 })
      expect(link).toMatchObject({ uid: 1236, symlinkTarget: 'run' })
      expect(ran).toMatchObject({ uid: 1235, mode: 0o4755 })
      expect(await box.guest.files.stat(`${dir}/way`)).toMatchObject({ uid: 65534, mode: 0o755 })
      await unpack(files, { source: 'alone', destination: `${dir}/one`, keepOwners: true })
      expect(await box.guest.files.stat(`${dir}/one`)).toMatchObject({ uid: 1237 })
      await unpack(files, { source: 'app', destination: dir, keepOwners: true })
      expect(await box.guest.files.stat(dir)).toMatchObject({ uid: 0 })
    })

    it('take patterns, and replace files that are there', async () => {
      const dir = await fresh()
      await box.guest.files.write(`${dir}/run.sh`, pieces('old'))
      expect(await unpack(APP, { source: 'app/*.sh', destination: dir })).toMatchObject({ entries: 1 })
      expect(await text(`${dir}/run.sh`)).toBe('#!/bin/sh\n')
      expect(await unpack(APP, { source: 'a*', destination: `${dir}/all` })).toMatchObject({ entries: 5 })
      expect(await exists(`${dir}/all/lib/big`)).toBe(true)
      await unpack(APP, { source: '.', destination: `${dir}/whole` })
      expect([await exists(`${dir}/whole/app/lib/big`), await exists(`${dir}/whole/other`)]).toEqual([true, true])
    })

    it('give everything one mode if told; directories stay open to who may read them', async () => {
      const dir = await fresh()
      await unpack(APP, { source: 'app', destination: dir, mode: 0o640 })
      expect((await box.guest.files.stat(`${dir}/lib`)).mode).toBe(0o750)
      expect((await box.guest.files.stat(`${dir}/run.sh`)).mode).toBe(0o640)
    })

    it('that match nothing, or are none, are refused', async () => {
      const dir = await fresh()
      await expect(unpack(APP, { source: 'missing', destination: dir })).rejects.toMatchObject({
        code: 'guest_error',
        context: { errno: 'ENOENT' },
      })
      for (const bad of [Buffer.alloc(5_000, 'no archive at all'), tarOf(APP).subarray(0, 100_000)]) {
        await expect(unpack(bad, { source: '.', destination: dir })).rejects.toMatchObject({ code: 'invalid_argument' })
      }
      await expect(
        unpack(APP, { source: '.', destination: `${dir}/x`, owner: 'ghost' } as never),
      ).rejects.toMatchObject({
        code: 'guest_error',
      })
      // The agent is none the worse for it.
      expect((await box.guest.metrics()).processes).toBeGreaterThanOrEqual(0)
    })

    it.each<[string, TarFile[]]>([
      ['a path with ..', [{ name: 'a/../../../escaped', data: 'x' }]],
      ['an absolute path', [{ name: '/escaped', data: 'x' }]],
      [
        'an absolute link written through',
        [
          { name: 'a/link', type: 'symlink', target: '/root' },
          { name: 'a/link/escaped', data: 'x' },
        ],
      ],
      [
        'a relative link written through',
        [
          { name: 'a/link', type: 'symlink', target: '../../..' },
          { name: 'a/link/escaped', data: 'x' },
        ],
      ],
      [
        'a link in place of a file that is written again',
        [
          { name: 'a/file', type: 'symlink', target: '/root/escaped' },
          { name: 'a/file', data: 'x' },
        ],
      ],
      ['a hard link to what is outside', [{ name: 'a/file', type: 'link', target: '/etc/passwd' }]],
      ['a device', [{ name: 'a/fifo', type: 'fifo' }]],
    ])('with %s lead nowhere', async (_, files) => {
      const dir = `${await fresh()}/into`
      await unpack(files, { source: '.', destination: dir }).catch((error: { code: string }) => {
        expect(error.code).toBe('invalid_argument')
      })
      expect([await exists('/escaped'), await exists('/root/escaped'), await exists(`${dir}/../escaped`)]).toEqual([
        false,
        false,
        false,
      ])
    })

    it('may name what is behind a link before it is there', async () => {
      const dir = await fresh()
      const files: TarFile[] = [
        { name: 'app/link', type: 'symlink', target: 'lib/deep' },
        { name: 'app/link/one', data: 'one' },
        { name: 'app/lib/', type: 'directory', mode: 0o700 },
        { name: 'app/lib/deep/two', data: 'two' },
      ]
      await unpack(files, { source: 'app', destination: dir })
      expect([await text(`${dir}/link/two`), await text(`${dir}/lib/deep/one`)]).toEqual(['two', 'one'])
      expect((await box.guest.files.stat(`${dir}/link`)).symlinkTarget).toBe('lib/deep')
      expect((await box.guest.files.stat(`${dir}/lib`)).mode).toBe(0o700)
      const outside: TarFile[] = [
        { name: 'link', type: 'symlink', target: '/root/ahead' },
        { name: 'link/one', data: 'one' },
      ]
      await expect(unpack(outside, { source: '.', destination: `${dir}/out` })).rejects.toThrow()
      expect(await exists('/root/ahead')).toBe(false)
    })

    it('of a sandbox’s own files can be unpacked with the same source', async () => {
      const dir = await fresh()
      await unpack(APP, { source: '.', destination: `${dir}/from` })
      const archive = await readAll(await box.guest.files.pack(`${dir}/from/app`))
      await unpack(archive, { source: `${dir}/from/app`, destination: `${dir}/to` })
      expect((await text(`${dir}/to/lib/big`)).length).toBe(300_000)
      expect((await box.guest.files.stat(`${dir}/to/current`)).symlinkTarget).toBe('lib/big')
      await expect(box.guest.files.pack('/nowhere')).rejects.toMatchObject({ code: 'guest_error' })
    })
  })
}
