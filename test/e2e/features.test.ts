import { closeSync, openSync, readdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

describe('hooks', () => {
  const PRE = '/etc/spawnpoint/hooks/pre-snapshot.d'
  const POST = '/etc/spawnpoint/hooks/post-restore.d'

  it('run before a snapshot and after a restore; their outcomes are in the receipt and the events', async () => {
    await using sandbox = await world.client.sandboxes.create({ image: 'base' })
    const script = (text: string) => `#!/bin/sh\n${text}\n`
    await sandbox.files.write(`${PRE}/10-flush`, script('date +%s%N > /home/user/flushed; echo flushed'), {
      mode: 0o755,
      user: 'root',
    })
    await sandbox.files.write(`${POST}/10-renew`, script('cat /run/spawnpoint/generation > /home/user/renewed'), {
      mode: 0o755,
      user: 'root',
    })
    const good = await sandbox.snapshot({ kind: 'memory' })
    expect(good.receipt).toMatchObject({
      consistency: 'application',
      hooks: [{ name: '10-flush', outcome: 'ok', exitCode: 0, output: 'flushed\n' }],
    })
    await using spawned = await good.spawn()
    expect((await spawned.run('cat renewed')).stdout.trim()).toBe('1')
    const events = []
    for await (const event of world.client.events.list({ sandbox: spawned.id })) events.push(event)
    expect(events.find((event) => event.type === 'sandbox.running')?.data).toMatchObject({
      identity: {
        hostname: true,
        machineId: true,
        entropy: true,
        generation: 1,
        hooks: [{ name: '10-renew', outcome: 'ok' }],
      },
    })

    await sandbox.files.write(`${PRE}/20-broken`, script('echo no >&2; exit 3'), { mode: 0o755, user: 'root' })
    const poorer = await sandbox.snapshot({ kind: 'filesystem' })
    expect(poorer.receipt).toMatchObject({
      consistency: 'filesystem',
      hooks: [{ outcome: 'ok' }, { outcome: 'failed', exitCode: 3 }],
    })
    await expect(sandbox.snapshot({ kind: 'filesystem', requireHooks: true })).rejects.toMatchObject({
      code: 'hook_failed',
    })
    expect((await sandbox.run('echo on')).stdout).toBe('on\n')
  })
})

describe('time', () => {
  it('a timeout kills or pauses, an extension puts it off, idleness counts from the last use', async () => {
    const create = (timeout: object) => world.client.sandboxes.create({ image: 'base', timeout })
    const extended = await create({ timeoutMs: 60_000, onTimeout: 'kill' })
    await extended.extend(4_000)
    const first = extended.info.expiresAt?.getTime() ?? Number.NaN
    await extended.extend(600_000)
    const killed = await create({ timeoutMs: 1_500, onTimeout: 'kill' })
    const idle = await create({ idleTimeoutMs: 1_500, onTimeout: 'pause' })
    const paused = await create({ onTimeout: 'pause' })
    await paused.run('echo kept > /tmp/in-memory')
    await paused.extend(1_500)
    await expect.poll(async () => (await killed.refresh().catch(() => ({ state: 'killed' }))).state).toBe('killed')
    await expect.poll(async () => (await paused.refresh()).state).toBe('paused')
    await expect.poll(async () => (await idle.refresh()).state).toBe('paused')
    await paused.extend(null)
    await paused.resume()
    expect((await paused.run('cat /tmp/in-memory')).stdout).toBe('kept\n')
    await expect.poll(() => Date.now()).toBeGreaterThan(first)
    expect((await extended.refresh()).state).toBe('running')
    for (const sandbox of [paused, idle, extended]) await sandbox.kill()
  })

  it('a snapshot with a time to live is gone after it', async () => {
    await using sandbox = await world.client.sandboxes.create({ image: 'base' })
    const snapshot = await sandbox.snapshot({ kind: 'filesystem', ttlMs: 1_000 })
    await expect
      .poll(
        () =>
          snapshot.refresh().then(
            () => 'there',
            (error) => error.code,
          ),
        { timeout: 10_000 },
      )
      .toBe('not_found')
  })
})

describe('names', () => {
  it('of snapshots mean the latest ready one, with @id exactly that one', async () => {
    await using sandbox = await world.client.sandboxes.create({ image: 'base', name: 'named-one' })
    await sandbox.run('echo 1 > n')
    const first = await sandbox.snapshot({ kind: 'filesystem', name: 'again' })
    await sandbox.run('echo 2 > n')
    await sandbox.snapshot({ kind: 'filesystem', name: 'again' })
    for (const [ref, expected] of [
      ['again', '2\n'],
      [`again@${first.id}`, '1\n'],
      [first.id, '1\n'],
    ] as const) {
      await using spawned = await world.client.sandboxes.create({ snapshot: ref })
      expect((await spawned.run('cat n')).stdout).toBe(expected)
    }
    expect((await world.client.sandboxes.get('named-one')).id).toBe(sandbox.id)
    expect((await sandbox.run('hostname')).stdout).toBe('named-one\n')
    await expect(world.client.sandboxes.create({ image: 'base', name: 'named-one' })).rejects.toMatchObject({
      code: 'name_taken',
    })
  })
})

describe('verification', () => {
  it('reads snapshots back, finds out which are damaged, and tries whether they start', async () => {
    await using sandbox = await world.client.sandboxes.create({ image: 'base' })
    await sandbox.run('echo kept > kept')
    const snapshot = await sandbox.snapshot({ kind: 'memory' })
    expect((await snapshot.check()).info).toMatchObject({ checkFailure: null, checkedAt: expect.any(Date) })
    const { info } = await snapshot.drill({ probe: ['grep', '-q', 'kept', 'kept'] })
    expect(info).toMatchObject({ checkFailure: null, verifiedAt: expect.any(Date) })
    expect((await snapshot.drill({ probe: ['test', '-e', 'lost'] })).info.checkFailure).toContain('exit code 1')
    expect((await world.client.sandboxes.list({ states: ['running'] }).toArray()).map(({ id }) => id)).toContain(
      sandbox.id,
    )
    const memory = join(world.dataDir, 'pool/snapshots', snapshot.id, 'memory')
    const [name = ''] = readdirSync(memory)
    const file = openSync(join(memory, name), 'r+')
    writeSync(file, 'a byte or two', 0)
    closeSync(file)
    expect((await snapshot.check()).info.checkFailure).toContain(`memory/${name} is not what it was`)
    expect(await snapshot.check()).toMatchObject({ info: { verifiedAt: info.verifiedAt } })
  })
})

describe('lineage', () => {
  it('a snapshot of a spawned sandbox names the one it came from, and outlives everything it came from', async () => {
    const origin = await world.client.sandboxes.create({ image: 'base' })
    await origin.run('echo a > a')
    const one = await origin.snapshot({ kind: 'filesystem' })
    const middle = await one.spawn()
    await middle.run('echo b > b')
    const two = await middle.snapshot({ kind: 'memory' })
    expect(two.info.parentId).toBe(one.id)
    await middle.kill()
    await origin.kill()
    await one.delete()
    await using last = await two.spawn()
    expect((await last.run('cat a b')).stdout).toBe('a\nb\n')
  })
})

describe('inside', () => {
  it('a real terminal, resized, and a signal to its group', async () => {
    await using sandbox = await world.client.sandboxes.create({ image: 'base' })
    const shell = await sandbox.processes.start(['bash', '--norc'], { pty: { cols: 80, rows: 24 } })
    await shell.resize({ cols: 132, rows: 50 })
    await shell.write('stty size; tty; exit 7\n')
    const result = await shell.result()
    expect(result.stdout).toContain('50 132')
    expect(result.stdout).toMatch(/\/dev\/pts\/\d+/)
    expect(result.exitCode).toBe(7)
  })

  it('users, directories, environment, stdin, big output, exit codes', async () => {
    await using sandbox = await world.client.sandboxes.create({ image: 'base', env: { OWN: 'sandbox' } })
    expect((await sandbox.run('id -un; pwd; echo $OWN $HOME')).stdout).toBe('user\n/home/user\nsandbox /home/user\n')
    expect(
      (await sandbox.run('id -un; pwd; echo $OWN', { user: 'root', cwd: '/etc', env: { OWN: 'mine' } })).stdout,
    ).toBe('root\n/etc\nmine\n')
    // Debian 12's runsc honours no set-user-id bit and says so; see docs/limitations.md.
    const barred =
      (await sandbox.run(['python3', '-c', 'import ctypes; print(ctypes.CDLL(None).prctl(39, 0, 0, 0, 0))'])).stdout ===
      '1\n'
    expect((await sandbox.run('sudo id -un')).stdout).toBe(barred ? '' : 'root\n')
    expect((await sandbox.run('exit 42', { check: false })).exitCode).toBe(42)
    const big = await sandbox.run('head -c 5000000 /dev/zero | tr "\\0" x; echo end >&2')
    expect([big.stdout.length, big.stderr]).toEqual([5_000_000, 'end\n'])
    const cat = await sandbox.processes.start(['cat'], { stdin: true })
    await cat.write('typed\n')
    await cat.closeStdin()
    expect((await cat.result()).stdout).toBe('typed\n')
  })

  it('a service on a loopback port answers through the server', async () => {
    await using sandbox = await world.client.sandboxes.create({ image: 'base' })
    await sandbox.files.write('site/index.html', 'served from inside')
    await sandbox.processes.start([
      'python3',
      '-m',
      'http.server',
      '8080',
      '--bind',
      '127.0.0.1',
      '--directory',
      'site',
    ])
    await expect.poll(async () => (await sandbox.fetch(8080, '/')).status).toBe(200)
    expect(await (await sandbox.fetch(8080, '/index.html')).text()).toBe('served from inside')
    expect((await sandbox.fetch(8081, '/')).status).toBe(502)
  })

  it('the program that an image starts runs in every sandbox made from it', async () => {
    const { defaults } = await import('./base-defaults.ts')
    const startCommand = ['python3', '-m', 'http.server', '8090', '--bind', '127.0.0.1']
    await world.client.images.build({
      name: 'serving',
      source: { type: 'tar', path: 'base.tar' },
      defaults: { ...defaults, startCommand },
    })
    await using sandbox = await world.client.sandboxes.create({ image: 'serving' })
    await expect.poll(async () => (await sandbox.fetch(8090, '/')).status).toBe(200)
  })
})

describe('lists', () => {
  it('page through everything once, filtered by labels', async () => {
    const labels = { batch: 'pages' }
    const made = await Promise.all(
      Array.from({ length: 5 }, () => world.client.sandboxes.create({ image: 'base', labels })),
    )
    try {
      const seen: string[] = []
      for await (const sandbox of world.client.sandboxes.list({ labels }, { pageSize: 2 })) seen.push(sandbox.id)
      expect(seen.sort()).toEqual(made.map((sandbox) => sandbox.id).sort())
    } finally {
      await Promise.all(made.map((sandbox) => sandbox.kill()))
    }
  })
})
