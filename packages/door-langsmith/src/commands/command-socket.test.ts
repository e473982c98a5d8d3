import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { WebSocket } from 'ws'
import { type DoorWorld, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
let id: string
beforeEach(async () => {
  world = await openDoorWorld()
  id = (await world.box()).id
})
afterEach(() => world[Symbol.asyncDispose]())

interface Talk {
  socket: WebSocket
  // biome-ignore lint/suspicious/noExplicitAny: messages of all shapes, which the tests then look at
  messages: any[]
  /** Close code */
  closed: Promise<number>
  say(message: object): void
  /** Resolves with the first message of this type */
  // biome-ignore lint/suspicious/noExplicitAny: messages of all shapes, which the tests then look at
  heard(type: string): Promise<any>
}

async function talk(first: object): Promise<Talk> {
  const socket = world.socket(id)
  const messages: { type: string }[] = []
  socket.on('message', (data) => void messages.push(JSON.parse(String(data))))
  const closed = once(socket, 'close').then(([code]) => Number(code))
  await once(socket, 'open')
  const say = (message: object) => socket.send(JSON.stringify(message))
  say(first)
  const heard = async (type: string) => {
    for (;;) {
      const found = messages.find((message) => message.type === type)
      if (found !== undefined) return found
      await once(socket, 'message')
    }
  }
  return { socket, messages, closed, say, heard }
}

const execute = (command: string, more: object = {}) => ({
  type: 'execute',
  command,
  shell: '/bin/bash',
  close_stdin: true,
  ...more,
})

describe('a command', () => {
  it('is told to have begun, then what it writes with places, then its end', async () => {
    const { messages, closed } = await talk(execute('echo é; echo b >&2; exit 3', { command_id: 'one' }))
    expect(await closed).toBe(1000)
    expect(messages[0]).toEqual({ type: 'started', command_id: 'one', pid: expect.any(Number) })
    expect(messages).toContainEqual({ type: 'stdout', data: 'é\n', offset: 0 })
    expect(messages).toContainEqual({ type: 'stderr', data: 'b\n', offset: 0 })
    expect(messages.at(-1)).toEqual({ type: 'exit', exit_code: 3 })
  })

  it('runs once for its id, and is followed from where a client was', async () => {
    const first = await talk(execute('echo x >> /root/runs; echo é1; sleep 0.2; cat /root/runs', { command_id: 'one' }))
    await first.heard('started')
    const second = await talk(execute('echo x >> /root/runs', { command_id: 'one' }))
    await first.heard('stdout')
    first.socket.terminate()
    const back = await talk({ type: 'reconnect', command_id: 'one', stdout_offset: 4, stderr_offset: 0 })
    expect(await back.closed).toBe(1000)
    expect(back.messages[0]).toMatchObject({ type: 'started', command_id: 'one' })
    expect(back.messages.filter(({ type }) => type === 'stdout')).toEqual([{ type: 'stdout', data: 'x\n', offset: 4 }])
    await second.closed
    expect(second.messages.at(-1)).toEqual({ type: 'exit', exit_code: 0 })
    const again = await talk({ type: 'reconnect', command_id: 'one', stdout_offset: 0, stderr_offset: 0 })
    await again.closed
    expect(again.messages.at(-1)).toEqual({ type: 'exit', exit_code: 0 })
  })

  it('is not there for who comes too late, or for a wrong id', async () => {
    await (await talk(execute('true', { command_id: 'short', ttl_seconds: 0 }))).closed
    await new Promise((next) => setTimeout(next, 5))
    for (const command_id of ['short', 'nobody']) {
      const late = await talk({ type: 'reconnect', command_id, stdout_offset: 0, stderr_offset: 0 })
      expect(await late.closed).toBe(1000)
      expect(late.messages).toEqual([{ type: 'error', error_type: 'CommandNotFound', error: expect.any(String) }])
    }
  })

  it('runs out of time', async () => {
    const { messages, closed } = await talk(execute('sleep 100', { timeout_seconds: 0.05 }))
    await closed
    expect(messages.at(-1)).toMatchObject({ type: 'error', error_type: 'CommandTimeout' })
  })

  it('takes input, and is killed', async () => {
    const { say, heard, closed, messages } = await talk({ ...execute('cat'), shell: 'cat', close_stdin: undefined })
    await heard('started')
    say({ type: 'of a later version' })
    say({ type: 'kill' })
    await closed
    expect(messages.at(-1)).toMatchObject({ type: 'exit' })
    expect(messages.at(-1).exit_code).not.toBe(0)
  })

  it('hears what its client said before it came back to it', async () => {
    const counts = execute('', { shell: 'counter', command: '1', command_id: 'job: 1/é', close_stdin: undefined })
    const first = await talk(counts)
    expect(await first.heard('started')).toMatchObject({ command_id: 'job: 1/é' })
    const back = await talk({ type: 'input', data: 'early\n' })
    back.say({ type: 'reconnect', command_id: 'job: 1/é', stdout_offset: 0, stderr_offset: 0 })
    await expect.poll(() => back.messages.map(({ data = '' }) => data).join('')).toContain('value ')
    expect(back.messages[0]).toMatchObject({ type: 'started', command_id: 'job: 1/é' })
    back.say({ type: 'kill' })
    expect(await back.closed).toBe(1000)
    expect(back.messages.at(-1)).toEqual({ type: 'exit', exit_code: 137 })
  })

  it('goes with its client if it is to', async () => {
    const { socket, heard } = await talk(execute('sleep 100', { command_id: 'mine', kill_on_disconnect: true }))
    await heard('started')
    const { guest } = await world.core.sandboxes.guest(world.by, id)
    const exit = guest.processes.wait('mine')
    socket.terminate()
    expect((await exit).signal).toBe('SIGKILL')
  })

  it('is not ended while it is followed in the other way, by server-sent events', async () => {
    const gone = new AbortController()
    const stream = await fetch(`${world.url}/langsmith/v2/sandboxes/${id}/execute/stream/start`, {
      method: 'POST',
      headers: { 'x-api-key': world.key, 'content-type': 'application/json' },
      body: JSON.stringify({ command: 'sleep 100', shell: '/bin/bash', command_id: 'both', kill_on_disconnect: true }),
      signal: gone.signal,
    })
    const reader = stream.body?.getReader()
    await reader?.read()
    const back = await talk({ type: 'reconnect', command_id: 'both', stdout_offset: 0, stderr_offset: 0 })
    await back.heard('started')
    gone.abort()
    await reader?.closed.catch(() => {})
    const { guest } = await world.core.sandboxes.guest(world.by, id)
    // Whoever leaves last is who it goes with.
    expect((await guest.processes.get('both')).exit).toBeNull()
    const exit = guest.processes.wait('both')
    back.socket.terminate()
    expect((await exit).signal).toBe('SIGKILL')
  })

  it('is told why it cannot begin', async () => {
    for (const [message, reason] of [
      [{ type: 'execute' }, /command/],
      [{ type: 'unheard-of' }, /./],
      [execute(''), /^command: Expected not to be empty$/],
      [execute('true', { env: { 'A=B': 'c' } }), /^env: names of variables/],
      [execute('true', { cwd: '/nowhere' }), /./],
      [execute('true', { env: { A: 'b' }, run_config: { user: 'root' } }), /run_config/],
    ] as const) {
      const { messages, closed } = await talk(message)
      expect(await closed).toBe(1000)
      expect(messages).toEqual([{ type: 'error', error_type: 'CommandError', error: expect.stringMatching(reason) }])
    }
  })

  it('is left running by a server that closes, which asks its clients to come back', async () => {
    const { closed, heard } = await talk(execute('sleep 100', { command_id: 'on', kill_on_disconnect: true }))
    await heard('started')
    await world.upgrade.close()
    expect(await closed).toBe(1001)
    const { guest } = await world.core.sandboxes.guest(world.by, id)
    expect((await guest.processes.get('on')).exit).toBeNull()
  })
})

it('the handshake is refused to who has no key, and for what is not there', async () => {
  const refused = async (socket: WebSocket) => {
    const [, response] = await once(socket, 'unexpected-response')
    socket.on('error', () => {})
    socket.terminate()
    return (response as { statusCode: number }).statusCode
  }
  expect(await refused(world.socket(id, {}))).toBe(401)
  expect(await refused(world.socket(id, { 'x-api-key': 'wrong' }))).toBe(401)
  expect(await refused(world.socket('0'.repeat(24)))).toBe(404)
  expect(world.failures).toEqual([])
})
