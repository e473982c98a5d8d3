import { Sandbox as E2b } from 'e2b'
import {
  CommandExitError,
  FileNotFoundError,
  FilesystemEventType,
  Novita,
  Sandbox,
  SandboxError,
  SandboxNotFoundError,
  TimeoutError,
} from 'novita-sandbox'
import { Sandbox as Interpreter } from 'novita-sandbox/code-interpreter'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaults } from '../../e2e/base-defaults.ts'
import { until, VendorWorld, WAYS } from '../vendor-world.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.startWithDomain()
  // The template that the samples of the documentation start from; what it has besides `base` they do not use.
  await vendor.world.client.images.build({
    name: 'code-interpreter-v1',
    source: { type: 'tar', path: 'base.tar' },
    defaults,
  })
})
afterAll(() => vendor[Symbol.asyncDispose]())

describe.each(WAYS)('sandboxes, %s', (way) => {
  beforeAll(() => vendor.by(way))

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
    const api = way === 'tls' ? `https://api.${vendor.domain}` : process.env.NOVITA_API_URL
    const connect = () => fetch(`${api}${path}`, { method: 'POST', headers, body: '{"timeout":300}' })
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
    const { NOVITA_API_KEY: apiKey = '' } = process.env
    const plain = { apiUrl: `${vendor.world.url}/novita`, sandboxUrl: vendor.world.url }
    using _ = without('NOVITA_API_URL', 'NOVITA_SANDBOX_URL', 'NOVITA_DOMAIN', 'NOVITA_API_KEY')
    const novita = new Novita({ apiKey, ...(way === 'tls' ? { domain: vendor.domain } : plain) })
    const sandbox = await novita.sandbox.create()
    expect(await novita.sandbox.kill(sandbox.sandboxId)).toBe(true)
  })

  it('say what this server cannot do', async () => {
    const sandbox = await Sandbox.create()
    await expect(Sandbox.resize(sandbox.sandboxId, { memoryMiB: 512 })).rejects.toThrow(/not supported/)
    await expect(Sandbox.mountVolume(sandbox.sandboxId, 'v', '/v')).rejects.toThrow(/not supported/)
    await sandbox.kill()
    await expect(Sandbox.mountVolume(sandbox.sandboxId, 'v', '/v')).rejects.toThrow(SandboxNotFoundError)
  })
})

describe.each(WAYS)('snapshots, %s', (way) => {
  beforeAll(() => vendor.by(way))

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

describe.each(WAYS)('the agent, %s', (way) => {
  let sandbox: Sandbox
  beforeAll(async () => {
    vendor.by(way)
    sandbox = await Sandbox.create('base', { envs: { OF_SANDBOX: 'yes' } })
  })
  afterAll(() => sandbox.kill())

  it('commands run, stream, take input, and are killed', async () => {
    const seen: string[] = []
    const result = await sandbox.commands.run('echo $OF_SANDBOX; echo err >&2', {
      onStdout: (text) => void seen.push(text),
    })
    expect([result.exitCode, result.stdout, result.stderr, seen]).toEqual([0, 'yes\n', 'err\n', ['yes\n']])
    await expect(sandbox.commands.run('exit 7')).rejects.toMatchObject({ exitCode: 7 })
    await expect(sandbox.commands.run('sleep 1000', { timeoutMs: 500 })).rejects.toThrow(TimeoutError)

    const cat = await sandbox.commands.run('cat', { background: true, stdin: true })
    await sandbox.commands.sendStdin(cat.pid, 'typed\n')
    await until(async () => cat.stdout === 'typed\n')
    await cat.disconnect()
    const again = await sandbox.commands.connect(cat.pid)
    expect((await sandbox.commands.list()).map(({ pid }) => pid)).toContain(cat.pid)
    expect(await again.kill()).toBe(true)
    await expect(again.wait()).rejects.toThrow(CommandExitError)
    expect(await sandbox.commands.kill(cat.pid)).toBe(false)
  })

  it('terminals show, and change their size', async () => {
    let text = ''
    const onData = (data: Uint8Array) => {
      text += Buffer.from(data).toString()
    }
    const pty = await sandbox.pty.create({ cols: 80, rows: 24, onData })
    await sandbox.pty.resize(pty.pid, { cols: 100, rows: 30 })
    await sandbox.pty.sendInput(pty.pid, Buffer.from('stty size\n'))
    await until(async () => text.includes('30 100'))
    expect(await sandbox.pty.kill(pty.pid)).toBe(true)
    await expect(pty.wait()).rejects.toThrow(CommandExitError)
  })

  it('files are written, read, listed, watched and removed', async () => {
    const dir = '/home/user/files'
    expect(await sandbox.files.makeDir(dir)).toBe(true)
    expect(await sandbox.files.makeDir(dir)).toBe(false)
    const seen: string[] = []
    const watch = await sandbox.files.watchDir(dir, ({ type, name }) => void seen.push(`${type} ${name}`), {
      recursive: true,
    })
    await sandbox.files.write(`${dir}/ü.txt`, 'text')
    await until(async () => seen.includes(`${FilesystemEventType.WRITE} ü.txt`))
    await watch.stop()
    await sandbox.files.write([
      { path: `${dir}/a`, data: 'a' },
      { path: `${dir}/b`, data: new Blob(['b']) },
    ])
    expect(await sandbox.files.read(`${dir}/b`)).toBe('b')
    expect((await sandbox.files.list(dir)).map(({ name, type }) => `${name} ${type}`)).toEqual([
      'a file',
      'b file',
      'ü.txt file',
    ])
    expect(await sandbox.files.getInfo(`${dir}/a`)).toMatchObject({ size: 1, owner: 'user', permissions: '-rw-r--r--' })
    await sandbox.files.rename(`${dir}/a`, `${dir}/c`)
    await sandbox.files.remove(`${dir}/c`)
    expect(await sandbox.files.exists(`${dir}/c`)).toBe(false)
    await expect(sandbox.files.read(`${dir}/c`)).rejects.toThrow(FileNotFoundError)
  })

  it('signed addresses give and take files', async () => {
    const form = new FormData()
    form.append('file', new Blob(['signed']), 'x')
    const upload = await sandbox.uploadUrl('/home/user/signed')
    expect((await fetch(upload, { method: 'POST', body: form })).status).toBe(200)
    const download = await sandbox.downloadUrl('/home/user/signed', { useSignatureExpiration: 60_000 })
    expect(await (await fetch(download)).text()).toBe('signed')
  })

  it('streams break off when the sandbox ends', async () => {
    const other = await Sandbox.create('base')
    const command = await other.commands.run('sleep 1000', { background: true, timeoutMs: 0 })
    expect(await other.isRunning()).toBe(true)
    const ended = command.wait()
    ended.catch(() => {}) // awaited below
    await other.kill()
    await expect(ended).rejects.toThrow(SandboxError)
    expect(await other.isRunning()).toBe(false)
  })
})

/** The samples of Novita's documentation on snapshots, as they are there. */
describe.each(WAYS)('documentation, %s', (way) => {
  beforeAll(() => vendor.by(way))

  const Sandbox = Interpreter

  it('works from the first sample to the last', async () => {
    const printed: unknown[] = []
    const console = { log: (value: unknown) => void printed.push(value) }

    const sandbox = await Sandbox.create()
    await sandbox.commands.run('echo ready > /tmp/status.txt')

    const snapshot = await sandbox.createSnapshot()
    console.log(snapshot.snapshotId)
    const { sandboxId } = sandbox
    {
      const snapshot = await Sandbox.createSnapshot(sandboxId)
      console.log(snapshot.snapshotId)
    }

    const snapshotId = snapshot.snapshotId

    const newSandbox = await Sandbox.create(snapshotId)
    const result = await newSandbox.commands.run('cat /tmp/status.txt')
    console.log(result.stdout)
    expect(printed.pop()).toBe('ready\n')
    expect(printed).toHaveLength(2)

    // List snapshots created from one sandbox.
    const paginator = sandbox.listSnapshots({ limit: 20 })

    while (paginator.hasNext) {
      const snapshots = await paginator.nextItems()
      for (const snapshot of snapshots) {
        console.log(snapshot.snapshotId)
      }
    }
    expect(printed.slice(2)).toEqual(printed.slice(0, 2).toReversed())

    // Or list all snapshots.
    const allSnapshots = Sandbox.listSnapshots({ limit: 20 })
    expect(await allSnapshots.nextItems()).toHaveLength(2)
    {
      const paginator = Sandbox.listSnapshots({ sandboxId, limit: 20 })
      expect(await paginator.nextItems()).toHaveLength(2)
    }

    // Killing the original sandbox does not delete the snapshot.
    await sandbox.kill()
    expect((await newSandbox.commands.run('echo alive')).stdout).toBe('alive\n')
    await newSandbox.kill()
    await Sandbox.deleteSnapshot(snapshotId)
    const left = await Sandbox.listSnapshots().nextItems()
    expect(left).toHaveLength(1)
    for (const one of left) await Sandbox.deleteSnapshot(one.snapshotId)
  })
})

/** This process without some variables of its environment, until disposed of. */
function without(...names: string[]): Disposable {
  const before = { ...process.env }
  for (const name of names) delete process.env[name]
  return { [Symbol.dispose]: () => void Object.assign(process.env, before) }
}
