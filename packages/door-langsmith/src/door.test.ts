import { once } from 'node:events'
import { connect } from 'node:net'
import { SpawnpointError } from '@spawnpoint/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DoorWorld, openDoorWorld } from './testing/door-world.ts'

let world: DoorWorld
beforeEach(async () => {
  world = await openDoorWorld()
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const upload = (id: string, path: string, content: string) => {
  const body = new FormData()
  body.append('file', new Blob([content]), 'file')
  return world.send('POST', `/${id}/upload?path=${encodeURIComponent(path)}`, { body })
}

describe('every call', () => {
  it.each([
    ['GET', '/boxes'],
    ['POST', '/boxes'],
    ['GET', '/boxes/x'],
    ['GET', '/boxes/x/status'],
    ['PATCH', '/boxes/x'],
    ['DELETE', '/boxes/x'],
    ['POST', '/boxes/batch-delete'],
    ['POST', '/boxes/x/start'],
    ['POST', '/boxes/x/stop'],
    ['POST', '/boxes/x/snapshot'],
    ['POST', '/boxes/x/service-url'],
    ['POST', '/boxes/x/download-url'],
    ['GET', '/snapshots'],
    ['POST', '/snapshots'],
    ['GET', '/snapshots/x'],
    ['DELETE', '/snapshots/x'],
    ['GET', '/snapshots-by-name/x'],
    ['GET', '/registries'],
    ['POST', '/registries'],
    ['GET', '/registries/x'],
    ['PATCH', '/registries/x'],
    ['DELETE', '/registries/x'],
    ['POST', '/x/execute'],
    ['POST', '/x/execute/stream/start'],
    ['POST', '/x/execute/stream/resume'],
    ['POST', '/x/upload?path=/a'],
    ['GET', '/x/download?path=/a'],
    ['GET', '/downloads?token=x.y'],
    ['POST', '/x/glob'],
    ['POST', '/x/grep'],
    ['GET', `/${'0'.repeat(24)}/services/80/`],
  ])('%s %s wants a key, at both addresses', async (method, path) => {
    for (const base of ['/langsmith/v2/sandboxes', '/langsmith/api/v2/sandboxes']) {
      const { status, body } = await world.send(method, `${world.url}${base}${path}`, { headers: { 'x-api-key': '' } })
      expect([status, body.detail.error]).toEqual([401, 'Unauthorized'])
    }
  })

  it('says what is wrong in one shape', async () => {
    expect(await world.get('/boxes/none')).toMatchObject({ status: 404, body: { detail: { error: 'NotFound' } } })
    expect(await world.get('/nothing/here')).toMatchObject({ status: 404, body: { detail: { error: 'NotFound' } } })
    expect(await world.post('/boxes', { idle_ttl_seconds: 90 })).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ['body', 'idle_ttl_seconds'], type: 'value_error' }] },
    })
    const broken = await world.send('POST', '/boxes', { headers: { 'content-type': 'application/json' }, body: '{' })
    expect([broken.status, broken.body.detail.error]).toEqual([400, 'InvalidRequest'])
  })
})

const ROLE = 'arn:aws:iam::123456789012:role/reader'

describe('boxes', () => {
  it.each([
    [{ proxy_config: { rules: [{ name: 'a', type: 'relay', relay_id: 'r' }] } }, 400, /the type relay/],
    [{ proxy_config: { rules: [{ name: 'a', rewrite: { port: 1, sandbox: 'b' } }] } }, 400, /rewrite.sandbox/],
    [{ proxy_config: { rules: [{ name: 'a', type: 'aws', aws: { role_arn: ROLE } }] } }, 400, /SPAWNPOINT_ISSUER/],
    [{ access_delegation: { mode: 'INHERIT' } }, 400, /access_delegation/],
    [{ volumes: [{ volume: 'none', mount_path: '/mnt/x' }] }, 400, /volume not found/],
    [{ snapshot_name: 'no-such' }, 400, /snapshot not found/],
  ])('what is not done here is refused: %j', async (body, status, reason) => {
    const answer = await world.post('/boxes', body)
    expect([answer.status, answer.body.detail.message]).toEqual([status, expect.stringMatching(reason)])
    expect((await world.get('/boxes')).body.sandboxes).toEqual([])
  })

  it.each([
    [{ labels: { 'langsmith.user': 'root' } }],
    [{ snapshot_id: 'a', snapshot_name: 'b' }],
    [{ cpu_millicores: 1 }],
    [{ proxy_config: { access_control: { allow_list: ['a'], deny_list: ['1.2.3.4'] } } }],
    [{ proxy_config: { access_control: { allow_list: ['~('] } } }],
    [{ proxy_config: { access_control: { allow_list: ['10.0.0.0/33:22'] } } }],
    [{ proxy_config: { access_control: { allow_list: ['a.test:0'] } } }],
    [{ proxy_config: { access_control: { deny_list: ['a.test:70000'] } } }],
    [{ run_config: { work_dir: 'relative' } }],
  ])('bad values are said to be: %j', async (body) => {
    expect((await world.post('/boxes', body)).status).toBe(422)
  })

  it('reach the hosts they may, and tell which', async () => {
    const names = ['example.com', '*.example.org', 'db.example.org:5432', '~^api[0-9]+[.]example[.]com$']
    const access_control = { allow_list: ['10.0.0.0/8', '1.2.3.4', '1.2.3.4:22', ...names] }
    const box = await world.box({ proxy_config: { access_control } })
    expect(box.proxy_config).toEqual({ rules: [], access_control })
    const { network } = await world.core.sandboxes.get(world.by, box.id)
    expect(network).toMatchObject({
      allow: ['10.0.0.0/8:80', '10.0.0.0/8:443', '1.2.3.4/32:80', '1.2.3.4/32:443', '1.2.3.4/32:22'],
      allowDomains: names,
    })
    const changed = await world.patch(`/boxes/${box.id}`, {
      proxy_config: { access_control: { deny_list: ['9.9.9.9', '8.8.8.8:53', '*.evil.test', 'a.test:80', '~evil'] } },
    })
    const deny_list = ['9.9.9.9', '8.8.8.8:53', '*.evil.test', 'a.test:80', '~evil']
    expect(changed.body.proxy_config).toEqual({ rules: [], access_control: { deny_list } })
  })

  it('change what commands run as, and keep their labels', async () => {
    const box = await world.box({ labels: { a: '1' }, run_config: { env_vars: { A: '1' } } })
    const run_config = { user: 'user', work_dir: '/tmp', env_vars: { B: '2' } }
    const { body } = await world.patch(`/boxes/${box.id}`, { run_config })
    expect(body).toMatchObject({ labels: { a: '1' }, run_config })
    expect(body.run_config.env_vars).toMatchObject({ A: '1', B: '2' })
    const { body: ran } = await world.post(`/${box.id}/execute`, { command: 'whoami; pwd' })
    expect(ran).toEqual({ stdout: 'user\n/tmp\n', stderr: '', exit_code: 0 })
    const resized = await world.patch(`/boxes/${box.id}`, {
      vcpus: 2,
      fs_capacity_bytes: box.fs_capacity_bytes + 2 ** 30,
    })
    expect(resized.body).toMatchObject({ vcpus: 2, fs_capacity_bytes: box.fs_capacity_bytes + 2 ** 30 })
    for (const bad of [{ vcpus: 1000 }, { fs_capacity_bytes: 2 ** 20 }, { mem_bytes: box.mem_bytes / 2 }])
      expect((await world.patch(`/boxes/${box.id}`, bad)).status).toBe(422)
  })

  it('are started and stopped only where there is something to do', async () => {
    const { id } = await world.box()
    expect((await world.post(`/boxes/${id}/start`, {})).status).toBe(400)
    expect((await world.post(`/boxes/${id}/stop`, {})).status).toBe(204)
    expect((await world.get(`/boxes/${id}/status`)).body).toEqual({ status: 'stopped' })
    expect((await world.post(`/boxes/${id}/stop`, {})).status).toBe(400)
    expect((await world.post(`/boxes/${id}/start`, {})).status).toBe(202)
    expect((await world.get(`/boxes/${id}/status`)).body).toEqual({ status: 'ready' })
  })

  it('are started by who cannot wait for the stop to end', async () => {
    const { id } = await world.box()
    const held = world.host.faults.hang('runtime.checkpoint')
    const stopped = world.post(`/boxes/${id}/stop`, {})
    await held.reached
    const started = world.post(`/boxes/${id}/start`, {})
    // As long as it takes to be refused.
    for (let times = 0; times < 5; times += 1) await world.get(`/boxes/${id}/status`)
    held.release()
    expect((await stopped).status).toBe(204)
    expect([(await started).status, (await started).body.status]).toEqual([202, 'ready'])
  })

  it('stop with what is on their disks where memory cannot be kept', async () => {
    const { id } = await world.box()
    await upload(id, '/opt/kept', 'here')
    const reason = 'a deleted file is open'
    const refused = new SpawnpointError('capture_refused', reason, { reason, culprits: [] })
    world.host.faults.failNext('runtime.checkpoint', refused)
    expect((await world.post(`/boxes/${id}/stop`, {})).status).toBe(204)
    expect((await world.core.sandboxes.get(world.by, id)).state).toBe('stopped')
    expect((await world.get(`/${id}/download?path=/opt/kept`)).body).toBe('here')
  })

  it('are deleted several at a time', async () => {
    const [a, b] = [await world.box({ name: 'a' }), await world.box({ name: 'b' })]
    const { body } = await world.post('/boxes/batch-delete', { names: ['a', b.id, 'c'] })
    expect(body).toEqual({ deleted: ['a', b.id], skipped: [{ name: 'c', reason: 'not found' }] })
    expect((await world.get(`/boxes/${a.id}`)).status).toBe(404)
  })
})

describe('commands over HTTP', () => {
  it('answer with all that was written', async () => {
    const { id } = await world.box()
    const run = (body: object) => world.post(`/${id}/execute`, body)
    expect((await run({ command: 'echo $A; echo b >&2; exit 3', env: { A: 'a' } })).body).toEqual({
      stdout: 'a\n',
      stderr: 'b\n',
      exit_code: 3,
    })
    expect(await run({ command: 'sleep 9', timeout: 0.05 })).toMatchObject({
      status: 408,
      body: { detail: { error: 'CommandError', message: expect.stringContaining('timed out') } },
    })
    expect(await run({ command: 'true', cwd: '/none' })).toMatchObject({
      status: 400,
      body: { detail: { error: 'CommandError' } },
    })
  })
})

describe('files', () => {
  it('are written from forms of one file', async () => {
    const { id } = await world.box()
    expect((await upload(id, '/new/dir/a.txt', 'hello')).body).toEqual({ path: '/new/dir/a.txt', written: 5 })
    const two = new FormData()
    two.append('file', new Blob(['1']), 'file')
    two.append('file', new Blob(['2']), 'file')
    expect((await world.send('POST', `/${id}/upload?path=/b`, { body: two })).status).toBe(422)
    expect((await world.send('POST', `/${id}/upload?path=/b`, { body: new FormData() })).status).toBe(422)
    const headers = { 'content-type': 'multipart/form-data' }
    expect((await world.send('POST', `/${id}/upload?path=/b`, { headers, body: 'x' })).status).toBe(422)
    const onFile = await upload(id, '/new/dir/a.txt/b', 'x')
    expect([onFile.status, onFile.body.detail.error]).toEqual([400, 'WriteError'])
  })

  it('are read as headers ask', async () => {
    const { id } = await world.box()
    await upload(id, '/a.txt', '0123456789')
    const get = (headers: Record<string, string> = {}, method = 'GET') =>
      world.send(method, `/${id}/download?path=/a.txt`, { headers })
    const whole = await get()
    expect([whole.status, whole.body]).toEqual([200, '0123456789'])
    const etag = whole.headers.get('etag') ?? ''
    for (const [headers, status, body] of [
      [{ range: 'bytes=2-4' }, 206, '234'],
      [{ range: 'bytes=8-99' }, 206, '89'],
      [{ range: 'bytes=-3' }, 206, '789'],
      [{ range: 'bytes=10-' }, 416, ''],
      [{ range: 'bytes=0-1', 'if-range': etag }, 206, '01'],
      [{ range: 'bytes=0-1', 'if-range': '"other"' }, 200, '0123456789'],
      [{ 'if-none-match': etag }, 304, ''],
      [{ 'if-none-match': '"other"' }, 200, '0123456789'],
      [{ 'if-match': '"other"' }, 412, ''],
    ] as [Record<string, string>, number, string][]) {
      const got = await get(headers)
      expect([headers, got.status, got.body]).toEqual([headers, status, body])
    }
    const head = await get({}, 'HEAD')
    expect([head.status, head.headers.get('content-length'), head.headers.get('etag')]).toEqual([200, '10', etag])
    expect(await world.get(`/${id}/download?path=/none`)).toMatchObject({
      status: 404,
      body: { detail: { error: 'FileNotFound' } },
    })
    expect((await world.get(`/${id}/download?path=/`)).body.detail.error).toBe('ReadError')
  })

  it('are searched for no further than asked', async () => {
    const { id } = await world.box()
    await upload(id, '/s/a.txt', 'x\nneedle one\nneedle two\n')
    await upload(id, '/s/d/b.bin', 'needle\0')
    await upload(id, '/s/d/c.txt', 'last needle')
    const grep = async (body: object) =>
      (await world.post(`/${id}/grep`, { path: '/s', pattern: 'needle', ...body })).body
    expect((await grep({})).matches).toEqual([
      { path: '/s/a.txt', line: 2, text: 'needle one' },
      { path: '/s/a.txt', line: 3, text: 'needle two' },
      { path: '/s/d/c.txt', line: 1, text: 'last needle' },
    ])
    expect(await grep({ limit: 1 })).toMatchObject({ matches: [{ line: 2 }], truncated: true })
    expect(await grep({ limit: 1_000_000 })).toMatchObject({
      matches: expect.objectContaining({ length: 3 }),
      truncated: false,
    })
    expect((await grep({ path: '/s/a.txt' })).matches).toHaveLength(2)
    expect((await grep({ glob: 'd/*' })).matches).toHaveLength(1)
    const glob = (body: object) => world.post(`/${id}/glob`, { path: '/s', ...body })
    expect((await glob({ pattern: 'd/*.txt' })).body.matches).toMatchObject([
      { path: '/s/d/c.txt', is_dir: false, size_bytes: 11 },
    ])
    expect((await glob({ pattern: 'none/*' })).body).toEqual({ matches: [], truncated: false })
    for (const pattern of ['../*', '/etc/*', 'a/../../*'])
      expect(await glob({ pattern })).toMatchObject({ status: 422, body: { detail: { error: 'ReadError' } } })
    expect((await world.post(`/${id}/glob`, { path: '/none', pattern: '*' })).status).toBe(404)
  })
})

describe('links', () => {
  it('of a domain have a host for each port', async () => {
    await using other = await openDoorWorld('sbx.test:8443')
    const { id } = await other.box()
    const { body } = await other.post(`/boxes/${id}/service-url`, { port: 80 })
    expect(body.service_url).toBe(`http://80-${id}.sbx.test:8443`)
    expect(body.browser_url).toBe(`http://80-${id}.sbx.test:8443/_svc/auth?token=${body.token}`)
  })

  it('do not take a made-up host into addresses', async () => {
    const { id } = await world.box()
    const socket = connect(Number(new URL(world.url).port), '127.0.0.1')
    socket.end(
      `GET /langsmith/v2/sandboxes/boxes/${id} HTTP/1.1\r\nHost: evil"><b>\r\nx-api-key: ${world.key}\r\nConnection: close\r\n\r\n`,
    )
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => void chunks.push(chunk))
    await once(socket, 'close')
    expect(Buffer.concat(chunks).toString()).not.toContain('evil')
  })

  it('of other boxes and of no box lead nowhere', async () => {
    const [a, b] = [await world.box(), await world.box()]
    const { token } = (await world.post(`/boxes/${a.id}/service-url`, { port: 80 })).body
    const headers = { 'x-api-key': '', 'x-langsmith-sandbox-service-token': token }
    expect((await world.send('GET', `/${b.id}/services/80/`, { headers })).status).toBe(401)
    // Nothing else listens to it.
    expect((await world.send('GET', `/boxes/${a.id}`, { headers })).status).toBe(401)
    await world.delete(`/boxes/${a.id}`)
    expect((await world.send('GET', `/${a.id}/services/80/`, { headers })).status).toBe(401)
  })
})
