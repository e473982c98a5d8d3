import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { Langsmith } from 'langsmith'
import { type Sandbox, SandboxClient } from 'langsmith/sandbox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { VendorWorld } from '../vendor-world.ts'

let vendor: VendorWorld
let client: SandboxClient
beforeAll(async () => {
  vendor = await VendorWorld.start()
  client = new SandboxClient()
})
afterAll(() => vendor[Symbol.asyncDispose]())

/** What a program prints that uses the client where the package `ws`, which that only likes to have, is not installed. */
function withoutWs(program: string): unknown {
  const hide = `import { registerHooks } from 'node:module'
    registerHooks({ resolve(name, context, next) {
      if (name === 'ws') throw Object.assign(new Error('not installed'), { code: 'ERR_MODULE_NOT_FOUND' })
      return next(name, context)
    } })`
  const text = `import { SandboxClient } from 'langsmith/sandbox'\n${program}`
  const args = ['--import', `data:text/javascript,${encodeURIComponent(hide)}`, '--input-type=module', '--eval', text]
  return JSON.parse(execFileSync(process.execPath, args, { cwd: import.meta.dirname, encoding: 'utf8' }))
}

async function out(box: Sandbox, command: string): Promise<string> {
  const { stdout, stderr, exit_code } = await box.run(command)
  expect([exit_code, stderr]).toEqual([0, ''])
  return stdout.trim()
}

describe('boxes', () => {
  it('come ready with what was asked for, and are found, changed, listed and deleted', async () => {
    const box = await client.createSandbox({
      name: 'my-box',
      vCpus: 1,
      memBytes: 512 * 2 ** 20,
      fsCapacityBytes: 12 * 2 ** 30,
      idleTtlSeconds: 120,
      deleteAfterStopSeconds: 3600,
      labels: { team: 'blue' },
      runConfig: { user: 'user', work_dir: '/home/user', env_vars: { WHO: 'me' } },
    })
    expect(box).toMatchObject({
      name: 'my-box',
      status: 'ready',
      idle_ttl_seconds: 120,
      delete_after_stop_seconds: 3600,
    })
    expect(await out(box, 'whoami; pwd; echo $WHO; hostname')).toBe('user\n/home/user\nme\nmy-box')
    const found = await client.getSandbox('my-box')
    expect(found).toMatchObject({ id: box.id, vCpus: 1, mem_bytes: 512 * 2 ** 20, fs_capacity_bytes: 12 * 2 ** 30 })
    expect((await client.getSandbox(box.id ?? '')).name).toBe('my-box')
    expect((await client.listSandboxes()).map(({ name }) => name)).toEqual(['my-box'])
    expect((await client.getSandboxStatus('my-box')).status).toBe('ready')

    const updated = await client.updateSandbox('my-box', { newName: 'other', idleTtlSeconds: 0 })
    expect(updated).toMatchObject({ name: 'other', idle_ttl_seconds: 0, labels: { team: 'blue' } })
    await client.deleteSandbox('other')
    await expect(client.getSandbox('other')).rejects.toMatchObject({ name: 'LangSmithResourceNotFoundError' })
    expect(await client.listSandboxes()).toEqual([])
  })

  it('begin as root from the default where nothing else is said', async () => {
    const box = await client.createSandbox()
    expect(await out(box, 'whoami; pwd; python3 -c "print(1)"; node -e "console.log(2)"')).toBe('root\n/root\n1\n2')
    await box.delete()
  })

  it('stop and start with their files, by a call or by being used', async () => {
    const box = await client.createSandbox({ name: 'my-vm' })
    await box.write('/opt/state/a.txt', 'kept')
    await box.stop()
    expect((await client.getSandbox('my-vm')).status).toBe('stopped')
    await expect(client.stopSandbox('my-vm')).rejects.toThrow('stopped')
    await box.start()
    expect(await out(box, 'cat /opt/state/a.txt')).toBe('kept')
    await box.stop()
    // Nobody starts it.
    expect(new TextDecoder().decode(await box.read('/opt/state/a.txt'))).toBe('kept')
    await box.stop()
    expect(await out(box, 'cat /opt/state/a.txt')).toBe('kept')
    await box.delete()
  })

  it('keep their processes over a stop if asked to', async () => {
    const box = await client.createSandbox({ preserveMemoryOnStop: true })
    await out(box, 'sleep 1000 >/dev/null 2>&1 & echo $! > /tmp/pid')
    await box.stop()
    expect((await client.getSandbox(box.name)).status).toBe('stopped')
    await box.start()
    expect(await out(box, 'ps -o args= -p $(cat /tmp/pid)')).toBe('sleep 1000')
    await box.delete()
  })

  it('lose their files with every stop if they are not persistent', async () => {
    const box = await client.createSandbox({ name: 'disposable', persistent: false })
    await box.write('/opt/a.txt', 'gone soon')
    await expect(box.captureSnapshot('none')).rejects.toThrow('not persistent')
    await box.stop()
    const found = await Promise.all([out(box, 'ls /opt'), box.run('ls /opt').then(({ stdout }) => stdout.trim())])
    expect(found).toEqual(['', ''])
    await box.write('/opt/b.txt', 'x')
    await box.stop()
    await box.start()
    expect(await out(box, 'ls /opt')).toBe('')
    await box.delete()
  })

  it('have volumes of the team, by the generated client', async () => {
    const { boxes } = new Langsmith({ baseURL: `${vendor.world.url}/langsmith` }).sandboxes
    const { id } = await vendor.world.client.volumes.create({ name: 'data' })
    const volumes = [{ volume: 'data', mount_path: '/mnt/data' }]
    const { name = '', ...made } = await boxes.create({ volumes })
    expect(made.volumes).toMatchObject([{ volume_id: id, mount_path: '/mnt/data', read_only: false }])
    await client.updateSandbox(name, { runConfig: { env_vars: { A: '1' } } })
    await client.updateSandbox(name, { runConfig: { env_vars: { B: '2' } } })
    const box = await client.getSandbox(name)
    expect(await out(box, 'echo kept > /mnt/data/a; echo $A$B; cat /mnt/data/a')).toBe('12\nkept')
    const mine: (string | undefined)[] = []
    for await (const one of boxes.list({ created_by: 'me' })) mine.push(one.name)
    expect(mine).toEqual([name])
    // Another size: the disk at once, the rest when it starts again.
    const memory = 'awk "/MemTotal/ { print \\$2 * 1024 }" /proc/meminfo'
    const before = Number(await out(box, memory))
    const mem_bytes = (made.mem_bytes ?? 0) * 2
    const fs_capacity_bytes = (made.fs_capacity_bytes ?? 0) + 2 ** 30
    expect(await boxes.update(name, { mem_bytes, fs_capacity_bytes })).toMatchObject({ mem_bytes, fs_capacity_bytes })
    await box.stop()
    await box.start()
    expect(Number(await out(box, memory))).toBeGreaterThan(before * 1.5)
    await expect(boxes.update(name, { fs_capacity_bytes: 2 ** 30 })).rejects.toMatchObject({ status: 422 })
    await box.delete()
    await vendor.world.client.volumes.delete(id)
  })

  it('come up without being waited for', async () => {
    const box = await client.createSandbox({ waitForReady: false })
    expect(box.status).toBe('provisioning')
    const ready = await client.waitForSandbox(box.name)
    expect(await out(ready, 'echo up')).toBe('up')
    await box.delete()
  })

  it('take names once, and say what is wrong with a request', async () => {
    const box = await client.createSandbox({ name: 'taken' })
    await expect(client.createSandbox({ name: 'taken' })).rejects.toThrow('taken')
    await expect(client.createSandbox({ name: 'bad name' })).rejects.toMatchObject({ name: 'LangSmithValidationError' })
    await expect(client.createSandbox({ vCpus: 1000 })).rejects.toMatchObject({
      name: 'LangSmithValidationError',
      field: 'vcpus',
    })
    await expect(client.createSandbox('0'.repeat(24))).rejects.toThrow('snapshot not found')
    await expect(new SandboxClient({ apiKey: 'wrong' }).listSandboxes()).rejects.toMatchObject({
      name: 'LangSmithSandboxAuthenticationError',
    })
    const second = await client.createSandbox({ name: 'second' })
    await expect(client.updateSandbox('second', { newName: 'taken' })).rejects.toMatchObject({
      name: 'LangSmithResourceNameConflictError',
    })
    await second.delete()
    await expect(client.createSandbox({ name: 'hasty', timeout: 0.001 })).rejects.toMatchObject({
      name: 'LangSmithResourceTimeoutError',
    })
    // It comes up all the same.
    await (await client.waitForSandbox('hasty')).delete()
    const { teams } = vendor.world.client
    const [team] = await teams.list().toArray()
    await teams.update(team?.id ?? '', { limits: { cpus: 1 } })
    await expect(client.createSandbox({ vCpus: 1 })).rejects.toMatchObject({
      name: 'LangSmithQuotaExceededError',
      quotaType: 'cpu',
    })
    await teams.update(team?.id ?? '', { limits: { cpus: null } })
    await box.delete()
  })
})

describe('commands', () => {
  let box: Sandbox
  beforeAll(async () => {
    box = await client.createSandbox({ name: 'commands' })
  })

  it('run over a WebSocket, with their streams apart and their code as a result', async () => {
    expect(await box.run('echo out; echo err >&2; exit 3')).toMatchObject({
      stdout: 'out\n',
      stderr: 'err\n',
      exit_code: 3,
    })
    expect(await box.run('echo $A; pwd', { env: { A: 'b' }, cwd: '/opt' })).toMatchObject({ stdout: 'b\n/opt\n' })
    expect(await box.run('whoami; pwd', { runConfig: { user: 'user', work_dir: '/tmp' } })).toMatchObject({
      stdout: 'user\n/tmp\n',
    })
    expect(await box.run('id -un; pwd', { runConfig: { user: 'user' } })).toMatchObject({ stdout: 'user\n/\n' })
    await expect(box.run('sleep 30', { timeout: 1 })).rejects.toMatchObject({ name: 'LangSmithCommandTimeoutError' })
  })

  it('stream as they go, take input and are killed', async () => {
    const handle = await box.run('while read line; do echo "got $line"; done; echo end', {
      wait: false,
      closeInput: false,
    })
    handle.sendInput('one\n')
    const chunks: string[] = []
    for await (const chunk of handle) {
      chunks.push(chunk.data)
      if (chunks.join('') === 'got one\n') handle.closeInput()
    }
    expect(chunks.join('')).toBe('got one\nend\n')
    expect((await handle.result).exit_code).toBe(0)

    const long = await box.run('echo up; sleep 1000', { wait: false })
    for await (const _ of long) long.kill()
    expect((await long.result).exit_code).not.toBe(0)
  })

  it('run once for one id, and are come back to', async () => {
    const commandId = randomUUID()
    const [first, second] = await Promise.all(
      [1, 2].map(() => box.run('echo run >> /root/runs; sleep 1; wc -l < /root/runs', { commandId })),
    )
    expect([first?.stdout.trim(), second?.stdout.trim()]).toEqual(['1', '1'])
    const handle = await box.run('printf é1; sleep 1; printf ü2', { wait: false })
    const reader = await box.run('cat; echo end', { wait: false, closeInput: false, commandId: 'read: 1/é' })
    reader.sendInput('a\n')
    const closing = await reader.reconnect()
    // Before it has a connection.
    closing.closeInput()
    expect((await closing.result).stdout).toBe('a\nend\n')
    const again = await box.reconnect(handle.commandId ?? '', { stdoutOffset: 3 })
    expect((await again.result).stdout).toBe('ü2')
    expect((await handle.result).stdout).toBe('é1ü2')
    await expect((await box.reconnect('nobody')).result).rejects.toThrow('not found')
  })

  it('tell who asks by functions, and go on where a handle left off', async () => {
    const said: [string, string][] = []
    // Which of two streams is read first is nobody's to say: the second begins when the first was seen.
    const result = await box.run('echo out; until [ -e /tmp/out-seen ]; do sleep 0.05; done; echo err >&2', {
      onStdout: (data) => {
        said.push(['out', data])
        void box.write('/tmp/out-seen', '')
      },
      onStderr: (data) => said.push(['err', data]),
    })
    expect(said).toEqual([
      ['out', 'out\n'],
      ['err', 'err\n'],
    ])
    expect(result).toMatchObject({ stdout: 'out\n', stderr: 'err\n' })
    const handle = await box.run('printf é1; sleep 1; printf ü2 >&2', { wait: false })
    for await (const { data } of handle) {
      expect([data, handle.lastStdoutOffset]).toEqual(['é1', 3])
      break
    }
    const again = await handle.reconnect()
    expect(await again.result).toMatchObject({ stdout: '', stderr: 'ü2', exit_code: 0 })
  })

  it('end with their client, or a while after it, or are forgotten after a while, if told so', async () => {
    const ends = async (options: { killOnDisconnect: true } | { idleTimeout: number }) => {
      const handle = await box.run('echo $$; exec sleep 1000', { wait: false, ...options })
      // Its connection ends with the loop.
      for await (const { data } of handle) return data.trim()
      throw new Error('it said nothing')
    }
    const gone = async (pid: string) => (await box.run(`kill -0 ${pid} 2>/dev/null || echo gone`)).stdout
    const [first, second] = await Promise.all([ends({ killOnDisconnect: true }), ends({ idleTimeout: 1 })])
    await expect.poll(() => gone(first), { timeout: 10_000 }).toBe('gone\n')
    await expect.poll(() => gone(second), { timeout: 10_000 }).toBe('gone\n')
    const short = await box.run('true', { wait: false, ttlSeconds: 1 })
    await short.result
    await expect
      .poll(async () => await (await box.reconnect(short.commandId ?? '')).result.catch(({ message }) => message), {
        timeout: 10_000,
      })
      .toContain('not found')
  })

  it('go on while the server is killed and started again, and their client with them', async () => {
    const handle = await box.run('echo é1; sleep 3; echo ü2; exit 5', { wait: false })
    for await (const chunk of handle) {
      if (chunk.data !== 'é1\n') continue
      await vendor.world.killServer()
      await vendor.world.startServer()
    }
    expect(await handle.result).toMatchObject({ stdout: 'é1\nü2\n', exit_code: 5 })
  })

  it('run over HTTP for a client that has no WebSockets', async () => {
    const answers = withoutWs(`
      const box = await new SandboxClient().getSandbox('commands')
      const run = (...args) => box.run(...args).catch((error) => error.name)
      console.log(JSON.stringify([
        await run('echo out; echo err >&2; exit 3'),
        await run('echo $A; pwd', { env: { A: 'é' }, cwd: '/opt' }),
        await run('whoami', { runConfig: { user: 'user', work_dir: '/' } }),
        await run('sleep 60', { timeout: 1 }),
        await run('cat', { shell: '/bin/sh' }),
      ]))`)
    expect(answers).toEqual([
      { stdout: 'out\n', stderr: 'err\n', exit_code: 3 },
      { stdout: 'é\n/opt\n', stderr: '', exit_code: 0 },
      { stdout: 'user\n', stderr: '', exit_code: 0 },
      'LangSmithSandboxOperationError',
      { stdout: '', stderr: '', exit_code: 0 },
    ])
  })

  it('have a terminal', async () => {
    const { stdout } = await box.run('test -t 0 && test -t 1 && echo tty; echo $TERM', { pty: true })
    expect(stdout).toBe('tty\r\nxterm-256color\r\n')
  })
})

describe('files', () => {
  let box: Sandbox
  beforeAll(async () => {
    box = await client.createSandbox({ name: 'files' })
  })

  it('are written, read whole and in parts, and looked at', async () => {
    await box.write('/app/deep/a.bin', new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7]))
    expect([...(await box.read('/app/deep/a.bin'))]).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    const stat = await box.stat('/app/deep/a.bin')
    expect(stat.size_bytes).toBe(8)
    const chunk = await box.readRange('/app/deep/a.bin', { start: 2, end: 3, ifRange: stat.etag ?? '' })
    expect(chunk).toMatchObject({ partial: true, start: 2, total_bytes: 8, etag: stat.etag })
    expect([...chunk.content]).toEqual([2, 3])
    expect([...(await box.readRange('/app/deep/a.bin', { suffixBytes: 2 })).content]).toEqual([6, 7])
    expect(await box.readRange('/app/deep/a.bin', { start: 0, ifNoneMatch: stat.etag ?? '' })).toMatchObject({
      unchanged: true,
    })
    await expect(box.readRange('/app/deep/a.bin', { start: 8 })).rejects.toMatchObject({
      name: 'LangSmithSandboxOperationError',
    })
    await box.write('/app/deep/a.bin', 'changed')
    expect(await box.readRange('/app/deep/a.bin', { start: 2, ifRange: stat.etag ?? '' })).toMatchObject({
      partial: false,
      total_bytes: 7,
    })
    await expect(box.read('/app/none')).rejects.toMatchObject({ name: 'LangSmithResourceNotFoundError' })
  })

  it('are found by name and by content', async () => {
    await box.write('/src/a.py', 'import os\nprint("needle")\n')
    await box.write('/src/sub/b.py', 'x = 1\n')
    await box.write('/src/sub/c.txt', 'a needle here\nnone\n')
    const paths = (found: { matches: { path: string }[] }) => found.matches.map(({ path }) => path)
    expect(paths(await box.glob('**/*.py', '/src'))).toEqual(['/src/a.py', '/src/sub/b.py'])
    expect(paths(await box.glob('*', '/src'))).toEqual(['/src/a.py', '/src/sub'])
    expect(await box.glob('**', '/src', { limit: 1 })).toMatchObject({ truncated: true })
    expect((await box.grep('needle', '/src')).matches).toEqual([
      { path: '/src/a.py', line: 2, text: 'print("needle")' },
      { path: '/src/sub/c.txt', line: 1, text: 'a needle here' },
    ])
    expect(paths(await box.grep('needle', '/src', { glob: '*.txt' }))).toEqual(['/src/sub/c.txt'])
  })
})
