import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until, VendorWorld } from '../vendor-world.ts'
import { SDKS } from './sdks.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.startWithDomain()
})
afterAll(() => vendor[Symbol.asyncDispose]())

const MINUTE = 60_000
// biome-ignore lint/suspicious/noTemplateCurlyInString: the server puts the port there
const MASK = 'localhost:${PORT}'
/** Between our clock and the client's, and for what a call takes. */
const SLACK_MS = 20_000

function expectNear(date: Date, ms: number): void {
  expect(Math.abs(date.getTime() - ms)).toBeLessThan(SLACK_MS)
}

describe.each(SDKS)('%s', (_name, { Sandbox, SandboxNotFoundError, AuthenticationError }, way) => {
  beforeAll(() => vendor.by(way))
  it('makes a sandbox with metadata and variables, tells of it and kills it', async () => {
    const sandbox = await Sandbox.create('base', {
      timeoutMs: 10 * MINUTE,
      metadata: { user: 'u 1', ключ: 'v&=/ü' },
      envs: { GREETING: 'hello' },
    })
    expect(sandbox.sandboxId).toMatch(/^[a-z0-9]+$/)
    const info = await sandbox.getInfo()
    expect(info).toMatchObject({
      sandboxId: sandbox.sandboxId,
      name: 'base',
      state: 'running',
      metadata: { user: 'u 1', ключ: 'v&=/ü' },
      envdVersion: '0.6.13',
      lifecycle: { onTimeout: 'kill', autoResume: false },
    })
    expect(info.templateId).toMatch(/^[a-z0-9]+$/)
    expect(info.cpuCount).toBeGreaterThan(0)
    expect(info.memoryMB).toBeGreaterThan(0)
    expectNear(info.startedAt, Date.now())
    expectNear(info.endAt, Date.now() + 10 * MINUTE)
    expect(await vendor.run(sandbox, 'echo $GREETING')).toBe('hello')
    expect((await sandbox.commands.run('echo $GREETING')).stdout).toBe('hello\n')
    expect(await sandbox.isRunning()).toBe(true)

    expect(await Sandbox.kill(sandbox.sandboxId)).toBe(true)
    expect(await Sandbox.kill(sandbox.sandboxId)).toBe(false)
    await expect(Sandbox.getInfo(sandbox.sandboxId)).rejects.toThrow(SandboxNotFoundError)
    await expect(Sandbox.connect(sandbox.sandboxId)).rejects.toThrow(SandboxNotFoundError)
    expect(await sandbox.isRunning()).toBe(false)
  })

  it('gives five minutes unless told, and moves the end as it is told', async () => {
    const sandbox = await Sandbox.create()
    expectNear((await sandbox.getInfo()).endAt, Date.now() + 5 * MINUTE)
    await sandbox.setTimeout(2 * MINUTE)
    expectNear((await sandbox.getInfo()).endAt, Date.now() + 2 * MINUTE)
    await Sandbox.connect(sandbox.sandboxId, { timeoutMs: MINUTE })
    expectNear((await sandbox.getInfo()).endAt, Date.now() + 2 * MINUTE)
    const same = await Sandbox.connect(sandbox.sandboxId, { timeoutMs: 20 * MINUTE })
    expect(same.sandboxId).toBe(sandbox.sandboxId)
    expectNear((await same.getInfo()).endAt, Date.now() + 20 * MINUTE)
    await sandbox.kill()
    await expect(sandbox.setTimeout(MINUTE)).rejects.toThrow(SandboxNotFoundError)
  })

  it('kills a sandbox whose time is over', async () => {
    const sandbox = await Sandbox.create({ timeoutMs: 1_000 })
    await until(async () => !(await exists(sandbox.sandboxId)))
    await expect(sandbox.getInfo()).rejects.toThrow(SandboxNotFoundError)
    expect(await sandbox.kill()).toBe(false)
  })

  it('pauses with memory and goes on where it was', async () => {
    const sandbox = await Sandbox.create({ timeoutMs: MINUTE })
    const native = await vendor.native(sandbox)
    const counter = await native.processes.start('for n in $(seq 100000); do echo $n >/tmp/n; sleep 0.05; done')
    await until(async () => (await vendor.run(sandbox, 'cat /tmp/n 2>/dev/null || true')) !== '')
    expect(await sandbox.pause()).toBe(true)
    expect(await sandbox.pause()).toBe(false)
    expect((await sandbox.getInfo()).state).toBe('paused')
    expect(await sandbox.isRunning()).toBe(false)
    expect(await Sandbox.pause(sandbox.sandboxId)).toBe(false)
    await expect(sandbox.setTimeout(MINUTE)).rejects.toThrow(SandboxNotFoundError)

    const resumed = await Sandbox.connect(sandbox.sandboxId, { timeoutMs: 3 * MINUTE })
    const info = await resumed.getInfo()
    expect(info.state).toBe('running')
    expectNear(info.endAt, Date.now() + 3 * MINUTE)
    const before = Number(await vendor.run(sandbox, 'cat /tmp/n'))
    await until(async () => Number(await vendor.run(sandbox, 'cat /tmp/n')) > before)
    expect((await native.processes.list()).some(({ id }) => id === counter.id)).toBe(true)
    expect(await resumed.kill()).toBe(true)
  })

  it('pauses without memory, keeps the files and boots them again', async () => {
    const sandbox = await Sandbox.create({ timeoutMs: MINUTE })
    await vendor.run(sandbox, 'echo kept >/home/user/file; echo lost >/dev/shm/file; sync')
    expect(await sandbox.pause({ keepMemory: false })).toBe(true)
    expect((await sandbox.getInfo()).state).toBe('paused')
    expect(await sandbox.pause()).toBe(false)
    await sandbox.connect()
    expect(await vendor.run(sandbox, 'cat /home/user/file; ls /dev/shm')).toBe('kept')
    await sandbox.kill()
  })

  it('pauses instead of killing where it is told to', async () => {
    const sandbox = await Sandbox.create({
      timeoutMs: 2_000,
      lifecycle: { onTimeout: 'pause', autoResume: true },
    })
    expect((await sandbox.getInfo()).lifecycle).toEqual({ onTimeout: 'pause', autoResume: true })
    await until(async () => (await sandbox.getInfo()).state === 'paused')
    const paused = await sandbox.getInfo()
    expect(paused.endAt.getTime()).toBeLessThanOrEqual(Date.now() + SLACK_MS)
    await sandbox.connect({ timeoutMs: MINUTE })
    expect((await sandbox.getInfo()).state).toBe('running')
    expect(await sandbox.kill()).toBe(true)
  })

  it('kills what is paused', async () => {
    const sandbox = await Sandbox.create()
    await sandbox.pause()
    expect(await Sandbox.kill(sandbox.sandboxId)).toBe(true)
    await expect(sandbox.getInfo()).rejects.toThrow(SandboxNotFoundError)
    expect(await vendor.world.client.sandboxes.list().toArray()).toEqual([])
  })

  it('opens and closes the way out', async () => {
    const sandbox = await Sandbox.create({ allowInternetAccess: false })
    expect(await sandbox.getInfo()).toMatchObject({
      allowInternetAccess: false,
      network: { denyOut: ['0.0.0.0/0'] },
    })
    await sandbox.updateNetwork({ allowOut: ['192.0.2.7', 'example.com'], denyOut: ['0.0.0.0/0'] })
    expect((await sandbox.getInfo()).network).toMatchObject({
      allowOut: ['192.0.2.7', 'example.com'],
      denyOut: ['0.0.0.0/0'],
    })
    await sandbox.updateNetwork({})
    const info = await sandbox.getInfo()
    expect(info.allowInternetAccess).toBe(true)
    expect(info.network?.denyOut ?? []).toEqual([])
    await expect(sandbox.updateNetwork({ allowOut: ['example.com'] })).rejects.toThrow('400')
    await sandbox.kill()
  })

  it('keeps who may come in', async () => {
    const open = await Sandbox.create()
    expect(open.trafficAccessToken).toBeUndefined()
    const sandbox = await Sandbox.create({
      network: { allowPublicTraffic: false, maskRequestHost: MASK },
    })
    expect(sandbox.trafficAccessToken).toMatch(/^[0-9a-f]{64}$/)
    expect((await sandbox.getInfo()).network).toMatchObject({
      allowPublicTraffic: false,
      maskRequestHost: MASK,
    })
    await sandbox.pause()
    expect((await Sandbox.connect(sandbox.sandboxId)).trafficAccessToken).toBe(sandbox.trafficAccessToken)
    await Promise.all([open.kill(), sandbox.kill()])
  })

  it('wants a key of its own', async () => {
    const wrong = `e2b_${'0'.repeat(64)}`
    await expect(Sandbox.create({ apiKey: wrong })).rejects.toThrow(AuthenticationError)
    await expect(Sandbox.list({ apiKey: wrong }).nextItems()).rejects.toThrow(AuthenticationError)
  })

  async function exists(id: string): Promise<boolean> {
    try {
      await Sandbox.getInfo(id)
      return true
    } catch (error) {
      if (error instanceof SandboxNotFoundError) return false
      throw error
    }
  }
})
