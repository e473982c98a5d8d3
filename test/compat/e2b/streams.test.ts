import { once } from 'node:events'
import { request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import * as current from 'e2b'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until, VendorWorld } from '../vendor-world.ts'
import { SDKS, type Sdk } from './sdks.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.startWithDomain()
})
afterAll(() => vendor[Symbol.asyncDispose]())

type Box = InstanceType<Sdk['Sandbox']>

describe.each(SDKS)('streams of %s', (_name, sdk, way) => {
  beforeAll(() => vendor.by(way))
  const { Sandbox, TimeoutError, SandboxNotFoundError, SandboxError } = sdk

  describe('when their sandbox ends', () => {
    it.each(['kill', 'pause'] as const)('by %s end as the client documents', async (how) => {
      const sandbox = await Sandbox.create()
      const command = await sandbox.commands.run('sleep 1000', { background: true, timeoutMs: 0 })
      const pty = await sandbox.pty.create({ cols: 80, rows: 24, onData: () => {}, timeoutMs: 0 })
      const watching = Promise.withResolvers<Error | undefined>()
      await sandbox.files.watchDir('/tmp', () => {}, { timeoutMs: 0, onExit: (error) => watching.resolve(error) })
      const ends = [command.wait(), pty.wait(), watching.promise.then((error) => Promise.reject(error))]
      for (const end of ends) end.catch(() => {}) // awaited below
      expect(await sandbox.isRunning()).toBe(true)
      await sandbox[how]()
      for (const end of ends) await expect(end).rejects.toThrow(TimeoutError)
      expect(await sandbox.isRunning()).toBe(false)
      await expect(sandbox.commands.run('true')).rejects.toThrow(SandboxNotFoundError)
      await expect(sandbox.files.read('/etc/hostname')).rejects.toThrow(TimeoutError)
      await expect(sandbox.files.exists('/tmp')).rejects.toThrow(TimeoutError)
      await sandbox.kill()
    })

    it('at its time end, too', async () => {
      const sandbox = await Sandbox.create()
      const command = await sandbox.commands.run('sleep 1000', { background: true, timeoutMs: 0 })
      const ended = command.wait()
      ended.catch(() => {}) // awaited below
      // Only now that it runs: its time is not to come before it does.
      await sandbox.setTimeout(1_000)
      await expect(ended).rejects.toThrow(TimeoutError)
      expect(await sandbox.isRunning()).toBe(false)
    })
  })

  it('go on over a snapshot of their sandbox', async () => {
    const sandbox = await Sandbox.create()
    const command = await sandbox.commands.run('for n in $(seq 30); do echo $n; sleep 0.1; done', { background: true })
    const snapshot = await sandbox.createSnapshot()
    expect((await command.wait()).stdout).toBe(Array.from({ length: 30 }, (_, n) => `${n + 1}\n`).join(''))
    await sandbox.kill()
    await Sandbox.deleteSnapshot(snapshot.snapshotId)
  })

  it('are there again after a pause, and processes are what they were', async () => {
    const sandbox = await Sandbox.create()
    const command = await sandbox.commands.run('for n in $(seq 100000); do echo $n; sleep 0.1; done', {
      background: true,
      timeoutMs: 0,
    })
    command.wait().catch(() => {}) // it ends with the pause
    await sandbox.pause()
    const same = await Sandbox.connect(sandbox.sandboxId)
    const seen: string[] = []
    const again = await same.commands.connect(command.pid, { onStdout: (text) => void seen.push(text) })
    await until(async () => seen.length > 0)
    expect(await again.kill()).toBe(true)
    await expect(again.wait()).rejects.toThrow('signal: killed')
    await same.kill()
  })

  it('are there again after the server has died, and the client needs nothing new', async () => {
    const sandbox = await Sandbox.create()
    const command = await sandbox.commands.run('for n in $(seq 100000); do echo $n; sleep 0.1; done', {
      background: true,
      timeoutMs: 0,
    })
    const ended = command.wait()
    ended.catch(() => {}) // awaited below
    await vendor.world.killServer()
    await expect(ended).rejects.toThrow(SandboxError)
    await vendor.world.startServer()
    const seen: string[] = []
    const again = await sandbox.commands.connect(command.pid, { onStdout: (text) => void seen.push(text) })
    await until(async () => seen.length > 0)
    expect(await again.kill()).toBe(true)
    await expect(again.wait()).rejects.toThrow('signal: killed')
    await sandbox.kill()
  })

  it('wake a sandbox that is to wake', async () => {
    const sandbox = await Sandbox.create({ lifecycle: { onTimeout: 'pause', autoResume: true } })
    await sandbox.files.write('/tmp/in-memory', 'kept')
    await sandbox.pause()
    expect(await sandbox.isRunning()).toBe(false)
    expect(await sandbox.files.read('/tmp/in-memory')).toBe('kept')
    expect((await sandbox.getInfo()).state).toBe('running')
    await sandbox.pause()
    expect((await sandbox.commands.run('cat /tmp/in-memory')).stdout).toBe('kept')
    await sandbox.kill()
  })

  it('of another sandbox cannot be had with this one’s token', async () => {
    const [mine, other] = await Promise.all([Sandbox.create(), Sandbox.create()])
    const command = await other.commands.run('sleep 1000', { background: true, timeoutMs: 0 })
    const token = tokenOf(mine)
    for (const [path, body] of [
      ['/process.Process/SendSignal', { process: { pid: command.pid }, signal: 'SIGNAL_SIGKILL' }],
      ['/process.Process/List', {}],
      ['/filesystem.Filesystem/Remove', { path: '/home/user' }],
    ] as const) {
      const response = await fetch(vendor.addressOf(other, 49983) + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-access-token': token },
        body: JSON.stringify(body),
      })
      expect([response.status, await response.json()]).toMatchObject([401, { code: 401 }])
    }
    expect((await other.commands.list()).some(({ pid }) => pid === command.pid)).toBe(true)
    expect(await other.files.exists('/home/user')).toBe(true)
    await Promise.all([mine.kill(), other.kill()])
  })
})

describe('the agent', () => {
  let sandbox: Box
  beforeAll(() => vendor.by('plain'))
  beforeAll(async () => {
    sandbox = await current.Sandbox.create()
  })
  afterAll(() => sandbox.kill())

  const frame = (value: unknown) => {
    const body = Buffer.from(JSON.stringify(value))
    const head = Buffer.alloc(5)
    head.writeUInt32BE(body.length, 1)
    return Buffer.concat([head, body])
  }
  const start = (body: Uint8Array, headers: Record<string, string> = {}) => {
    const req = request(`${vendor.world.url}/process.Process/Start`, {
      method: 'POST',
      headers: {
        'E2b-Sandbox-Id': sandbox.sandboxId,
        'E2b-Sandbox-Port': '49983',
        'X-Access-Token': tokenOf(sandbox),
        'Content-Type': 'application/connect+json',
        ...headers,
      },
    })
    req.end(body)
    return req
  }
  const sleep = (seconds: number) => frame({ process: { cmd: '/bin/sleep', args: [String(seconds)] }, stdin: false })

  it('keeps a silent stream alive, as often as it is asked', async () => {
    const [res] = await once(start(sleep(3.5), { 'Keepalive-Ping-Interval': '1' }), 'response')
    const bytes = (await buffer(res)).toString()
    expect(bytes.match(/"keepalive":\{\}/g)?.length).toBeGreaterThan(1)
    expect(bytes).toContain('"exit status 0"')
  })

  it('lets a process run when the client leaves in the middle, with or without a word', async () => {
    for (const leave of ['destroy', 'abort'] as const) {
      const [res] = await once(start(sleep(5555)), 'response')
      await once(res, 'data')
      if (leave === 'destroy') res.destroy()
      else res.socket.resetAndDestroy()
      const running = (await sandbox.commands.list()).filter(({ args }) => args[0] === '5555')
      expect(running).toHaveLength(1)
      expect(await sandbox.commands.kill(running[0]?.pid ?? 0)).toBe(true)
    }
  })

  it.each([
    ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    [
      'a length that is a lie',
      Buffer.concat([sleep(1).subarray(0, 1), Buffer.from([0, 0, 200, 0]), sleep(1).subarray(5)]),
    ],
    ['a length of 4 GiB', Buffer.from([0, 255, 255, 255, 255])],
    ['nothing', Buffer.alloc(0)],
  ])('answers %s with an error of its protocol, and nothing else happens', async (_, body) => {
    const before = new Set((await sandbox.commands.list()).map(({ pid }) => pid))
    const [res] = await once(start(body), 'response')
    const bytes = await buffer(res)
    expect([res.statusCode, bytes[0]]).toEqual([200, 2])
    expect(JSON.parse(bytes.subarray(5).toString())).toMatchObject({ error: { code: expect.any(String) } })
    expect((await sandbox.commands.list()).filter(({ pid }) => !before.has(pid))).toEqual([])
  })
})

/** The token that the client was given for its sandbox; it has no name for it that all versions share. */
function tokenOf(sandbox: Box): string {
  const { envdAccessToken } = sandbox as unknown as { envdAccessToken?: string }
  if (envdAccessToken === undefined) throw new Error('the client has no token')
  return envdAccessToken
}
