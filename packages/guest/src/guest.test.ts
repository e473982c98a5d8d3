import { closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import type { ProcessOutput } from '@spawnpoint/core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { buildAgent, identity, startAgent, type TestAgent } from '../test/test-agent.ts'
import { until } from '../test/until.ts'
import { encodeFrame } from './frames.ts'
import type { OpenedGuest } from './index.ts'

let built: string
let binary: string
let agent: TestAgent
let guest: OpenedGuest
beforeAll(() => {
  built = mkdtempSync(join(tmpdir(), 'spawnpoint-build-'))
  binary = buildAgent(built)
}, 60_000)
afterAll(() => rmSync(built, { recursive: true, force: true }))
beforeEach(async () => {
  agent = await startAgent(binary)
  guest = agent.guest
  return () => agent[Symbol.asyncDispose]()
})

async function sh(script: string, on = guest): Promise<string> {
  const { output } = await on.processes.startAndFollow({ args: ['sh', '-c', script], env: {}, stdin: false })
  let out = ''
  for await (const item of output) if (item.type === 'data') out += item.data
  return out
}

const COUNT = 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); echo $i; done'
const COUNTED = Array.from({ length: 60000 }, (_, i) => `${i + 1}\n`).join('')
const start = (script: string, id: string) =>
  guest.processes.startAndFollow({ id, args: ['sh', '-c', script], env: {}, stdin: false })

/** Reads a stream from some offset to its end; fails on any lost or doubled byte. */
async function follow(output: AsyncIterable<ProcessOutput>, at = 0): Promise<string> {
  let out = ''
  for await (const item of output) {
    if (item.type === 'exit') return out
    expect(item.type).toBe('data')
    expect(item.offset).toBe(at + out.length)
    if (item.type === 'data') out += item.data
  }
  throw new Error('no exit')
}

describe('identify', () => {
  test('makes the machine somebody', async () => {
    const host = readFileSync('/etc/hostname', 'utf8')
    expect(await guest.identify({ ...identity, cause: 'boot' })).toEqual({
      hostname: true,
      machineId: true,
      entropy: true,
      generation: 3,
      hooks: [],
    })
    const seen = await sh('hostname; cat /etc/hostname /etc/resolv.conf /etc/machine-id /run/spawnpoint/generation')
    expect(seen).toMatch(/^box\nbox\nnameserver 10.88.0.1\n[0-9a-f]{32}\n3\n$/)
    expect(await sh('cat /run/spawnpoint/sandbox-id; grep -c box /etc/hosts')).toBe(`${identity.sandboxId}\n1\n`)
    const machineId = await sh('cat /etc/machine-id')
    await guest.identify({ ...identity, sandboxId: 'f'.repeat(24), hostname: 'other', generation: 4 })
    expect(await sh('cat /etc/machine-id')).not.toBe(machineId)
    expect(await sh('hostname; cat /run/spawnpoint/generation; grep -c box /etc/hosts; grep -c other /etc/hosts')).toBe(
      'other\n4\n0\n1\n',
    )
    // None of it reached this machine.
    expect(readFileSync('/etc/hostname', 'utf8')).toBe(host)
  })

  test('takes another environment for what starts from now on, and nothing else changes', async () => {
    await guest.identify({ ...identity, env: { A: '1', B: '2' }, cause: 'boot' })
    await sh('echo own > /etc/resolv.conf; hostname changed')
    await guest.setEnv({ B: '3' })
    expect(await sh('echo "$A,$B"; cat /etc/resolv.conf; hostname; cat /run/spawnpoint/generation')).toBe(
      ',3\nown\nchanged\n3\n',
    )
    await guest.setEnv({})
    expect(await sh('echo "$A,$B"')).toBe(',\n')
  })

  test('starts the start command at boot only', async () => {
    const defaults = { user: 'nobody', workdir: '/tmp', startCommand: ['sh', '-c', 'id -un; pwd; exec sleep 100'] }
    await guest.identify({ ...identity, defaults })
    expect(await guest.processes.list()).toEqual([])
    await guest.identify({ ...identity, defaults, cause: 'boot' })
    const { info, output } = await guest.processes.follow('start', {})
    expect(info).toMatchObject({ id: 'start', user: 'nobody', cwd: '/tmp' })
    let out = ''
    for await (const item of output) {
      if (item.type === 'data') out += item.data
      if (out === 'nobody\n/tmp\n') break
    }
  })

  test('runs post-restore hooks in order within their time', async () => {
    const dir = '/etc/spawnpoint/hooks/post-restore.d'
    await sh(`mkdir -p ${dir}; cd ${dir}
      printf '#!/bin/sh\\necho one $SPAWNPOINT_GENERATION; echo err >&2' > 10-one
      printf '#!/bin/sh\\nseq 1 5000; exit 3' > 20-two
      printf '#!/bin/sh\\nsleep 100' > 30-slow
      printf '#!/bin/sh\\ntrue' > 40-late
      chmod +x *; echo no > 05-not-executable`)
    const { hooks } = await guest.identify({ ...identity, hookTimeoutMs: 400 })
    expect(hooks.map((hook) => [hook.name, hook.outcome, hook.exitCode])).toEqual([
      ['10-one', 'ok', 0],
      ['20-two', 'failed', 3],
      ['30-slow', 'timed_out', null],
      ['40-late', 'timed_out', null],
    ])
    expect(hooks[0]?.output).toBe('one 3\nerr\n')
    expect(hooks[1]?.output.length).toBe(4096)
    expect(hooks[1]?.output).toMatch(/4999\n5000\n$/)
    expect((await guest.processes.list()).filter((p) => p.id.startsWith('hook'))).toEqual([])
    expect((await guest.identify({ ...identity, cause: 'boot' })).hooks).toEqual([])
  })
})

describe('hold', () => {
  test('stops all traffic; release goes on without a lost or doubled byte', async () => {
    const { output } = await start(COUNT, 'count')
    const reading = follow(output)
    const reader = openSync(agent.fromGuest, constants.O_RDONLY | constants.O_NONBLOCK)
    for (let i = 0; i < 20; i++) {
      await guest.hold({ hooks: false, hookTimeoutMs: 0, sync: false, findCulprits: false })
      const waiting = guest.ping()
      // Nothing is in the pipe now, and nothing comes.
      await new Promise((resolve) => setTimeout(resolve, 5))
      const buffer = Buffer.alloc(10)
      const { readSync } = await import('node:fs')
      expect(() => readSync(reader, buffer, 0, 10, null)).toThrow('EAGAIN')
      await guest.release()
      await waiting
    }
    closeSync(reader)
    expect(await reading).toBe(COUNTED)
  })

  test('runs pre-snapshot hooks and finds what an older runtime cannot capture', async () => {
    await sh(`mkdir -p /etc/spawnpoint/hooks/pre-snapshot.d; cd /etc/spawnpoint/hooks/pre-snapshot.d
      printf '#!/bin/sh\\necho ready' > flush; chmod +x flush`)
    const path = '/var/tmp/spawnpoint-deleted-file'
    const { output } = await start(
      `exec 7>${path}; rm ${path}; exec 8>/run/on-tmpfs; rm /run/on-tmpfs; echo go; exec sleep 100`,
      'holder',
    )
    for await (const item of output) if (item.type === 'data') break
    const report = await guest.hold({ hooks: true, hookTimeoutMs: 1000, sync: true, findCulprits: true })
    expect(report.hooks).toMatchObject([{ name: 'flush', outcome: 'ok', output: 'ready\n' }])
    const { pid } = await (async () => {
      await guest.release()
      return guest.processes.get('holder')
    })()
    expect(report.culprits).toEqual([{ pid, what: 'file descriptor 7', path }])
  })

  test('does not count against time limits, also when a second host attaches', async () => {
    const limited = { args: ['sleep', '100'], env: {}, stdin: false, timeoutMs: 300 }
    const one = await guest.processes.start(limited)
    await guest.hold({ hooks: false, hookTimeoutMs: 0, sync: false, findCulprits: false })
    await new Promise((resolve) => setTimeout(resolve, 500))
    await guest.close()
    const second = await agent.attach()
    const held = await second.processes.get(one.id)
    expect(held.exit).toBe(null)
    expect(await second.processes.wait(one.id)).toMatchObject({ timedOut: true })
  })

  test('release twice is no harm, hold twice is a mistake', async () => {
    await guest.release()
    await guest.hold({ hooks: false, hookTimeoutMs: 0, sync: false, findCulprits: false })
    await expect(guest.hold({ hooks: false, hookTimeoutMs: 0, sync: false, findCulprits: false })).rejects.toThrow(
      'held already',
    )
    await guest.release()
    await guest.release()
    expect(await sh('echo works')).toBe('works\n')
  })
})

describe('a second host', () => {
  test('takes over in the middle of everything and reads on from its offset', async () => {
    const { output } = await start(COUNT, 'count')
    let before = ''
    for await (const item of output) {
      if (item.type === 'data') before += item.data
      if (before.length > 50_000) break
    }
    const writing = guest.files
      .write(
        join(agent.dir, 'half'),
        (async function* () {
          for (;;) {
            yield Buffer.alloc(50_000)
            await new Promise((resolve) => setImmediate(resolve))
          }
        })(),
      )
      .catch((error) => error)
    await guest.close()
    expect(await writing).toMatchObject({ code: 'stale_incarnation' })
    await expect(guest.ping()).rejects.toMatchObject({ code: 'stale_incarnation' })
    await guest.gone

    // What a dying host may leave: a frame cut anywhere, garbage, a marker of its own.
    const frame = encodeFrame(1, 2, 77, Buffer.from(JSON.stringify({ method: 'shutdown', params: { graceMs: 0 } })))
    for (const rubbish of [
      frame.subarray(0, 5),
      frame.subarray(0, 30),
      Buffer.from('garbage'),
      frame.subarray(0, 16),
    ]) {
      const toGuest = openSync(agent.toGuest, constants.O_WRONLY | constants.O_NONBLOCK)
      writeSync(toGuest, rubbish)
      closeSync(toGuest)
      // And a half frame from the guest that nobody read.
      const fromGuest = openSync(agent.fromGuest, constants.O_RDWR | constants.O_NONBLOCK)
      try {
        writeSync(fromGuest, rubbish)
      } catch (error) {
        // The pipe is full of what the agent wrote to the dead host: half frames of its own.
        expect(error).toHaveProperty('code', 'EAGAIN')
      }
      closeSync(fromGuest)
      const next = await agent.attach()
      const again = await next.processes.follow('count', { from: { stdout: before.length } })
      expect(before + (await follow(again.output, before.length))).toBe(COUNTED)
      await next.close()
    }
    const last = await agent.attach()
    await until(() => !existsSync(join(agent.dir, 'half')))
    expect(await sh(`ls -A ${agent.dir} | grep -c spawnpoint-write`, last)).toBe('0\n')
  })

  test('may attach while the agent is stuck writing to a host that died', async () => {
    const { output } = await start('yes', 'yes')
    for await (const item of output) if (item.type === 'data') break
    const second = await start('yes', 'yes2')
    void second
    await guest.close()
    const next = await agent.attach()
    expect(await sh('echo fine', next)).toBe('fine\n')
    expect((await next.processes.list()).length).toBe(3)
  })

  test('twenty in a row', async () => {
    for (let i = 0; i < 20; i++) {
      const next = await agent.attach()
      expect(await sh(`echo ${i}`, next)).toBe(`${i}\n`)
      await next.close()
    }
  })
})

describe('ports', () => {
  const ECHO = `
    import socket, threading
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', 8123)); s.listen()
    print('up', flush=True)
    def serve(c):
        n = 0
        while True:
            b = c.recv(65536)
            if not b: break
            n += len(b); c.sendall(b)
        c.sendall(b'total %d' % n); c.close()
    while True: threading.Thread(target=serve, args=(s.accept()[0],)).start()`

  test('carry bytes both ways and half-close', async () => {
    const program = ECHO.replaceAll('\n    ', '\n')
    const { output } = await guest.processes.startAndFollow({ args: ['python3', '-c', program], env: {}, stdin: false })
    for await (const item of output) if (item.type === 'data') break
    const big = Buffer.alloc(3_000_000, 'abcdefg')
    const streams = await Promise.all([guest.connectPort(8123), guest.connectPort(8123)])
    const results = streams.map((stream) => buffer(stream))
    for (const stream of streams) stream.end(big)
    for (const result of await Promise.all(results)) {
      expect(result.length).toBe(big.length + 13)
      expect(result.subarray(0, big.length).equals(big)).toBe(true)
      expect(result.subarray(big.length).toString()).toBe('total 3000000')
    }
    // One that nobody reads holds up nobody.
    const stuck = await guest.connectPort(8123)
    stuck.write(big)
    const other = await guest.connectPort(8123)
    other.end('x')
    expect(await text(other)).toBe('xtotal 1')
    stuck.destroy()
  })

  test('closed ones are refused', async () => {
    await expect(guest.connectPort(1)).rejects.toMatchObject({ code: 'port_closed', context: { port: 1 } })
    await expect(guest.connectPort(0)).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

test('metrics are plausible', async () => {
  await sh('i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; head -c 3000000 /dev/zero > /var/tmp/filler')
  await guest.processes.start({ args: ['sleep', '100'], env: {}, stdin: false })
  const metrics = await guest.metrics()
  expect(metrics.processes).toBe(2)
  expect(metrics.cpuMs).toBeGreaterThan(20)
  expect(metrics.cpuMs).toBeLessThan(60_000)
  expect(metrics.memoryUsedBytes).toBeGreaterThan(1_000_000)
  expect(metrics.diskUsedBytes).toBeGreaterThan(1_000_000)
  expect(metrics.diskTotalBytes).toBeGreaterThan(metrics.diskUsedBytes)
})

test('shutdown asks first and kills then', async () => {
  const polite = join(agent.dir, 'polite')
  await start(`trap 'touch ${polite}; exit' TERM; echo up; while :; do sleep 0.05; done`, 'polite')
  const { output } = await start(`trap '' TERM; echo up; while :; do sleep 0.05; done`, 'stubborn')
  for await (const item of output) if (item.type === 'data') break
  await until(async () => (await guest.processes.list()).length === 2)
  const first = await guest.processes.follow('polite', {})
  for await (const item of first.output) if (item.type === 'data') break
  await guest.shutdown(300)
  expect(existsSync(polite)).toBe(true)
  const exits = await Promise.all(['polite', 'stubborn'].map((id) => guest.processes.wait(id)))
  expect(exits.map((exit) => exit.signal)).toEqual([null, 'SIGKILL'])
  // The agent itself lives on until the runtime ends it.
  expect(await sh('echo alive')).toBe('alive\n')
})

test('what an older agent does not know is a typed error', async () => {
  await guest.close()
  const { Session } = await import('./session.ts')
  const session = new Session({ toGuest: agent.toGuest, fromGuest: agent.fromGuest, label: 'x' })
  await expect(session.call('no.such.method', {})).rejects.toMatchObject({ code: 'unavailable' })
  await expect(session.call('process.start', { args: 7 })).rejects.toMatchObject({ code: 'invalid_argument' })
  expect(await session.call('ping', {})).toEqual({})
  session.close()
})
