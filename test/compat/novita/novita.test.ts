import { Sandbox as E2b } from 'e2b'
import { Novita, Sandbox, SandboxNotFoundError } from 'novita-sandbox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until, VendorWorld } from '../vendor-world.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.start()
})
afterAll(() => vendor[Symbol.asyncDispose]())

describe('sandboxes', () => {
  it('are made, told of, connected to and killed', async () => {
    const sandbox = await Sandbox.create('base', {
      timeoutMs: 120_000,
      metadata: { a: 'b c' },
      envs: { GREETING: 'hi' },
    })
    expect(await sandbox.getInfo()).toMatchObject({
      sandboxId: sandbox.sandboxId,
      name: 'base',
      state: 'running',
      metadata: { a: 'b c' },
      lifecycle: { onTimeout: 'kill', autoResume: false },
    })
    expect(await vendor.run(sandbox, 'echo $GREETING')).toBe('hi')
    const same = await Sandbox.connect(sandbox.sandboxId)
    expect(same.sandboxId).toBe(sandbox.sandboxId)
    await sandbox.setTimeout(600_000)
    expect((await Sandbox.getInfo(sandbox.sandboxId)).endAt.getTime()).toBeGreaterThan(Date.now() + 500_000)
    const [sample] = await sandbox.getMetrics()
    expect(sample?.memTotal).toBeGreaterThan(0)
    expect(await Sandbox.kill(sandbox.sandboxId)).toBe(true)
    expect(await Sandbox.kill(sandbox.sandboxId)).toBe(false)
    await expect(Sandbox.connect(sandbox.sandboxId)).rejects.toThrow(SandboxNotFoundError)
  })

  it('pause with no body, and go on', async () => {
    const sandbox = await Sandbox.create()
    await vendor.run(sandbox, 'echo kept >/dev/shm/file')
    expect(await Sandbox.pause(sandbox.sandboxId)).toBe(true)
    expect(await Sandbox.pause(sandbox.sandboxId)).toBe(false)
    expect((await sandbox.getInfo()).state).toBe('paused')
    await Sandbox.connect(sandbox.sandboxId)
    expect(await vendor.run(sandbox, 'cat /dev/shm/file')).toBe('kept')
    await sandbox.kill()
  })

  it('pause by themselves where they are told to', async () => {
    const sandbox = await Sandbox.betaCreate({ timeoutMs: 1_000, autoPause: true })
    await until(async () => (await sandbox.getInfo()).state === 'paused')
    expect(await Sandbox.kill(sandbox.sandboxId)).toBe(true)
  })

  it('are connected to as the Python client does it, with the headers of calls to the agent', async () => {
    const sandbox = await Sandbox.create()
    const headers = {
      'x-api-key': process.env.NOVITA_API_KEY ?? '',
      'content-type': 'application/json',
      'novita-sandbox-id': sandbox.sandboxId,
      'novita-sandbox-port': '49983',
    }
    const path = `/sandboxes/${sandbox.sandboxId}/connect`
    const connect = () =>
      fetch(`${process.env.NOVITA_API_URL}${path}`, { method: 'POST', headers, body: '{"timeout":300}' })
    expect((await connect()).status).toBe(200)
    await Sandbox.pause(sandbox.sandboxId)
    expect((await connect()).status).toBe(201)
    await sandbox.kill()
  })

  it('are listed by state and metadata, in pages', async () => {
    const made = []
    for (const n of ['1', '2', '3']) made.unshift(await Sandbox.create({ metadata: { n, 'k&': 'v=' } }))
    await Sandbox.pause(made[1]?.sandboxId ?? '')
    const ids = made.map(({ sandboxId }) => sandboxId)
    const listed = async (opts: Parameters<typeof Sandbox.list>[0]) => {
      const paginator = Sandbox.list(opts)
      const found: string[] = []
      while (paginator.hasNext) for (const { sandboxId } of await paginator.nextItems()) found.push(sandboxId)
      return found
    }
    expect(await listed({})).toEqual(ids)
    expect(await listed({ limit: 2 })).toEqual(ids)
    expect(await listed({ query: { state: ['paused'] } })).toEqual([ids[1]])
    expect(await listed({ query: { metadata: { n: '3', 'k&': 'v=' } } })).toEqual([ids[0]])
    await Promise.all(made.map((sandbox) => sandbox.kill()))
  })

  it('are cloned, with memory and files', async () => {
    const sandbox = await Sandbox.create()
    await vendor.run(sandbox, 'echo file >/home/user/file; echo memory >/dev/shm/memory')
    const { sandboxes, count } = await Sandbox.clone(sandbox.sandboxId, { count: 2, strict: true, timeoutMs: 60_000 })
    expect(count).toBe(2)
    for (const clone of sandboxes) {
      expect(clone.sandboxId).not.toBe(sandbox.sandboxId)
      expect(await vendor.run(clone, 'cat /home/user/file /dev/shm/memory')).toBe('file\nmemory')
      expect((await clone.getInfo()).state).toBe('running')
      await clone.kill()
    }
    await sandbox.kill()
    await expect(Sandbox.clone(sandbox.sandboxId)).rejects.toThrow(SandboxNotFoundError)
  })

  it('are reset to what they were made from', async () => {
    const sandbox = await Sandbox.create()
    await vendor.run(sandbox, 'echo changed >/home/user/file')
    expect(await Sandbox.reset(sandbox.sandboxId, { timeoutMs: 600_000 })).toBe(true)
    expect(await vendor.run(sandbox, 'ls /home/user/file 2>&1 || true')).toContain('No such file')
    expect((await sandbox.getInfo()).endAt.getTime()).toBeGreaterThan(Date.now() + 500_000)
    const snapshot = await sandbox.createSnapshot()
    const child = await Sandbox.create(snapshot.snapshotId)
    await vendor.run(child, 'echo changed >/home/user/file')
    expect(await Sandbox.reset(child.sandboxId)).toBe(true)
    expect(await vendor.run(child, 'ls /home/user/file 2>&1 || true')).toContain('No such file')
    await child.kill()
    await sandbox.kill()
    expect(await Sandbox.deleteSnapshot(snapshot.snapshotId)).toBe(true)
    await expect(Sandbox.reset(sandbox.sandboxId)).rejects.toThrow(SandboxNotFoundError)
  })

  it('have a way out that is opened and closed', async () => {
    const sandbox = await Sandbox.create({ allowInternetAccess: false })
    expect((await sandbox.getInfo()).allowInternetAccess).toBe(false)
    await Sandbox.setNetwork(sandbox.sandboxId, { allowOut: ['192.0.2.1'], denyOut: ['0.0.0.0/0'] })
    expect((await sandbox.getInfo()).network).toMatchObject({ allowOut: ['192.0.2.1'], denyOut: ['0.0.0.0/0'] })
    await sandbox.kill()
  })

  it('are counted, and their life is told', async () => {
    const sandbox = await Sandbox.create()
    const { limit, usage } = await Sandbox.getQuota()
    expect(usage.concurrentInstances).toBe(1)
    expect(limit.concurrentInstances).toBeGreaterThan(usage.concurrentInstances)
    await sandbox.kill()
    const { items, total } = await Sandbox.getEvents({ sandboxID: sandbox.sandboxId, orderAsc: true })
    expect(items.map(({ eventName }) => eventName)).toEqual(['created', 'killed'])
    expect(total).toBe(2)
  })

  it('come from a client made with settings of its own', async () => {
    const { NOVITA_API_KEY: apiKey = '', NOVITA_API_URL: apiUrl = '' } = process.env
    const novita = new Novita({ apiKey, apiUrl, sandboxUrl: vendor.world.url })
    const sandbox = await novita.sandbox.create()
    expect(await novita.sandbox.kill(sandbox.sandboxId)).toBe(true)
  })

  it('say what this server cannot do', async () => {
    const sandbox = await Sandbox.create()
    await expect(Sandbox.resize(sandbox.sandboxId, { memoryMiB: 512 })).rejects.toThrow(/not supported/)
    await expect(Sandbox.mountVolume(sandbox.sandboxId, 'v', '/v')).rejects.toThrow(/not supported/)
    await sandbox.kill()
  })
})

describe('snapshots', () => {
  it('are created, started from, listed and deleted, as in the documentation', async () => {
    const sandbox = await Sandbox.create()
    await vendor.run(sandbox, 'echo ready > /tmp/status.txt')
    const snapshot = await sandbox.createSnapshot()
    const sandboxId = sandbox.sandboxId
    const byId = await Sandbox.createSnapshot(sandboxId)

    const snapshotId = snapshot.snapshotId
    const newSandbox = await Sandbox.create(snapshotId)
    expect(await vendor.run(newSandbox, 'cat /tmp/status.txt')).toBe('ready')

    const paginator = sandbox.listSnapshots({ limit: 20 })
    const found: string[] = []
    while (paginator.hasNext) {
      const snapshots = await paginator.nextItems()
      for (const one of snapshots) found.push(one.snapshotId)
    }
    expect(found).toEqual([byId.snapshotId, snapshotId])
    const allSnapshots = Sandbox.listSnapshots({ limit: 20 })
    expect(await allSnapshots.nextItems()).toHaveLength(2)
    const ofOne = Sandbox.listSnapshots({ sandboxId, limit: 20 })
    expect(await ofOne.nextItems()).toHaveLength(2)

    await expect(Sandbox.deleteSnapshot(snapshotId)).rejects.toThrow(/running sandboxes/)
    await newSandbox.kill()
    await Sandbox.deleteSnapshot(snapshotId)
    expect(await Sandbox.deleteSnapshot(snapshotId)).toBe(false)
    await sandbox.kill()
    expect(await Sandbox.deleteSnapshot(byId.snapshotId)).toBe(true)
  })

  it('start through the other clients, and theirs here', async () => {
    const ours = await E2b.create()
    await vendor.run(ours, 'echo e2b >/home/user/file')
    const { snapshotId } = await ours.createSnapshot({ name: 'shared' })
    const theirs = await Sandbox.create(snapshotId)
    expect(await vendor.run(theirs, 'cat /home/user/file')).toBe('e2b')
    await vendor.run(theirs, 'echo novita >/home/user/file')
    const back = await theirs.createSnapshot()
    const again = await E2b.create(back.snapshotId)
    expect(await vendor.run(again, 'cat /home/user/file')).toBe('novita')
    const native = await vendor.world.client.sandboxes.create({ snapshot: back.snapshotId.split(':')[0] ?? '' })
    expect((await native.run('cat /home/user/file', { check: true })).stdout).toBe('novita\n')
    await Promise.all([ours.kill(), theirs.kill(), again.kill(), native.kill()])
    expect(await E2b.deleteSnapshot(back.snapshotId)).toBe(true)
    expect(await Sandbox.deleteSnapshot(snapshotId)).toBe(true)
  })
})
