import { request } from 'node:http'
import type { Sandbox } from 'spawnpoint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BrimbleClient } from '../compat/brimble/client.ts'
import { World } from './world.ts'

let world: World
/** Made at once, since a minute passes until it has something to show */
let scheduled: { id: string; since: number }
beforeAll(async () => {
  world = await World.start()
  const brimble = new BrimbleClient(world.url, world.key)
  // Before it is asked for: a minute may begin before the answer is here, and its snapshot counts.
  const since = Date.now()
  const { data } = await brimble.post('/sandboxes', { snapshotMode: 'automatic', snapshotFrequency: '* * * * *' })
  scheduled = { id: data.id, since }
})
afterAll(() => world[Symbol.asyncDispose]())

const create = (more: object = {}) => world.client.sandboxes.create({ image: 'base', ...more })

/** Its state, `killed` if it cannot be found any more. */
const stateOf = (sandbox: Sandbox) =>
  sandbox.refresh().then(
    ({ state }) => state,
    (error) => (error.code === 'not_found' ? 'killed' : error.code),
  )

const reaches = (sandbox: Sandbox, state: string) =>
  expect.poll(() => stateOf(sandbox), { timeout: 30_000, interval: 200 }).toBe(state)

/** A GET of an address of the sandbox's own. */
function ask(sandbox: Sandbox, port: number, headers: Record<string, string> = {}) {
  return new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    const { hostname, port: serverPort } = new URL(world.url)
    const host = `${port}-${sandbox.id}.localhost`
    const asked = request({ hostname, port: serverPort, path: '/', headers: { host, ...headers } }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text) => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode, body }))
    })
    asked.on('error', reject).end()
  })
}

/** A server inside that answers with the Host it was asked under. */
async function serve(sandbox: Sandbox, port: number): Promise<void> {
  await sandbox.files.write(
    'server.py',
    `import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        shown = self.headers.get('spawnpoint-token', 'no token')
        body = f"{self.headers['host']}, {shown}".encode()
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(('127.0.0.1', ${port}), Answer).serve_forever()
`,
  )
  await sandbox.processes.start(['python3', 'server.py'], { background: true })
  await expect.poll(async () => (await sandbox.fetch(port, '/')).status, { timeout: 20_000 }).toBe(200)
}

describe('a use', () => {
  it('of a paused sandbox goes on in its memory, of many users at once', async () => {
    await using sandbox = await create({ timeout: { autoResume: true, timeoutMs: 600_000 } })
    await sandbox.run('echo kept > /tmp/in-memory')
    const counter = await sandbox.processes.start(['python3', '-c', 'input()'], { stdin: true, background: true })
    for (const [what, use] of Object.entries({
      'a command': async () => (await sandbox.run('cat /tmp/in-memory')).stdout,
      'a file': () => sandbox.files.readText('/tmp/in-memory'),
      'four at once': async () => {
        const texts = await Promise.all([1, 2, 3, 4].map(() => sandbox.files.readText('/tmp/in-memory')))
        return [...new Set(texts)].join()
      },
    })) {
      await sandbox.pause()
      expect(sandbox.info, what).toMatchObject({ state: 'paused', expiresAt: null, haltedAt: expect.any(Date) })
      expect(await use(), what).toBe('kept\n')
      await sandbox.refresh()
      expect(sandbox.info, what).toMatchObject({ state: 'running', expiresAt: expect.any(Date), haltedAt: null })
    }
    expect((await sandbox.processes.get(counter.id)).info.exit).toBeNull()
    expect(sandbox.info.generation).toBe(3)
  })

  it('of a stopped sandbox boots it with its files', async () => {
    await using sandbox = await create({ timeout: { autoResume: true } })
    await sandbox.run('echo file > file; echo memory > /tmp/memory')
    await sandbox.stop()
    expect((await sandbox.run('cat file; cat /tmp/memory', { check: false })).stdout).toBe('file\n')
    expect((await sandbox.refresh()).state).toBe('running')
  })

  it('from outside, of a port, wakes the program that listens there; who may not reach it wakes nothing', async () => {
    await using sandbox = await create({
      timeout: { autoResume: true },
      ingress: { default: 'closed', ports: { 8080: 'token', 8081: 'open' }, hostHeader: `here:$\{PORT}` },
    })
    await serve(sandbox, 8080)
    const { header, token } = await sandbox.ingressToken()
    await sandbox.pause()
    for (const [port, headers, status] of [
      [8080, {}, 401],
      [8080, { [header]: token.replace(/^./, (first) => (first === '0' ? '1' : '0')) }, 401],
      [9090, { [header]: token }, 403],
    ] as const) {
      expect((await ask(sandbox, port, headers)).status).toBe(status)
      expect((await sandbox.refresh()).state).toBe('paused')
    }
    expect(await ask(sandbox, 8080, { [header]: token })).toEqual({ status: 200, body: 'here:8080, no token' })
    expect((await sandbox.refresh()).state).toBe('running')
    await sandbox.pause()
    expect((await ask(sandbox, 8081)).status).toBe(502)
    expect((await sandbox.refresh()).state).toBe('running')
  })

  it('of what rests without autoResume is refused', async () => {
    await using sandbox = await create()
    await sandbox.pause()
    await expect(sandbox.run('true')).rejects.toMatchObject({ code: 'wrong_state' })
    expect((await sandbox.refresh()).state).toBe('paused')
  })
})

describe('a time that has come', () => {
  it('stops the sandbox, which is then deleted after its rest', async () => {
    const sandbox = await create({ timeout: { onTimeout: 'stop', autoResume: true } })
    await sandbox.run('echo file > file; echo memory > /tmp/memory')
    await sandbox.extend(1_500)
    await reaches(sandbox, 'stopped')
    // Or its time might come again before it has answered.
    await sandbox.extend(null)
    expect((await sandbox.run('cat file; ls /tmp')).stdout).toBe('file\n')
    await sandbox.update({ timeout: { timeoutMs: 1, deleteAfterMs: 1_000 } })
    await reaches(sandbox, 'killed')
    // By the server's own clock, since a busy machine may not let us see what lasts a second. Counted anew: nothing of the
    // first rest is left in the second, whose event comes a moment after its beginning.
    const events = await Array.fromAsync(world.client.events.list({ sandbox: sandbox.id }))
    const at = (type: string) => events.filter((event) => event.type === type).map((event) => event.at.getTime())
    const stopped = at('sandbox.stopped')
    expect(stopped).toHaveLength(2)
    expect(at('sandbox.killed')[0]).toBeGreaterThanOrEqual((stopped[1] ?? Number.NaN) + 800)
  })

  it('that passes while the server is away is made up for', async () => {
    const [paused, stopped, kept] = await Promise.all([
      create({ timeout: { deleteAfterMs: 1_000 } }),
      create({ timeout: { deleteAfterMs: 1_000 } }),
      create({ timeout: { deleteAfterMs: 3_600_000, autoResume: true } }),
    ])
    await kept.run('echo kept > /tmp/kept')
    await kept.pause()
    const both = Promise.all([paused.pause(), stopped.stop()])
    await both
    await world.killServer()
    await world.startServer()
    await reaches(paused, 'killed')
    await reaches(stopped, 'killed')
    expect((await kept.run('cat /tmp/kept')).stdout).toBe('kept\n')
    await kept.kill()
  })
})

describe('an environment', () => {
  it('changes for programs that start from then on, through pauses, forks and a restart of the server', async () => {
    await using sandbox = await create({ env: { A: '1', B: '2' } })
    const shown = async (one: Sandbox) => (await one.run('echo $A,$B')).stdout
    const before = await sandbox.processes.start(['sh', '-c', 'read go; echo $A,$B'], { stdin: true })
    await sandbox.update({ env: { B: '3' } })
    expect(await shown(sandbox)).toBe(',3\n')
    await before.write('go\n')
    expect((await before.result()).stdout).toBe('1,2\n')
    await world.killServer()
    await world.startServer()
    expect(await shown(sandbox)).toBe(',3\n')
    await sandbox.pause()
    await sandbox.update({ env: { A: 'new' } })
    await sandbox.resume()
    expect(await shown(sandbox)).toBe('new,\n')
    const [child] = await sandbox.fork()
    expect(await shown(child as Sandbox)).toBe('new,\n')
    await child?.kill()
  })
})

describe('metrics', () => {
  it('tell what was used while it ran, and ask nothing of it', async () => {
    await using sandbox = await create({ resources: { cpus: 1 } })
    const [first] = await sandbox.metricsHistory()
    expect(first).toMatchObject({
      cpus: 1,
      memoryTotalBytes: sandbox.info.resources.memoryBytes,
      diskTotalBytes: sandbox.info.resources.diskBytes,
    })
    expect(first?.memoryUsedBytes).toBeGreaterThan(0)
    await sandbox.run('head -c 100000000 /dev/urandom > big; sync')
    const busy = await sandbox.processes.start(['sh', '-c', 'while :; do :; done'], { background: true })
    const history = () => sandbox.metricsHistory({ from: new Date((first?.at.getTime() ?? 0) + 1) })
    // Both in one: what was sampled while the file was written may have been as busy, and has less of it.
    const told = (sample: Awaited<ReturnType<typeof history>>[number]) =>
      sample.cpuUsedPercent > 10 && sample.diskUsedBytes > (first?.diskUsedBytes ?? 0) + 90_000_000
    await expect.poll(async () => (await history()).some(told), { timeout: 40_000 }).toBe(true)
    await busy.kill()
    const samples = await history()
    for (const sample of samples) {
      expect(sample.cpuUsedPercent).toBeLessThanOrEqual(100)
      expect(sample.memoryCacheBytes).toBeGreaterThanOrEqual(0)
    }
    const times = samples.map((sample) => sample.at.getTime())
    expect(times).toEqual([...times].sort((a, b) => a - b))
  })
})

describe('roll back to the origin', () => {
  it('boots the image anew', async () => {
    await using sandbox = await create()
    await sandbox.run('echo mine > mine; echo 127.0.0.1 > /tmp/memory')
    const own = await sandbox.snapshot({ kind: 'filesystem' })
    await sandbox.rollback(own)
    expect(sandbox.info.sourceSnapshotId).toBe(own.id)
    await sandbox.rollback({ origin: true })
    expect(sandbox.info).toMatchObject({ state: 'running', sourceSnapshotId: null, originSnapshotId: null })
    expect((await sandbox.run('ls; ls /tmp')).stdout).toBe('')
    // Its own snapshots are still its own.
    await sandbox.rollback(own)
    expect((await sandbox.run('cat mine')).stdout).toBe('mine\n')
  })

  it('restores the snapshot it was started from, memory and all, from whatever it has come to', async () => {
    await using first = await create()
    const holder = await first.processes.start(['sh', '-c', 'v=first; while read w; do echo $v; v=$w; done'], {
      stdin: true,
      background: true,
    })
    const origin = await first.snapshot({ kind: 'memory' })
    await using sandbox = await origin.spawn()
    const answer = async (stdout: number) => {
      const process = await sandbox.processes.get(holder.id, { from: { stdout } })
      await process.write('later\n')
      for await (const piece of process) if (piece.type === 'data') return new TextDecoder().decode(piece.data)
      throw new Error('it has ended')
    }
    expect([await answer(0), await answer('first\n'.length)]).toEqual(['first\n', 'later\n'])
    await sandbox.stop()
    await sandbox.rollback({ origin: true })
    expect(sandbox.info).toMatchObject({ state: 'running', sourceSnapshotId: origin.id, haltedAt: null })
    expect(await answer(0)).toBe('first\n')
  })
})

describe('a volume', () => {
  it('is shared by sandboxes, outlives them, and is there again for memory that holds on to it', async () => {
    const { id } = await world.client.volumes.create({ name: 'data', sizeBytes: 64 * 2 ** 20 })
    const mounted = (path: string, readOnly = false) => ({ volumes: [{ volume: 'data', path, readOnly }] })
    await using one = await create(mounted('/data'))
    // As the image's own user; a program that goes on has a file there open.
    await one.run('echo first > /data/log')
    await one.processes.start('exec 3>>/data/log; while sleep 0.2; do echo tick >&3; done', { tag: 'writer' })
    await using other = await create(mounted('/mnt/shared', true))
    await expect.poll(async () => (await other.run('cat /mnt/shared/log')).stdout).toMatch(/^first\ntick\n/)
    expect((await other.run('touch /mnt/shared/x', { check: false })).stderr).toContain('Read-only file system')
    expect((await one.run('head -c 100M /dev/zero > /data/large', { check: false })).stderr).toMatch(/quota|No space/)
    await one.run('rm -f /data/large')

    const snapshot = await one.snapshot({ kind: 'memory' })
    await using spawned = await snapshot.spawn()
    expect(spawned.info.volumes).toEqual([{ volumeId: id, path: '/data', readOnly: false }])
    await one.kill()
    const lines = async () => (await other.run('grep -c tick /mnt/shared/log')).stdout
    const before = await lines()
    await expect.poll(lines).not.toBe(before)

    await expect(world.client.volumes.delete('data')).rejects.toMatchObject({ code: 'in_use' })
    await Promise.all([other.kill(), spawned.kill()])
    await world.client.volumes.delete('data')
  })
})

describe('a schedule that was made together with its sandbox', () => {
  it('takes a snapshot every minute, also of a server that was away, and sandboxes start from it', {
    timeout: 90_000, // the next minute may be that far off, if nothing above took its time
  }, async () => {
    const taken = () => world.client.snapshots.list({ sandbox: scheduled.id, states: ['ready'] }).toArray()
    await expect.poll(async () => (await taken()).length, { timeout: 75_000, interval: 500 }).toBeGreaterThan(0)
    const [schedule] = await world.client.schedules.list({ sandbox: scheduled.id }).toArray()
    expect(schedule?.lastTick?.at.getTime()).toBeGreaterThan(scheduled.since)
    const [latest] = await taken()
    expect(latest?.info).toMatchObject({ kind: 'filesystem', scheduleId: schedule?.id })
    const brimble = new BrimbleClient(world.url, world.key)
    expect(await brimble.post('/sandboxes', { fromSnapshot: latest?.id })).toMatchObject({ status: 201 })
  })
})
