import { beforeAll, describe, expect, it } from 'vitest'
import { until } from '../vendor-world.ts'
import { type HyperWorld, type Sandbox, sh } from './hyper-world.ts'

/** Files, watches and presigned addresses. */
export function fileTests(at: () => HyperWorld): void {
  describe('files', () => {
    let sandbox: Sandbox
    beforeAll(async () => {
      sandbox = await at().create()
    })

    it('are written, read and told about in every form', async () => {
      const { files } = sandbox
      expect(await files.write('/home/user/a/b/text', 'héllo')).toMatchObject({
        path: '/home/user/a/b/text',
        name: 'text',
      })
      expect(await files.readText('/home/user/a/b/text')).toBe('héllo')
      expect(await files.readText('/home/user/a/b/text', { offset: 1, length: 2 })).toBe('é')
      const bytes = Buffer.from([0, 255, 128, 10])
      await files.writeBytes('/home/user/bytes', bytes, { mode: '0600' })
      await files.writeBytes('/home/user/bytes', bytes, { append: true })
      expect(await files.readBytes('/home/user/bytes')).toEqual(Buffer.concat([bytes, bytes]))
      expect(await files.getInfo('/home/user/bytes')).toMatchObject({
        type: 'file',
        size: 8,
        permissions: '-rw-------',
        owner: 'user',
      })
      expect(await files.read('/home/user/bytes', { format: 'bytes' })).toEqual(Buffer.concat([bytes, bytes]))
      const blob = await files.read('/home/user/a/b/text', { format: 'blob' })
      expect([blob.size, await files.read('/home/user/a/b/text')]).toEqual([6, 'héllo'])
      const large = Buffer.alloc(5_000_000, 'x')
      expect(await files.upload('/home/user/large', large)).toEqual({
        path: '/home/user/large',
        bytesWritten: 5_000_000,
      })
      expect((await files.download('/home/user/large')).equals(large)).toBe(true)
      expect((await files.list('/home/user', { depth: 2 })).map(({ path, type }) => `${type} ${path}`)).toEqual(
        expect.arrayContaining(['dir /home/user/a', 'dir /home/user/a/b', 'file /home/user/bytes']),
      )
      await expect(files.readText('/home/user/nothing')).rejects.toMatchObject({ statusCode: 404 })
      expect([await files.exists('/home/user/bytes'), await files.exists('/home/user/nothing')]).toEqual([true, false])
      expect(await files.exists('/home/user/bytes/below')).toBe(false)
    })

    it('are moved, copied, removed, and change their rights', async () => {
      const { files } = sandbox
      await files.write([
        { path: '/home/user/d/one', data: '1' },
        { path: '/home/user/d/two', data: Buffer.from('2') },
      ])
      await sh(sandbox, 'ln -s one /home/user/d/link && ln -s .. /home/user/d/loop')
      expect(await files.getInfo('/home/user/d/link')).toMatchObject({ symlinkTarget: '/home/user/d/one' })
      expect(await files.makeDir('/home/user/new/deep')).toBe(true)
      expect(await files.makeDir('/home/user/new/deep')).toBe(false)
      expect(await files.copy({ source: '/home/user/d', destination: '/home/user/e', recursive: true })).toMatchObject({
        type: 'dir',
      })
      expect(await sh(sandbox, 'cat /home/user/e/one; readlink /home/user/e/link /home/user/e/loop')).toBe('1one\n..')
      await expect(files.copy({ source: '/home/user/d/one', destination: '/home/user/d/two' })).rejects.toMatchObject({
        statusCode: 400,
      })
      expect(await files.copy({ source: '~/d/one', destination: 'made/for/it' })).toMatchObject({
        path: '/home/user/made/for/it',
      })
      await files.copy({ source: '/home/user/d/one', destination: '/home/user/d/link', overwrite: true })
      expect(await sh(sandbox, 'test -L /home/user/d/link || cat /home/user/d/link')).toBe('1')
      expect(await files.rename('/home/user/d/two', '/home/user/d/three')).toMatchObject({ name: 'three' })
      await files.chmod({ path: '/home/user/d', mode: '0o700', recursive: true })
      expect(await sh(sandbox, 'stat -c %a /home/user/d/three')).toBe('700')
      await files.withRunAs('root').writeText('/root/own', 'root')
      await expect(files.readText('/root/own')).rejects.toMatchObject({ statusCode: 400 })
      await expect(files.upload('/root/mine', 'x')).rejects.toMatchObject({ statusCode: 400 })
      await files.withRunAs('root').chown({ path: '/home/user/d/three', uid: 0, gid: 0 })
      expect(await sh(sandbox, 'stat -c %U:%G /home/user/d/three')).toBe('root:root')
      await expect(files.remove('/home/user/d')).rejects.toMatchObject({ statusCode: 400 })
      await files.remove('/home/user/d', { recursive: true })
      await files.remove('/home/user/d')
      expect(await files.exists('/home/user/d')).toBe(false)
    })

    it('are watched from the call on', async () => {
      await sandbox.files.makeDir('/home/user/watched')
      const seen: string[] = []
      const ends: unknown[] = []
      const watch = await sandbox.files.watchDir(
        '/home/user/watched',
        ({ type, name }) => void seen.push(`${type} ${name}`),
        {
          recursive: true,
          onExit: (error) => void ends.push(error),
        },
      )
      await sandbox.files.write('/home/user/watched/first', 'x')
      await sandbox.files.makeDir('/home/user/watched/sub')
      await sandbox.files.write('/home/user/watched/sub/second', 'x')
      await sandbox.files.remove('/home/user/watched/first')
      await until(async () => seen.includes('remove first') && seen.some((one) => one.endsWith('sub/second')))
      expect(seen).toContain('create sub')
      await watch.stop()
      expect(ends).toEqual([undefined])
      await expect(sandbox.files.watchDir('/home/user/nothing', () => {})).rejects.toMatchObject({ statusCode: 404 })
      await expect(sandbox.files.watchDir('/etc/hostname', () => {})).rejects.toMatchObject({ statusCode: 400 })
    })

    it('are put and got by addresses that need no key, once if so wished', async () => {
      const put = await sandbox.files.uploadUrl('/home/user/p/signed', { oneTime: true, expiresInSeconds: 60 })
      const url = (given: string) => given.replace('localhost', '127.0.0.1')
      expect((await fetch(url(put.url), { method: put.method, body: 'signed' })).status).toBe(200)
      expect((await fetch(url(put.url), { method: put.method, body: 'again' })).status).toBe(401)
      const get = await sandbox.files.downloadUrl('/home/user/p/signed', { oneTime: true })
      const both = await Promise.all([fetch(url(get.url)), fetch(url(get.url))])
      expect(both.map(({ status }) => status).sort()).toEqual([200, 401])
      const lasting = await sandbox.files.downloadUrl('/home/user/p/signed')
      expect(await (await fetch(url(lasting.url))).text()).toBe('signed')
      expect((await fetch(url(lasting.url).replace('signed&', 'other&'))).status).toBe(401)
      expect((await fetch(url(lasting.url), { method: 'PUT', body: 'x' })).status).not.toBe(200)
    })
  })
}
