import { SpawnpointError } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EnvdWorld, type Frame, frame, framesAsTheyCome, openEnvdWorld } from './testing/envd-world.ts'

let world: EnvdWorld
let id: string
beforeAll(async () => {
  world = await openEnvdWorld()
  id = (await world.sandbox({ env: { OF_SANDBOX: 'yes', SHARED: 'sandbox' } })).id
})
afterAll(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const call = (method: string, message: unknown, headers = {}) =>
  world.unary(id, `process.Process/${method}`, message, headers)
const run = (cmd: string, args: string[] = [], more: object = {}, headers: Record<string, string> = {}) =>
  world.stream(id, 'process.Process/Start', { process: { cmd, args }, stdin: false, ...more }, headers)
const as = (user: string) => ({ authorization: `Basic ${Buffer.from(`${user}:`).toString('base64')}` })
const outputOf = (frames: Frame[], stream = 'stdout') =>
  Buffer.concat(frames.map(({ json }) => Buffer.from(json.event?.data?.[stream] ?? '', 'base64'))).toString()
const endOf = (frames: Frame[]) => frames.at(-2)?.json.event?.end
const errorOf = (frames: Frame[]) => frames.at(-1)?.json.error

/** A process in the background, its stream still open. */
async function start(message: object, headers: Record<string, string> = {}) {
  const res = await world.open(id, 'process.Process/Start', frame(message), headers)
  const frames = framesAsTheyCome(res)
  const pid: number = (await frames.next()).value?.json.event.start.pid
  const rest = async () => {
    const all: Frame[] = []
    for await (const one of frames) all.push(one)
    return all
  }
  return { pid, res, frames, rest, process: { pid } }
}

describe('start', () => {
  it('runs as the default user in the working directory, with its environment', async () => {
    const lines = outputOf(await run('print-context')).split('\0')
    expect(lines.slice(0, 2)).toEqual(['/home/user', 'user'])
    const { id: template } = await world.core.names.get(world.by, 'base')
    const own = ['OF_SANDBOX=yes', 'E2B_SANDBOX=true', `E2B_SANDBOX_ID=${id}`, `E2B_TEMPLATE_ID=${template}`]
    expect(lines).toEqual(expect.arrayContaining(own))
  })

  it('runs as it is told', async () => {
    const process = { cmd: 'print-context', envs: { SHARED: 'call' }, cwd: '/var' }
    const frames = await world.stream(id, 'process.Process/Start', { process }, as('root'))
    const lines = outputOf(frames).split('\0')
    expect([lines[0], lines[1], lines.includes('SHARED=call')]).toEqual(['/var', 'root', true])
  })

  it('is in another shell where the image has not got the clients’ own', async () => {
    const missing = (what: 'program' | 'cwd') =>
      new SpawnpointError('guest_error', 'no such file or directory', { errno: 'ENOENT', path: '/x', what })
    const shell = ['-l', '-c', 'echo in a shell; sleep 60']
    world.host.faults.failNext('guest.processes.startAndFollow', missing('program'))
    const { frames, process } = await start({ process: { cmd: '/bin/bash', args: shell }, stdin: false })
    const { value } = await frames.next()
    expect(value === undefined ? '' : outputOf([value])).toBe('in a shell\n')
    const { processes } = (await call('List', {})).json()
    expect(processes).toMatchObject([{ config: { cmd: '/bin/sh', args: shell } }])
    await call('SendSignal', { process, signal: 'SIGNAL_SIGKILL' })
    for (const [cmd, error] of [
      ['/bin/zsh', missing('program')],
      ['/bin/bash', missing('cwd')],
    ] as const) {
      world.host.faults.failNext('guest.processes.startAndFollow', error)
      expect(errorOf(await run(cmd))).toMatchObject({ code: 'invalid_argument' })
    }
  })

  it('keeps output apart and tells the exit code', async () => {
    const frames = await run('exit', ['3', 'out', 'err'])
    expect([outputOf(frames), outputOf(frames, 'stderr')]).toEqual(['out', 'err'])
    expect(endOf(frames)).toEqual({ exitCode: 3, exited: true, status: 'exit status 3', error: 'exit status 3' })
  })

  it('waits for output that a child keeps open', async () => {
    const frames = await run('leaver', ['first', ' last', '500'])
    expect([outputOf(frames), endOf(frames)?.status]).toEqual(['first last', 'exit status 0'])
  })

  it.each([
    ['no command', {}, {}, 'invalid_argument'],
    ['an empty command', { process: { cmd: '' } }, {}, 'invalid_argument'],
    ['an unknown program', { process: { cmd: 'no-such-program' } }, {}, 'invalid_argument'],
    ['a missing directory', { process: { cmd: 'echo', cwd: '/no/such' } }, {}, 'invalid_argument'],
    ['a user that is not there', { process: { cmd: 'echo' } }, as('nosuchuser'), 'unauthenticated'],
    [
      'a terminal too large',
      { process: { cmd: 'echo' }, pty: { size: { cols: 70_000, rows: 1 } } },
      {},
      'invalid_argument',
    ],
  ])('of %s is refused', async (_, message, headers, code) => {
    const frames = await world.stream(id, 'process.Process/Start', message, headers as Record<string, string>)
    expect([frames.length, errorOf(frames)?.code]).toEqual([1, code])
  })

  it('says what is wrong in the words clients know', async () => {
    const missing = await world.stream(id, 'process.Process/Start', { process: { cmd: 'echo', cwd: '/no/such' } })
    expect(errorOf(missing).message).toBe("cwd '/no/such' does not exist")
    const nobody = await world.stream(id, 'process.Process/Start', { process: { cmd: 'echo' } }, as('nosuchuser'))
    expect(errorOf(nobody).message).toBe("invalid username: 'nosuchuser'")
  })

  it('ends the process at the time limit, and says so', async () => {
    const frames = await run('sleep', ['1000'], {}, { 'connect-timeout-ms': '300' })
    expect(errorOf(frames).code).toBe('deadline_exceeded')
    const alive = async () =>
      (await (await world.guest(id)).processes.list()).filter(({ exit, args }) => exit === null && args[0] === 'sleep')
    await expect.poll(alive).toEqual([])
    expect(errorOf(await run('echo', [], {}, { 'connect-timeout-ms': 'soon' })).code).toBe('invalid_argument')
  })

  it('does not end the process when the client leaves, but at its time limit', async () => {
    const stays = await start({ process: { cmd: 'sleep', args: ['1000'] } })
    stays.res.destroy()
    const limited = await start({ process: { cmd: 'sleep', args: ['1000'] } }, { 'connect-timeout-ms': '400' })
    limited.res.destroy()
    const listed = async () => (await call('List', {})).json().processes.map(({ pid }: { pid: number }) => pid)
    expect(await listed()).toEqual(expect.arrayContaining([stays.pid, limited.pid]))
    await expect.poll(listed).not.toContain(limited.pid)
    expect(await listed()).toContain(stays.pid)
    await call('SendSignal', { process: stays.process, signal: 'SIGNAL_SIGKILL' })
  })
})

describe('a process', () => {
  it('is listed while it runs, as it was asked for', async () => {
    const message = { process: { cmd: 'sleep', args: ['1000'], envs: { A: '1' }, cwd: '/tmp' }, tag: 'mine' }
    const { pid, process, rest } = await start(message)
    const found = () =>
      call('List', {}).then(({ json }) => (json().processes ?? []).filter((one: { pid: number }) => one.pid === pid))
    expect(await found()).toEqual([
      { config: { cmd: 'sleep', args: ['1000'], envs: { A: '1' }, cwd: '/tmp' }, pid, tag: 'mine' },
    ])
    expect((await call('SendSignal', { process, signal: 'SIGNAL_SIGKILL' })).json()).toEqual({})
    const frames = await rest()
    expect(frames.at(-2)?.json.event.end).toEqual({ exitCode: -1, status: 'signal: killed', error: 'signal: killed' })
    expect(await found()).toEqual([])
  })

  it.each([
    ['SIGNAL_SIGTERM', 'signal: terminated'],
    [15, 'signal: terminated'],
    [9, 'signal: killed'],
  ])('is ended by %s', async (signal, status) => {
    const { process, rest } = await start({ process: { cmd: 'sleep', args: ['1000'] } })
    await call('SendSignal', { process, signal })
    expect(endOf(await rest())).toMatchObject({ exitCode: -1, status })
  })

  it('takes input until it is closed', async () => {
    const { process, rest } = await start({ process: { cmd: 'cat' } })
    const input = (text: string) => ({ process, input: { stdin: Buffer.from(text).toString('base64') } })
    expect((await call('SendInput', input('one '))).json()).toEqual({})
    await call('SendInput', input('two'))
    expect((await call('SendInput', { process, input: { pty: 'eA==' } })).json()).toMatchObject({ code: 'internal' })
    expect((await call('SendInput', { process })).json()).toMatchObject({ code: 'invalid_argument' })
    await call('CloseStdin', { process })
    expect((await call('CloseStdin', { process })).status).not.toBe(500)
    const frames = await rest()
    expect([outputOf(frames), endOf(frames).status]).toEqual(['one two', 'exit status 0'])
  })

  it('started without input refuses it', async () => {
    const { process } = await start({ process: { cmd: 'sleep', args: ['1000'] }, stdin: false })
    const { status, json } = await call('SendInput', { process, input: { stdin: 'eA==' } })
    expect([status, json()]).toEqual([500, { code: 'internal', message: 'stdin not enabled or closed' }])
    await call('SendSignal', { process, signal: 'SIGNAL_SIGKILL' })
  })

  it('takes input as a stream', async () => {
    const { process, rest } = await start({ process: { cmd: 'cat' } })
    const data = (text: string) => frame({ data: { input: { stdin: Buffer.from(text).toString('base64') } } })
    const body = Buffer.concat([frame({ start: { process } }), data('a'), frame({ keepalive: {} }), data('b')])
    const res = await world.open(id, 'process.Process/StreamInput', body)
    for await (const { flags, json } of framesAsTheyCome(res)) expect([flags, json.error]).toEqual([flags, undefined])
    const early = await world.open(id, 'process.Process/StreamInput', data('c'))
    for await (const { json } of framesAsTheyCome(early)) expect(json.error.code).toBe('invalid_argument')
    await call('CloseStdin', { process })
    expect(outputOf(await rest())).toBe('ab')
  })

  it('that is not there is not found', async () => {
    const process = { pid: 999_999 }
    for (const [method, more] of [
      ['SendSignal', { signal: 'SIGNAL_SIGKILL' }],
      ['SendInput', { input: { stdin: '' } }],
      ['CloseStdin', {}],
      ['Update', { pty: { size: { cols: 1, rows: 1 } } }],
    ] as const) {
      const { status, json } = await call(method, { process, ...more })
      expect([method, status, json().code]).toEqual([method, 404, 'not_found'])
    }
    expect((await call('SendSignal', { signal: 9 })).json().code).toBe('invalid_argument')
    expect((await call('SendSignal', { process, signal: 'SIGNAL_UNSPECIFIED' })).json().code).toBe('invalid_argument')
    expect(errorOf(await world.stream(id, 'process.Process/Connect', { process })).code).toBe('not_found')
  })

  it('of another sandbox is not found', async () => {
    const other = await world.sandbox()
    const { pid } = await start({ process: { cmd: 'sleep', args: ['1000'] }, tag: 'here' })
    for (const selector of [{ pid }, { tag: 'here' }]) {
      const kill = { process: selector, signal: 'SIGNAL_SIGKILL' }
      expect((await world.unary(other.id, 'process.Process/SendSignal', kill)).status).toBe(404)
    }
    expect((await call('SendSignal', { process: { tag: 'here' }, signal: 9 })).status).toBe(200)
  })
})

describe('connect', () => {
  it('follows what comes from now on, to the end', async () => {
    const { process, frames, pid } = await start({ process: { cmd: 'cat' } })
    await call('SendInput', { process, input: { stdin: Buffer.from('before').toString('base64') } })
    await frames.next()
    const second = framesAsTheyCome(await world.open(id, 'process.Process/Connect', frame({ process })))
    expect((await second.next()).value?.json.event.start.pid).toBe(pid)
    await call('SendInput', { process, input: { stdin: Buffer.from('after').toString('base64') } })
    expect((await second.next()).value?.json.event.data.stdout).toBe(Buffer.from('after').toString('base64'))
    await call('CloseStdin', { process })
    expect((await second.next()).value?.json.event.end.status).toBe('exit status 0')
    const late = await world.stream(id, 'process.Process/Connect', { process })
    expect(late.map(({ json }) => Object.keys(json.event ?? { last: 1 })[0])).toEqual(['start', 'end', 'last'])
  })

  it('does not find what ended half a minute ago', async () => {
    const { pid, rest } = await start({ process: { cmd: 'echo' } })
    await rest()
    const guest = await world.guest(id)
    const real = guest.processes.get.bind(guest.processes)
    guest.processes.get = async (ref) => {
      const info = await real(ref)
      return info.exit === null ? info : { ...info, exit: { ...info.exit, at: new Date(Date.now() - 30_001) } }
    }
    expect(errorOf(await world.stream(id, 'process.Process/Connect', { process: { pid } })).code).toBe('not_found')
    guest.processes.get = real
  })
})

describe('a PTY', () => {
  it('shows, takes input, and changes its size', async () => {
    const message = { process: { cmd: 'terminal-size' }, pty: { size: { cols: 80, rows: 24 } } }
    const { process, frames } = await start(message)
    const shown = async () => Buffer.from((await frames.next()).value?.json.event.data.pty, 'base64').toString()
    expect(await shown()).toBe('80x24\r\n')
    expect((await call('Update', { process, pty: { size: { cols: 100, rows: 50 } } })).json()).toEqual({})
    expect(await shown()).toBe('100x50\r\n')
    expect((await call('SendInput', { process, input: { stdin: 'eA==' } })).json().code).toBe('internal')
    expect((await call('CloseStdin', { process })).json().code).toBe('internal')
    expect((await call('SendInput', { process, input: { pty: 'eA==' } })).status).toBe(200)
    await call('SendSignal', { process, signal: 'SIGNAL_SIGKILL' })
  })
})
