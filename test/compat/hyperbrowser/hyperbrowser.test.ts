import { request } from 'node:http'
import { Hyperbrowser } from '@hyperbrowser/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { World } from '../../e2e/world.ts'
import { until } from '../vendor-world.ts'

type Sandbox = Awaited<ReturnType<Hyperbrowser['sandboxes']['create']>>

let world: World
let client: Hyperbrowser
beforeAll(async () => {
  world = await World.start()
  client = new Hyperbrowser({ apiKey: world.key, baseUrl: `${world.url}/hyperbrowser` })
})
afterAll(() => world[Symbol.asyncDispose]())

const create = (more: object = {}): Promise<Sandbox> => client.sandboxes.create({ imageName: 'base', ...more })

async function sh(sandbox: Sandbox, command: string): Promise<string> {
  const result = await sandbox.exec(command)
  expect([result.exitCode, result.stderr]).toEqual([0, ''])
  return result.stdout.trim()
}

/** As a browser or curl would, with a name that needs no resolver. */
function fetchPort(sandbox: Sandbox, port: number, path = '/', headers: Record<string, string> = {}) {
  const { host } = new URL(sandbox.getExposedUrl(port))
  return new Promise<{ status: number; body: string; headers: Record<string, unknown> }>((resolve, reject) => {
    const to = new URL(world.url)
    const sent = request({ host: to.hostname, port: to.port, path, headers: { host, ...headers } }, (response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

async function created(snapshotId: string): Promise<void> {
  await until(async () => {
    const { snapshots } = await client.sandboxes.listSnapshots({ limit: 200 })
    return snapshots.find(({ id }) => id === snapshotId)?.status === 'created'
  })
}

describe("the page's samples", () => {
  it('snapshot, start from it, list', async () => {
    const sandbox = await create()
    const snapshot = await sandbox.createMemorySnapshot({
      snapshotName: 'node-after-setup',
    })
    expect(snapshot).toMatchObject({ snapshotName: 'node-after-setup', namespace: 'default', imageName: 'base' })
    expect(snapshot.snapshotId).toMatch(/^[0-9a-f]{24}$/)
    expect(['creating', 'created']).toContain(snapshot.status)
    await created(snapshot.snapshotId)

    const started = await client.sandboxes.create({
      snapshotName: 'node-after-setup',
      snapshotId: snapshot.snapshotId, // if omitted uses the latest snapshot
    })
    expect(started.id).not.toBe(sandbox.id)

    const { images } = await client.sandboxes.listImages()
    const { snapshots } = await client.sandboxes.listSnapshots({
      status: 'created',
      limit: 100,
    })
    expect(images.map((image) => image.imageName)).toEqual(expect.arrayContaining(['base', 'node', 'python']))
    expect(snapshots.map((one) => one.snapshotName)).toContain('node-after-setup')
    expect(images.find(({ id }) => id === snapshot.imageId)).toMatchObject({ namespace: snapshot.imageNamespace })
  })
})

describe('memory snapshots', () => {
  it('carry memory, processes and files into any number of sandboxes, while the origin runs on', async () => {
    const sandbox = await create()
    const program = 'import sys\nn = 0\nfor line in sys.stdin:\n  n += 1\n  open("/tmp/count", "w").write(str(n))\n'
    await sandbox.files.write('/tmp/count.py', program)
    const counter = await sandbox.processes.start({ command: 'exec python3 /tmp/count.py' })
    await counter.writeStdin('x\nx\n')
    await until(async () => (await sh(sandbox, 'cat /tmp/count 2>/dev/null || true')) === '2')
    const { snapshotId } = await sandbox.createMemorySnapshot({ snapshotName: 'counting' })
    await created(snapshotId)
    await counter.writeStdin('x\n')
    const clones = await Promise.all([
      client.sandboxes.create({ snapshotName: 'counting' }),
      client.sandboxes.create({ snapshotName: 'counting', snapshotId }),
    ])
    for (const clone of clones) {
      const same = await clone.getProcess(counter.id)
      expect(same.status).toBe('running')
      await same.writeStdin('x\nx\nx\n')
      await until(async () => (await sh(clone, 'cat /tmp/count')) === '5')
      expect((await same.kill()).status).toBe('killed')
    }
    await until(async () => (await sh(sandbox, 'cat /tmp/count')) === '3')
  })

  it('of one name are revisions of which the newest counts', async () => {
    const sandbox = await create()
    const take = async (text: string) => {
      await sh(sandbox, `echo ${text} >/home/user/revision`)
      const { snapshotId } = await sandbox.createMemorySnapshot({ snapshotName: 'revised' })
      await created(snapshotId)
      return snapshotId
    }
    const [first, second] = [await take('one'), await take('two')]
    const read = async (from: { snapshotName: string; snapshotId?: string }) =>
      sh(await client.sandboxes.create(from), 'cat /home/user/revision')
    expect(await read({ snapshotName: 'revised' })).toBe('two')
    expect(await read({ snapshotName: 'revised', snapshotId: first })).toBe('one')
    expect((await client.sandboxes.getSnapshot('revised')).id).toBe(second)
    expect((await client.sandboxes.getSnapshot(first)).id).toBe(first)
    expect(await client.sandboxes.deleteSnapshot(second)).toEqual({ deleted: true })
    expect((await client.sandboxes.getSnapshot('revised')).id).toBe(first)
    await expect(client.sandboxes.getSnapshot(second)).rejects.toMatchObject({ statusCode: 404 })
    await expect(client.sandboxes.create({ snapshotName: 'other', snapshotId: first })).rejects.toMatchObject({
      statusCode: 404,
      message: expect.stringContaining('snapshot not found'),
    })
  })

  it('have a name when none was given, and are refused of a sandbox that does not run', async () => {
    const sandbox = await create({ imageName: 'node' })
    const { snapshotName, snapshotId, imageName } = await sandbox.createMemorySnapshot()
    expect(snapshotName).not.toBe('')
    expect(imageName).toBe('node')
    // By its name already while it is made.
    expect((await client.sandboxes.getSnapshot(snapshotName)).id).toBe(snapshotId)
    await created(snapshotId)
    const { snapshots } = await client.sandboxes.listSnapshots({ imageName: 'node' })
    expect(snapshots.map(({ id }) => id)).toEqual([snapshotId])
    await sandbox.stop()
    await expect(client.sandboxes.createMemorySnapshot(sandbox.id)).rejects.toMatchObject({
      statusCode: 409,
      message: expect.stringContaining('Sandbox is not running'),
      service: 'control',
      retryable: false,
    })
  })
})

describe('sandboxes', () => {
  it('come active with what was asked for, are listed, and end when stopped', async () => {
    const sandbox = await create({ cpu: 1, memoryMiB: 512, diskMiB: 4096, timeoutMinutes: 30 })
    expect(sandbox).toMatchObject({ status: 'active', region: 'us', cpu: 1, memoryMiB: 512, diskMiB: 4096 })
    expect(sandbox.timeoutMinutes).toBe(30)
    const { sandboxes } = await client.sandboxes.list({ status: 'active', search: sandbox.id })
    expect(sandboxes).toMatchObject([{ id: sandbox.id, exposedPorts: [], sessionUrl: sandbox.sessionUrl }])
    const same = { id: sandbox.id, runtime: sandbox.runtime, status: 'active' }
    expect(await sandbox.info()).toMatchObject(same)
    expect(await client.sandboxes.getDetail(sandbox.id)).toMatchObject(same)
    const attached = client.sandboxes.attach(await client.sandboxes.getDetail(sandbox.id))
    expect(Date.parse(attached.tokenExpiresAt ?? '')).toBeGreaterThan(Date.now())
    expect(await sh(await client.sandboxes.connect(sandbox.id), 'echo connected')).toBe('connected')
    expect(await sandbox.stop()).toEqual({ success: true })
    const closed = await client.sandboxes.get(sandbox.id)
    expect([closed.status, closed.toJSON().token]).toEqual(['closed', null])
    await expect(closed.exec('true')).rejects.toMatchObject({ statusCode: 409, code: 'sandbox_not_running' })
    await expect(client.sandboxes.get('0'.repeat(24))).rejects.toMatchObject({ statusCode: 404 })
    // Sizes that the vendor's page names, unless told.
    const usual = await create()
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
    await expect(client.sandboxes.create(asked as never)).rejects.toMatchObject({ statusCode })
  })

  it('renew their session when the token does not hold any more', async () => {
    const sandbox = await create()
    // What a client has kept from long ago.
    Object.assign(sandbox, {
      runtimeSession: { ...sandbox.toJSON(), token: `1.${'0'.repeat(64)}`, tokenExpiresAt: null },
    })
    expect(await sh(sandbox, 'echo again')).toBe('again')
  })

  it('reach out as far as their policy says', async () => {
    const sandbox = await create({ allowInternetAccess: false })
    expect(sandbox.network?.allowInternetAccess).toBe(false)
    const policy = { allowOut: ['192.0.2.7', 'example.com'], denyOut: ['0.0.0.0/0'] }
    await sandbox.updateNetwork({ allowInternetAccess: true, ...policy })
    expect(sandbox.network).toEqual({ allowInternetAccess: true, ...policy })
    await sandbox.clearNetwork()
    expect(sandbox.network).toEqual({ allowInternetAccess: true, allowOut: [], denyOut: [] })
  })
})

describe('processes', () => {
  it('run with directory, environment and user, and give their result', async () => {
    const sandbox = await create()
    const result = await sandbox.exec({
      command: 'bash',
      args: ['-c', 'pwd; echo "$A b"; id -un; echo err >&2; exit 7'],
      cwd: '/tmp',
      env: { A: 'a' },
      runAs: 'root',
    })
    expect(result).toMatchObject({ status: 'exited', exitCode: 7, stdout: '/tmp\na b\nroot\n', stderr: 'err\n' })
    expect(result.completedAt).toBeGreaterThanOrEqual(result.startedAt)
    expect(await sandbox.exec('sleep 9', { timeoutMs: 200 })).toMatchObject({ status: 'timed_out' })
  })

  it('go on in the background: streamed, waited for, signalled, killed, listed', async () => {
    const sandbox = await create()
    const handle = await sandbox.processes.start({ command: 'echo héllo; cat; echo done >&2' })
    await handle.writeStdin('from stdin\n')
    await handle.writeStdin({ data: 'last\n', eof: true })
    const seen: string[] = []
    for await (const event of handle.stream())
      seen.push(event.type === 'exit' ? `exit ${event.result.exitCode}` : `${event.type} ${event.data}`)
    expect(
      seen
        .filter((one) => one.startsWith('stdout'))
        .map((one) => one.slice(7))
        .join(''),
    ).toBe('héllo\nfrom stdin\nlast\n')
    // Which of two streams is read first is nobody's to say.
    expect(seen).toContain('stderr done\n')
    expect(seen.at(-1)).toBe('exit 0')
    expect(await handle.wait()).toMatchObject({ exitCode: 0, stdout: 'héllo\nfrom stdin\nlast\n', stderr: 'done\n' })

    const sleeper = await sandbox.processes.start({ command: 'exec sleep 1000' })
    await expect(sleeper.wait({ timeoutMs: 100 })).rejects.toMatchObject({
      statusCode: 408,
      message: expect.stringContaining('timed out'),
    })
    const { data } = await sandbox.processes.list({ status: ['running'] })
    expect(data.map(({ id }) => id)).toEqual([sleeper.id])
    // What the server runs to do what a file call asks for is nobody's process.
    await sandbox.files.chmod({ path: '/tmp', mode: '1777' }).catch(() => {})
    const first = await sandbox.processes.list({ limit: 1 })
    const rest = await sandbox.processes.list({ cursor: first.nextCursor ?? '' })
    expect([...first.data, ...rest.data].map(({ id }) => id)).toEqual([handle.id, sleeper.id])
    await expect(sandbox.processes.list({ status: 'nonsense' as never })).rejects.toMatchObject({ statusCode: 400 })
    await sleeper.signal('TERM')
    expect(await sleeper.wait()).toMatchObject({ status: 'killed', exitCode: 143 })
    const other = await sandbox.processes.start({ command: 'exec sleep 1000' })
    expect(await other.kill()).toMatchObject({ status: 'killed' })
    await expect(sandbox.getProcess('nothing')).rejects.toMatchObject({
      statusCode: 404,
      message: expect.stringContaining('not found'),
    })
  })

  it('write more than is kept, which a client that wants the beginning is told', async () => {
    const sandbox = await create()
    const handle = await sandbox.processes.start({ command: 'head -c 10000000 /dev/zero | tr "\\0" x' })
    const result = await handle.wait()
    expect(result.stdout.length).toBeGreaterThan(3 * 2 ** 20)
    const replay = async () => {
      for await (const _ of handle.stream(1)) break
    }
    await expect(replay()).rejects.toMatchObject({ statusCode: 410, code: 'replay_window_expired' })
  })
})

describe('terminals', () => {
  it('show, take input, change size and end', async () => {
    const sandbox = await create()
    const pty = await sandbox.terminal.create({ command: 'bash', args: ['--norc'], rows: 20, cols: 70 })
    expect(pty.current).toMatchObject({ running: true, rows: 20, cols: 70 })
    const connection = await pty.attach()
    await connection.resize(30, 100)
    expect((await pty.refresh()).current.rows).toBe(30)
    await connection.write('stty size; echo é; exit 3\n')
    let text = ''
    let exit: unknown = null
    for await (const event of connection.events()) {
      if (event.type === 'output') text += event.data
      else exit = event.status
    }
    expect(text).toContain('30 100')
    expect(text).toContain('é')
    expect(exit).toMatchObject({ running: false, exitCode: 3 })
    await connection.close()
    expect((await pty.wait({ includeOutput: true })).output?.length).toBeGreaterThan(0)
    expect((await sandbox.terminal.get(pty.id)).current.output).toBeUndefined()
    const shell = await sandbox.pty.create({ command: 'exit', args: ['5'], useShell: true })
    expect(await shell.wait()).toMatchObject({ command: 'exit', args: ['5'], exitCode: 5 })
    const other = await sandbox.pty.create({ command: 'sleep', args: ['1000'] })
    expect(await other.kill()).toMatchObject({ running: false })
    await expect(sandbox.terminal.get('nothing')).rejects.toMatchObject({ statusCode: 404 })
  })
})

describe('files', () => {
  let sandbox: Sandbox
  beforeAll(async () => {
    sandbox = await create()
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
    expect(await files.upload('/home/user/large', large)).toEqual({ path: '/home/user/large', bytesWritten: 5_000_000 })
    expect((await files.download('/home/user/large')).equals(large)).toBe(true)
    expect((await files.list('/home/user', { depth: 2 })).map(({ path, type }) => `${type} ${path}`)).toEqual(
      expect.arrayContaining(['dir /home/user/a', 'dir /home/user/a/b', 'file /home/user/bytes']),
    )
    await expect(files.readText('/home/user/nothing')).rejects.toMatchObject({ statusCode: 404 })
    expect([await files.exists('/home/user/bytes'), await files.exists('/home/user/nothing')]).toEqual([true, false])
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
    await files.chmod({ path: '/home/user/d', mode: '0700', recursive: true })
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

describe('ports', () => {
  it('are open to whom they are exposed, and to nobody else', async () => {
    const sandbox = await create({ exposedPorts: [{ port: 3210 }] })
    await sandbox.processes.start({ command: 'cd /etc && exec python3 -m http.server 3210 --bind 127.0.0.1' })
    await until(async () => (await fetchPort(sandbox, 3210, '/hostname')).status === 200)
    expect(sandbox.exposedPorts).toMatchObject([{ port: 3210, auth: false, url: sandbox.getExposedUrl(3210) }])
    expect((await fetchPort(sandbox, 3211)).status).toBe(403)

    const exposed = await sandbox.expose({ port: 3210, auth: true })
    expect(exposed).toMatchObject({ port: 3210, auth: true, url: sandbox.getExposedUrl(3210) })
    expect((await fetchPort(sandbox, 3210, '/hostname')).status).toBe(401)
    const bearer = { authorization: `Bearer ${sandbox.toJSON().token}` }
    expect((await fetchPort(sandbox, 3210, '/hostname', bearer)).status).toBe(200)
    const browser = new URL(String(exposed.browserUrl))
    expect(browser.pathname).toBe('/_hb/auth')
    const login = await fetchPort(sandbox, 3210, browser.pathname + browser.search)
    expect([login.status, login.headers.location]).toEqual([302, '/'])
    const cookie = String(login.headers['set-cookie']).split(';')[0] ?? ''
    expect((await fetchPort(sandbox, 3210, '/hostname', { cookie })).status).toBe(200)
    expect((await fetchPort(sandbox, 3210, `${browser.pathname}?token=1.${'0'.repeat(64)}`)).status).toBe(401)

    expect(await sandbox.unexpose(3210)).toEqual({ port: 3210, exposed: false })
    expect((await fetchPort(sandbox, 3210, '/hostname', bearer)).status).toBe(403)
    await expect(sandbox.expose({ port: 4001 })).rejects.toMatchObject({
      statusCode: 400,
      message: expect.stringContaining('cannot be exposed'),
    })
  })
})

describe('strangers', () => {
  it('get nowhere without a key, or with a token of another sandbox', async () => {
    const [one, two] = [await create(), await create()]
    const wrong = new Hyperbrowser({ apiKey: 'nonsense', baseUrl: `${world.url}/hyperbrowser` })
    await expect(wrong.sandboxes.list()).rejects.toMatchObject({ statusCode: 401, service: 'control' })
    const call = (authorization: string) =>
      fetch(`${world.url}/sandbox/${one.id}/exec`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify({ command: 'id' }),
      })
    expect((await call(`Bearer ${two.toJSON().token}`)).status).toBe(401)
    expect((await call(`Bearer ${world.key}`)).status).toBe(401)
    expect((await call(`Bearer ${one.toJSON().token}`)).status).toBe(200)
  })
})

describe('volumes', () => {
  it('outlive the sandboxes that mount them, several at a time, to be written or only read', async () => {
    const volume = await client.volumes.create({ name: 'datasets' })
    expect(volume).toMatchObject({ name: 'datasets', size: expect.any(Number) })
    const writer = await create({ mounts: { '/mnt/data': { id: volume.id } } })
    const reader = await create({ mounts: { '/data': { id: volume.id, type: 'ro', shared: true } } })
    await sh(writer, 'echo shared > /mnt/data/file')
    expect(await sh(reader, 'cat /data/file')).toBe('shared')
    expect((await reader.exec('touch /data/other')).stderr).toContain('Read-only file system')
    await expect(client.volumes.delete('Datasets')).rejects.toMatchObject({ statusCode: 409 })
    await Promise.all([writer.stop(), reader.stop()])

    const later = await create({ mounts: { '/data': { id: volume.id, type: 'rw' } } })
    expect(await sh(later, 'cat /data/file')).toBe('shared')
    await later.stop()
    expect((await client.volumes.list({ search: 'data' })).volumes).toEqual([volume])
    expect(await client.volumes.get(volume.id)).toEqual(volume)
    expect(await client.volumes.delete('Datasets')).toMatchObject({ deleted: true, id: volume.id, name: 'datasets' })
    await expect(client.volumes.get(volume.id)).rejects.toMatchObject({ statusCode: 404 })
    for (const path of ['/', 'data', '/proc/x', '/a/../b'])
      await expect(create({ mounts: { [path]: { id: volume.id } } }), path).rejects.toMatchObject({ statusCode: 400 })
  })
})
