import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { VendorWorld } from '../vendor-world.ts'
import { SDKS } from './sdks.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.start()
})
afterAll(() => vendor[Symbol.asyncDispose]())

describe.each(SDKS)('signed addresses of %s', (_name, { Sandbox }) => {
  let sandbox: InstanceType<typeof Sandbox>
  let other: InstanceType<typeof Sandbox>
  beforeAll(async () => {
    sandbox = await Sandbox.create()
    other = await Sandbox.create()
    await sandbox.files.write('/home/user/file ü.txt', 'signed')
  })
  afterAll(() => Promise.all([sandbox.kill(), other.kill()]))

  it('give the file to whoever has them, and name no sandbox', async () => {
    const url = await sandbox.downloadUrl('/home/user/file ü.txt')
    expect(url).not.toContain(sandbox.sandboxId)
    const response = await fetch(url)
    expect([response.status, await response.text()]).toEqual([200, 'signed'])
    expect(response.headers.get('content-type')).toBe('text/plain')
    const part = await fetch(url, { headers: { range: 'bytes=1-3' } })
    expect([part.status, await part.text()]).toEqual([206, 'ign'])
    const relative = await fetch(await sandbox.downloadUrl('file ü.txt', { user: 'user' }))
    expect(await relative.text()).toBe('signed')
  })

  it('take a file', async () => {
    const form = new FormData()
    form.append('file', new Blob(['uploaded']), 'up.txt')
    const url = await sandbox.uploadUrl('/home/user/up/up.txt')
    const response = await fetch(url, { method: 'POST', body: form })
    expect([response.status, await response.json()]).toEqual([
      200,
      [{ name: 'up.txt', path: '/home/user/up/up.txt', type: 'file' }],
    ])
    expect(await sandbox.files.read('/home/user/up/up.txt')).toBe('uploaded')
    const anywhere = await fetch(await sandbox.uploadUrl(), { method: 'POST', body: form })
    expect(await anywhere.json()).toMatchObject([{ path: '/home/user/up.txt' }])
    const asRoot = await sandbox.uploadUrl('made-by-root', { user: 'root', useSignatureExpiration: 60_000 })
    await fetch(asRoot, { method: 'POST', body: form })
    expect((await sandbox.files.getInfo('/root/made-by-root')).owner).toBe('root')
  })

  it('are good for what they say, and for their time', async () => {
    const refused = async (url: string, init: RequestInit = {}) => {
      const response = await fetch(url, init)
      const { code, message } = (await response.json()) as { code: number; message: string }
      return [response.status, code, message]
    }
    const url = new URL(await sandbox.downloadUrl('/home/user/file ü.txt'))
    const changed = (change: (query: URLSearchParams) => void) => {
      const copy = new URL(url)
      change(copy.searchParams)
      return copy.href
    }
    const invalid = [401, 401, 'invalid signature']
    expect(await refused(changed((query) => query.set('path', '/etc/shadow')))).toEqual(invalid)
    expect(await refused(changed((query) => query.set('username', 'root')))).toEqual(invalid)
    expect(await refused(changed((query) => query.set('signature', 'v1_AAAA')))).toEqual(invalid)
    expect(await refused(url.href, { method: 'POST', body: new FormData() })).toEqual(invalid)
    const timed = new URL(await sandbox.downloadUrl('/home/user/file ü.txt', { useSignatureExpiration: 60_000 }))
    expect((await fetch(timed)).status).toBe(200)
    timed.searchParams.set('signature_expiration', String(Number(timed.searchParams.get('signature_expiration')) + 60))
    expect(await refused(timed.href)).toEqual(invalid)
    timed.searchParams.set('signature_expiration', '1')
    expect(await refused(timed.href)).toEqual([401, 401, 'signature is already expired'])
    // Of the other sandbox, where there is no such file: its signature leads there and nowhere else.
    expect((await refused(await other.downloadUrl('/home/user/file ü.txt')))[0]).toBe(404)
  })

  it('come up to another sandbox by no header', async () => {
    const url = await other.downloadUrl('/etc/hostname')
    const headers = { 'E2b-Sandbox-Id': sandbox.sandboxId, 'E2b-Sandbox-Port': '49983' }
    expect((await fetch(url, { headers })).status).toBe(401)
  })
})
