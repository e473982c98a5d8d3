import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ProcessOutput, ProcessSpec } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildAgent, identity, startAgent, type TestAgent } from '../test/test-agent.ts'
import { until } from '../test/until.ts'

let built: string
let agent: TestAgent
beforeAll(async () => {
  built = mkdtempSync(join(tmpdir(), 'spawnpoint-build-'))
  agent = await startAgent(buildAgent(built))
  await agent.guest.identify(identity)
}, 60_000)
afterAll(async () => {
  await agent[Symbol.asyncDispose]()
  rmSync(built, { recursive: true, force: true })
})

const spec = (args: string[], more: Partial<ProcessSpec> = {}): ProcessSpec => ({
  args,
  env: {},
  stdin: false,
  ...more,
})
const sh = (script: string, more: Partial<ProcessSpec> = {}) => spec(['sh', '-c', script], more)

/** Reads to the end; checks that offsets continue each other. */
async function collect(output: AsyncIterable<ProcessOutput>) {
  const text: Record<string, Buffer> = {}
  const position: Record<string, number> = {}
  const gaps: ProcessOutput[] = []
  for await (const item of output) {
    if (item.type === 'exit') return { text, gaps, exit: item.exit, stdout: String(text.stdout ?? '') }
    if (item.type === 'gap') {
      gaps.push(item)
      position[item.stream] = item.resumeAt
    } else {
      expect(item.offset).toBe(position[item.stream] ?? item.offset)
      position[item.stream] = item.offset + item.data.length
      text[item.stream] = Buffer.concat([text[item.stream] ?? Buffer.alloc(0), item.data])
    }
  }
  throw new Error('output ended without exit')
}
const run = async (s: ProcessSpec) => collect((await agent.guest.processes.startAndFollow(s)).output)

describe('start', () => {
  test('gives output and exit of a program', async () => {
    const result = await run(sh('echo out; echo err >&2; exit 7'))
    expect(result.stdout).toBe('out\n')
    expect(String(result.text.stderr)).toBe('err\n')
    expect(result.exit).toMatchObject({ code: 7, signal: null, timedOut: false })
  })

  test('sets environment, weakest first: account, identity, request', async () => {
    const { stdout } = await run(
      sh('echo $HOME $USER $FROM_IDENTITY $SHARED $MINE', { env: { SHARED: 'request', MINE: 'x' } }),
    )
    expect(stdout).toBe('/root root yes request x\n')
  })

  test('runs as a named user, a number, which is of root’s group, a number with group', async () => {
    const ids = async (user: string) => (await run(sh('id -u; id -g; id -G', { user, cwd: '/' }))).stdout.split('\n')
    expect(await ids('nobody')).toEqual(['65534', '65534', '65534', ''])
    expect(await ids('4242')).toEqual(['4242', '0', '0', ''])
    expect(await ids('4242:77')).toEqual(['4242', '77', '77', ''])
  })

  test('has supplementary groups', async () => {
    await run(sh('echo "helper:x:3000:nobody" >> /etc/group'))
    expect((await run(sh('id -G', { user: 'nobody', cwd: '/' }))).stdout).toBe('65534 3000\n')
  })

  test.each([
    ['missing program', spec(['/no/such']), 'ENOENT', '/no/such'],
    ['missing program in PATH', spec(['no-such-program']), 'ENOENT', 'no-such-program'],
    ['not executable', spec(['/etc/passwd']), 'EACCES', '/etc/passwd'],
    ['missing directory', spec(['true'], { cwd: '/no/dir' }), 'ENOENT', '/no/dir'],
    ['closed directory', spec(['true'], { cwd: '/root', user: '4242' }), 'EACCES', '/root'],
    ['unknown user', spec(['true'], { user: 'nobody-here' }), 'EINVAL', undefined],
    ['no program', spec(['']), 'EINVAL', undefined],
  ])('refuses: %s', async (_name, bad, errno, path) => {
    if (bad.cwd === '/root') await run(sh('chmod 700 /root'))
    const error = await agent.guest.processes.start(bad).catch((error) => error)
    expect(error).toMatchObject({ code: 'guest_error', context: { errno, ...(path === undefined ? {} : { path }) } })
  })

  test('runs a script without #! by sh', async () => {
    const script = join(agent.dir, 'plain')
    writeFileSync(script, 'echo plain $1\n', { mode: 0o755 })
    expect((await run(spec([script, 'yes']))).stdout).toBe('plain yes\n')
  })

  test('with a known id returns that process', async () => {
    const first = await agent.guest.processes.start(sh('echo once', { id: 'twice' }))
    const second = await agent.guest.processes.start(sh('echo again', { id: 'twice' }))
    expect(second.pid).toBe(first.pid)
    expect((await run(sh('echo third', { id: 'twice' }))).stdout).toBe('once\n')
  })

  test('an id whose start failed is free again', async () => {
    await expect(agent.guest.processes.start(spec(['/no/such'], { id: 'retry' }))).rejects.toThrow()
    expect((await run(sh('echo ok', { id: 'retry' }))).stdout).toBe('ok\n')
  })

  test('limits processes of users', async () => {
    expect((await run(spec(['bash', '-c', 'ulimit -u'], { user: 'nobody', cwd: '/' }))).stdout).toBe('5000\n')
  })

  test('long argument lists arrive whole', async () => {
    const args = Array.from({ length: 3000 }, (_, i) => `${i}-${'x'.repeat(100)}`)
    const { stdout } = await run(spec(['printf', '%s\n', ...args]))
    expect(stdout).toBe(`${args.join('\n')}\n`)
  })

  test('longer ones are refused, by the kernel or before', async () => {
    const long = (bytes: number) =>
      agent.guest.processes.start(spec(['true', 'x'.repeat(bytes)])).catch((error) => error)
    expect(await long(200_000)).toMatchObject({ code: 'guest_error', context: { errno: 'E2BIG' } })
    expect(await long(5_000_000)).toMatchObject({ code: 'payload_too_large' })
    expect((await run(sh('echo fine'))).stdout).toBe('fine\n')
  })

  test('many at once', async () => {
    const results = await Promise.all(Array.from({ length: 60 }, (_, i) => run(sh(`echo ${i}; exit ${i}`))))
    expect(results.map((r) => [r.stdout, r.exit.code])).toEqual(results.map((_, i) => [`${i}\n`, i]))
  })
})

describe('output', () => {
  test('10 MB of random bytes arrive exactly, for two readers', async () => {
    const path = join(agent.dir, 'random')
    const bytes = randomBytes(10_000_000)
    writeFileSync(path, bytes)
    const { info, output } = await agent.guest.processes.startAndFollow(sh(`read go; cat ${path}`, { stdin: true }))
    const second = await agent.guest.processes.follow(info.id, {})
    await agent.guest.processes.writeStdin(info.id, Buffer.from('go\n'))
    const [one, two] = await Promise.all([collect(output), collect(second.output)])
    expect(one.gaps).toEqual([])
    expect(one.text.stdout?.equals(bytes)).toBe(true)
    expect(two.text.stdout?.equals(bytes)).toBe(true)
  })

  test('a reader comes back at an offset', async () => {
    const { info } = await agent.guest.processes.startAndFollow(sh('echo 0123456789; echo abc >&2'))
    await agent.guest.processes.wait(info.id)
    const from = { from: { stdout: 4, stderr: 1 } }
    const result = await collect((await agent.guest.processes.follow(info.id, from)).output)
    expect(result.stdout).toBe('456789\n')
    expect(String(result.text.stderr)).toBe('bc\n')
    const now = await collect((await agent.guest.processes.follow(`pid:${info.pid}`, { from: 'now' })).output)
    expect(now.text).toEqual({})
    expect(now.exit.code).toBe(0)
  })

  test('what was overwritten is a gap', async () => {
    const info = await agent.guest.processes.start(sh('seq 1 20000', { bufferBytes: 8192 }))
    await agent.guest.processes.wait(info.id)
    const result = await collect((await agent.guest.processes.follow(info.id, {})).output)
    const all = Array.from({ length: 20000 }, (_, i) => `${i + 1}\n`).join('')
    expect(result.gaps).toEqual([{ type: 'gap', stream: 'stdout', offset: 0, resumeAt: all.length - 8192 }])
    expect(result.stdout).toBe(all.slice(-8192))
  })

  test('a slow reader holds the process back, others go on, nothing is lost', async () => {
    const done = join(agent.dir, 'slow-done')
    const slow = await agent.guest.processes.startAndFollow(
      sh(`cat; seq 1 400000; touch ${done}`, { id: 'slow', bufferBytes: 65536, stdin: true }),
    )
    const fast = await agent.guest.processes.follow('slow', {})
    await agent.guest.processes.closeStdin('slow')
    // Meanwhile everything else works.
    expect((await run(sh('seq 1 100000 | tail -1'))).stdout).toBe('100000\n')
    const reading = collect(fast.output)
    expect((await run(sh('sleep 0.3; echo later'))).stdout).toBe('later\n')
    expect(existsSync(done)).toBe(false)
    const result = await collect(slow.output)
    expect(result.gaps).toEqual([])
    expect(result.stdout).toBe(Array.from({ length: 400000 }, (_, i) => `${i + 1}\n`).join(''))
    expect((await reading).stdout.length).toBe(result.stdout.length)
    expect(existsSync(done)).toBe(true)
  })

  test('a reader that lets go no longer holds the process back', async () => {
    const { info, output } = await agent.guest.processes.startAndFollow(sh('seq 1 400000', { bufferBytes: 65536 }))
    for await (const _ of output) break
    expect((await agent.guest.processes.wait(info.id)).code).toBe(0)
  })

  test('a grandchild that keeps the output open does not keep the exit', async () => {
    const { info, output } = await agent.guest.processes.startAndFollow(sh('echo first; (sleep 1; echo late) & exit 3'))
    const result = await collect(output)
    expect(result.exit.code).toBe(3)
    expect(result.stdout).toBe('first\n')
    // Its bytes can still be had.
    await until(async () => {
      const again = await collect((await agent.guest.processes.follow(info.id, {})).output)
      return again.stdout === 'first\nlate\n'
    })
  })

  test('a grandchild that prints without end does not keep the exit either', async () => {
    const result = await run(sh('(while :; do echo x; sleep 0.05; done) & echo $!; exit 4'))
    expect(result.exit.code).toBe(4)
    await run(sh(`kill ${result.stdout.split('\n')[0]}`))
  })

  test('all output comes before the exit', async () => {
    for (let i = 0; i < 30; i++) expect((await run(sh('seq 1 5000'))).stdout.length).toBe(23893)
  })

  test('abort ends the stream, not the process', async () => {
    const abort = new AbortController()
    const { info, output } = await agent.guest.processes.startAndFollow(sh('echo a; sleep 100'), abort.signal)
    const seen: ProcessOutput[] = []
    const reading = (async () => {
      for await (const item of output) {
        seen.push(item)
        abort.abort()
      }
    })()
    await expect(reading).rejects.toMatchObject({ code: 'cancelled' })
    expect((await agent.guest.processes.get(info.id)).exit).toBe(null)
    await agent.guest.processes.signal(info.id, 'KILL', true)
  })
})

describe('stdin', () => {
  test('arrives in order and ends', async () => {
    const { info, output } = await agent.guest.processes.startAndFollow(spec(['cat'], { stdin: true }))
    const parts = Array.from({ length: 50 }, (_, i) => Buffer.from(`part ${i}\n`))
    await Promise.all(parts.map((part) => agent.guest.processes.writeStdin(info.id, part)))
    await agent.guest.processes.closeStdin(info.id)
    expect((await collect(output)).stdout).toBe(Buffer.concat(parts).toString())
  })

  test('3 MB come back exactly', async () => {
    const bytes = randomBytes(3_000_000)
    const { info, output } = await agent.guest.processes.startAndFollow(spec(['cat'], { stdin: true }))
    const result = collect(output)
    await agent.guest.processes.writeStdin(info.id, bytes)
    await agent.guest.processes.closeStdin(info.id)
    expect((await result).text.stdout?.equals(bytes)).toBe(true)
  })

  test('is empty unless asked for', async () => {
    expect((await run(spec(['cat']))).stdout).toBe('')
  })

  test('a process that does not read holds its writer only; its end frees the writer', async () => {
    const info = await agent.guest.processes.start(spec(['sleep', '100'], { stdin: true }))
    const writing = agent.guest.processes.writeStdin(info.id, Buffer.alloc(1_000_000)).catch((error) => error)
    expect((await run(sh('echo free'))).stdout).toBe('free\n')
    await agent.guest.processes.signal(info.id, 9, true)
    expect(await writing).toMatchObject({ code: 'guest_error', context: { errno: 'EPIPE' } })
  })

  test('of a process without one is refused', async () => {
    const info = await agent.guest.processes.start(sh('sleep 100'))
    const writing = agent.guest.processes.writeStdin(info.id, Buffer.from('x'))
    await expect(writing).rejects.toMatchObject({ context: { errno: 'EPIPE' } })
    await agent.guest.processes.signal(info.id, 'SIGKILL', true)
  })
})

describe('PTY', () => {
  test('is a controlling terminal of the asked size, and resizes', async () => {
    const script = 'tty; stty size; trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.1; done'
    const { info, output } = await agent.guest.processes.startAndFollow(sh(script, { pty: { cols: 91, rows: 37 } }))
    let text = ''
    for await (const item of output) {
      if (item.type !== 'data') break
      expect(item.stream).toBe('pty')
      text += item.data
      if (text.endsWith('ready\r\n')) await agent.guest.processes.resize(info.id, { cols: 120, rows: 50 })
    }
    expect(text).toMatch(/^\/dev\/pts\/\d+\r\n37 91\r\nready\r\n50 120\r\n$/)
  })

  test('^C interrupts the foreground, ^D ends a shell', async () => {
    const { info, output } = await agent.guest.processes.startAndFollow(
      spec(['bash', '--norc', '-i'], { pty: { cols: 80, rows: 24 }, env: { PS1: '$ ' } }),
    )
    let text = ''
    const done = (async () => {
      for await (const item of output) if (item.type === 'data') text += item.data
    })()
    const type = (keys: string) => agent.guest.processes.writeStdin(info.id, Buffer.from(keys))
    // The prompt says that bash reads: what is typed earlier meets a terminal in another mode.
    await until(() => text.endsWith('$ '))
    await type('sleep 100\n')
    await until(async () => (await run(sh(`ps -o comm= --ppid ${info.pid}`))).stdout.includes('sleep'))
    await type('\x03')
    await until(() => /\^C\r\n.*\$ $/s.test(text))
    await type('echo code $?\n')
    await until(() => /code 130\r\n.*\$ $/s.test(text))
    await agent.guest.processes.closeStdin(info.id)
    await done
  })

  test('resize without one is refused', async () => {
    const info = await agent.guest.processes.start(sh('true'))
    const resizing = agent.guest.processes.resize(info.id, { cols: 1, rows: 1 })
    await expect(resizing).rejects.toMatchObject({ context: { errno: 'ENOTTY' } })
  })
})

describe('signals and ends', () => {
  test('a signal reaches the group, or the process alone', async () => {
    const { info, output } = await agent.guest.processes.startAndFollow(
      sh(
        'trap "echo parent; exit" TERM; (trap "echo child; exit" TERM; echo ready; while :; do sleep 0.05; done) & wait',
      ),
    )
    const seen: string[] = []
    for await (const item of output) {
      if (item.type === 'exit') break
      if (item.type !== 'data' || item.stream !== 'stdout') continue
      seen.push(...item.data.toString().trim().split('\n'))
      if (seen.length === 1) await agent.guest.processes.signal(info.id, 'TERM', true)
    }
    expect(seen.sort()).toEqual(['child', 'parent', 'ready'])
  })

  test('death by signal is 128 + number and its name', async () => {
    const info = await agent.guest.processes.start(sh('sleep 100'))
    await agent.guest.processes.signal(info.id, 'SIGKILL', false)
    expect(await agent.guest.processes.wait(info.id)).toMatchObject({ code: 137, signal: 'SIGKILL', timedOut: false })
    await expect(agent.guest.processes.signal(info.id, 'SIGKILL', false)).rejects.toMatchObject({
      context: { errno: 'ESRCH' },
    })
    await expect(agent.guest.processes.signal(info.id, 'NONSENSE', false)).rejects.toMatchObject({
      context: { errno: 'EINVAL' },
    })
  })

  test('the time limit kills the group', async () => {
    const result = await run(sh('sleep 100 & echo $!; sleep 100', { timeoutMs: 100 }))
    expect(result.exit).toMatchObject({ code: 137, signal: 'SIGKILL', timedOut: true })
    await until(async () => (await run(sh(`kill -0 ${result.stdout.trim()}`))).exit.code !== 0)
  })

  test('orphans are reaped and steal nothing', async () => {
    const result = await run(sh('(sleep 0.1 & sleep 0.1 & sleep 0.1 &); exit 5'))
    expect(result.exit.code).toBe(5)
    await until(async () => !(await run(sh('ps -o stat= --ppid 1'))).stdout.includes('Z'))
  })

  test('list, get and wait know the finished ones; unknown ones are not found', async () => {
    const info = await agent.guest.processes.start(sh('exit 9', { tag: 'mine' }))
    expect((await agent.guest.processes.wait(info.id)).code).toBe(9)
    const listed = (await agent.guest.processes.list()).find((p) => p.id === info.id)
    expect(listed).toMatchObject({ tag: 'mine', pid: info.pid, user: 'root', cwd: '/', exit: { code: 9 } })
    expect((await agent.guest.processes.get(`pid:${info.pid}`)).id).toBe(info.id)
    for (const ref of ['nope', 'pid:999999', 'pid:x', '']) {
      const error = await agent.guest.processes.get(ref).catch((error) => error)
      expect(error).toMatchObject({ code: 'process_not_found', context: { ref } })
    }
  })

  test('wait can be given up', async () => {
    const info = await agent.guest.processes.start(sh('sleep 100'))
    await expect(agent.guest.processes.wait(info.id, AbortSignal.timeout(20))).rejects.toMatchObject({
      code: 'cancelled',
    })
    await agent.guest.processes.signal(info.id, 9, true)
  })
})

test('the last 1,024 finished processes are kept', async () => {
  const first = await agent.guest.processes.start(sh('true'))
  for (let i = 0; i < 1100; i += 50) {
    const ids = await Promise.all(Array.from({ length: 50 }, () => agent.guest.processes.start(spec(['true']))))
    await Promise.all(ids.map(({ id }) => agent.guest.processes.wait(id)))
  }
  await until(async () => (await agent.guest.processes.list()).filter((p) => p.exit !== null).length === 1024)
  await expect(agent.guest.processes.get(first.id)).rejects.toMatchObject({ code: 'process_not_found' })
}, 20_000)

test('the log holds no secrets and no complaint', () => {
  expect(readFileSync(join(agent.dir, 'log'), 'utf8')).toBe('agent: version 0.2.0, protocol 1\n')
})
