import { Hyperbrowser } from '@hyperbrowser/sdk'
import { describe, expect, it } from 'vitest'
import { until } from '../vendor-world.ts'
import { type HyperWorld, sh } from './hyper-world.ts'

/** Sandboxes, their ports and volumes, and who may use them. */
export function sandboxTests(at: () => HyperWorld): void {
  describe('sandboxes', () => {
    it('come active with what was asked for, are listed, and end when stopped', async () => {
      const sandbox = await at().create({ cpu: 1, memoryMiB: 512, diskMiB: 4096, timeoutMinutes: 30 })
      expect(sandbox).toMatchObject({ status: 'active', region: 'us', cpu: 1, memoryMiB: 512, diskMiB: 4096 })
      expect(sandbox.timeoutMinutes).toBe(30)
      const { sandboxes } = await at().client.sandboxes.list({ status: 'active', search: sandbox.id })
      expect(sandboxes).toMatchObject([{ id: sandbox.id, exposedPorts: [], sessionUrl: sandbox.sessionUrl }])
      const same = { id: sandbox.id, runtime: sandbox.runtime, status: 'active' }
      expect(await sandbox.info()).toMatchObject(same)
      expect(await at().client.sandboxes.getDetail(sandbox.id)).toMatchObject(same)
      const attached = at().client.sandboxes.attach(await at().client.sandboxes.getDetail(sandbox.id))
      expect(Date.parse(attached.tokenExpiresAt ?? '')).toBeGreaterThan(Date.now())
      expect(await sh(await at().client.sandboxes.connect(sandbox.id), 'echo connected')).toBe('connected')
      expect(await sandbox.stop()).toEqual({ success: true })
      const closed = await at().client.sandboxes.get(sandbox.id)
      expect([closed.status, closed.toJSON().token]).toEqual(['closed', null])
      await expect(closed.exec('true')).rejects.toMatchObject({ statusCode: 409, code: 'sandbox_not_running' })
      await expect(at().client.sandboxes.get('0'.repeat(24))).rejects.toMatchObject({ statusCode: 404 })
      // Sizes that the vendor's page names, unless told.
      const usual = await at().create()
      expect([usual.cpu, usual.memoryMiB, usual.diskMiB]).toEqual([2, 2048, 8192])
    })

    it.each([
      [{ imageName: 'nothing' }, 404],
      [{ imageName: 'base', imageId: '0'.repeat(24) }, 404],
      [{ snapshotName: 'nothing' }, 404],
      [{ imageName: 'base', mounts: { '/data': { id: 'x' } } }, 404],
      [{ imageName: 'base', exposedPorts: [{ port: 4001 }] }, 400],
      [{ imageName: 'base', cpu: 0 }, 400],
      [{ imageName: 'base', region: 'mars' }, 400],
    ])('are not made of %j', async (asked, statusCode) => {
      await expect(at().client.sandboxes.create(asked as never)).rejects.toMatchObject({ statusCode })
    })

    it('renew their session when the token does not hold any more', async () => {
      const sandbox = await at().create()
      // What a client has kept from long ago.
      Object.assign(sandbox, {
        runtimeSession: { ...sandbox.toJSON(), token: `1.${'0'.repeat(64)}`, tokenExpiresAt: null },
      })
      expect(await sh(sandbox, 'echo again')).toBe('again')
    })

    it('reach out as far as their policy says', async () => {
      const sandbox = await at().create({ allowInternetAccess: false })
      expect(sandbox.network?.allowInternetAccess).toBe(false)
      const policy = { allowOut: ['192.0.2.7', 'example.com'], denyOut: ['0.0.0.0/0'] }
      await sandbox.updateNetwork({ allowInternetAccess: true, ...policy })
      expect(sandbox.network).toEqual({ allowInternetAccess: true, ...policy })
      await sandbox.clearNetwork()
      expect(sandbox.network).toEqual({ allowInternetAccess: true, allowOut: [], denyOut: [] })
    })
  })

  describe('ports', () => {
    it('are open to whom they are exposed, and to nobody else', async () => {
      const sandbox = await at().create({ exposedPorts: [{ port: 3210 }] })
      await sandbox.processes.start({ command: 'cd /etc && exec python3 -m http.server 3210 --bind 127.0.0.1' })
      await until(async () => (await at().fetchPort(sandbox, 3210, '/hostname')).status === 200)
      expect(sandbox.exposedPorts).toMatchObject([{ port: 3210, auth: false, url: sandbox.getExposedUrl(3210) }])
      expect((await at().fetchPort(sandbox, 3211)).status).toBe(403)

      const exposed = await sandbox.expose({ port: 3210, auth: true })
      expect(exposed).toMatchObject({ port: 3210, auth: true, url: sandbox.getExposedUrl(3210) })
      expect((await at().fetchPort(sandbox, 3210, '/hostname')).status).toBe(401)
      const bearer = { authorization: `Bearer ${sandbox.toJSON().token}` }
      expect((await at().fetchPort(sandbox, 3210, '/hostname', bearer)).status).toBe(200)
      const browser = new URL(String(exposed.browserUrl))
      expect(browser.pathname).toBe('/_hb/auth')
      const login = await at().fetchPort(sandbox, 3210, browser.pathname + browser.search)
      expect([login.status, login.headers.location]).toEqual([302, '/'])
      const cookie = String(login.headers['set-cookie']).split(';')[0] ?? ''
      expect((await at().fetchPort(sandbox, 3210, '/hostname', { cookie })).status).toBe(200)
      expect((await at().fetchPort(sandbox, 3210, `${browser.pathname}?token=1.${'0'.repeat(64)}`)).status).toBe(401)

      expect(await sandbox.unexpose(3210)).toEqual({ port: 3210, exposed: false })
      expect((await at().fetchPort(sandbox, 3210, '/hostname', bearer)).status).toBe(403)
      await expect(sandbox.expose({ port: 4001 })).rejects.toMatchObject({
        statusCode: 400,
        message: expect.stringContaining('cannot be exposed'),
      })
    })
  })

  describe('strangers', () => {
    it('get nowhere without a key, or with a token of another sandbox', async () => {
      const [one, two] = [await at().create(), await at().create()]
      const wrong = new Hyperbrowser({ apiKey: 'nonsense', baseUrl: `${at().world.url}/hyperbrowser` })
      await expect(wrong.sandboxes.list()).rejects.toMatchObject({ statusCode: 401, service: 'control' })
      const call = (authorization: string) =>
        fetch(`${at().world.url}/sandbox/${one.id}/exec`, {
          method: 'POST',
          headers: { authorization, 'content-type': 'application/json' },
          body: JSON.stringify({ command: 'id' }),
        })
      expect((await call(`Bearer ${two.toJSON().token}`)).status).toBe(401)
      expect((await call(`Bearer ${at().world.key}`)).status).toBe(401)
      expect((await call(`Bearer ${one.toJSON().token}`)).status).toBe(200)
    })
  })

  describe('volumes', () => {
    it('outlive the sandboxes that mount them, several at a time, to be written or only read', async () => {
      const volume = await at().client.volumes.create({ name: 'datasets' })
      expect(volume).toMatchObject({ name: 'datasets', size: expect.any(Number) })
      const writer = await at().create({ mounts: { '/mnt/data': { id: volume.id } } })
      const reader = await at().create({ mounts: { '/data': { id: volume.id, type: 'ro', shared: true } } })
      await sh(writer, 'echo shared > /mnt/data/file')
      expect(await sh(reader, 'cat /data/file')).toBe('shared')
      await sh(writer, 'head -c 4000000 /dev/urandom > /mnt/data/large && sync')
      expect((await reader.exec('touch /data/other')).stderr).toContain('Read-only file system')
      await expect(at().client.volumes.delete('Datasets')).rejects.toMatchObject({ statusCode: 409 })
      await Promise.all([writer.stop(), reader.stop()])

      const later = await at().create({ mounts: { '/data': { id: volume.id, type: 'rw' } } })
      expect(await sh(later, 'cat /data/file')).toBe('shared')
      await later.stop()
      expect((await at().client.volumes.list({ search: 'data' })).volumes).toMatchObject([{ id: volume.id }])
      expect((await at().client.volumes.get(volume.id)).size).toBeGreaterThan(volume.size ?? 0)
      expect(await at().client.volumes.delete('Datasets')).toMatchObject({
        deleted: true,
        id: volume.id,
        name: 'datasets',
      })
      await expect(at().client.volumes.get(volume.id)).rejects.toMatchObject({ statusCode: 404 })
      for (const path of ['/', 'data', '/proc/x', '/a/../b'])
        await expect(at().create({ mounts: { [path]: { id: volume.id } } }), path).rejects.toMatchObject({
          statusCode: 400,
        })
    })
  })
}
