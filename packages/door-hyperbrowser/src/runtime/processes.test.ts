import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DoorWorld, type Got, openDoorWorld } from '../testing/door-world.ts'

let world: DoorWorld
let sandbox: { id: string; token: string }
beforeEach(async () => {
  world = await openDoorWorld()
  sandbox = await world.sandbox()
})
afterEach(async () => {
  expect(world.failures).toEqual([])
  await world[Symbol.asyncDispose]()
})

const post = (path: string, body: unknown = {}): Promise<Got> => world.inside(sandbox, 'POST', path, body)
const exec = async (more: object) => (await post('/exec', { command: 'pwd', ...more })).body.result
const start = async (command: string) => (await post('/processes', { command })).body.process

it('what is empty or 0 is what is left out', async () => {
  expect(await exec({ cwd: '', runAs: '', timeoutMs: 0, timeout_sec: 0 })).toMatchObject({
    status: 'exited',
    exit_code: 0,
  })
  // As the vendor's own clients have it where both are given.
  expect(await exec({ command: 'sleep 5', timeout_sec: 0.05, timeoutMs: 60_000 })).toMatchObject({
    status: 'timed_out',
  })
  const { id } = await start('sleep 0.05')
  expect((await post(`/processes/${id}/wait`, { timeoutMs: 0 })).body.result).toMatchObject({ status: 'exited' })
  expect((await post('/exec', { command: 'pwd', timeoutMs: -1 })).status).toBe(400)
})

it('a process that has ended takes no input, which is no fault of the request', async () => {
  const { id } = await start('true')
  await post(`/processes/${id}/wait`)
  expect(await post(`/processes/${id}/stdin`, { data: 'x' })).toMatchObject({
    status: 409,
    body: { message: expect.stringContaining('has exited') },
  })
})

it.each(['TERM', 'SIGTERM', 'term', '15'])('signals are known as %s', async (signal) => {
  const { id } = await start('sleep 1000')
  const sent = await post(`/processes/${id}/signal`, { signal })
  expect([sent.status, sent.body.process.id]).toEqual([200, id])
  expect((await post(`/processes/${id}/wait`)).body.result).toMatchObject({ status: 'killed', exit_code: 143 })
  // Of one that has ended there is nothing to do.
  expect((await post(`/processes/${id}/signal`, { signal })).status).toBe(200)
})

it.each(['', '0', '100', 'TERM;', 'SIG'])('%j is no signal', async (signal) => {
  const { id } = await start('sleep 1000')
  expect((await post(`/processes/${id}/signal`, { signal })).status).toBe(400)
})

it('what is not known yet is left out, as clients have it in their types', async () => {
  const running = await start('sleep 1000')
  expect(running).not.toHaveProperty('completed_at')
  const { pty } = (await post('/pty', { command: 'sleep', args: ['1000'] })).body
  for (const field of ['error', 'finishedAt']) expect(pty).not.toHaveProperty(field)
  await post(`/processes/${running.id}/signal`, { signal: 'KILL' })
  const { result } = (await post(`/processes/${running.id}/wait`)).body
  expect(result.completed_at).toBeGreaterThanOrEqual(result.started_at)
})

it.each([
  [{ command: 'a\0b' }, /^body\.command: must not contain NUL/],
  [{ cwd: '/\0' }, /^body\.cwd: must not contain NUL/],
  [{ env: { A: 'a\0b' } }, /^body\.env\.A: must not contain NUL/],
  [{ env: { 'A=B': '1' } }, /^body\.env: names of variables must not be empty/],
])('what Linux cannot take is refused, not left out: %j', async (more, message) => {
  for (const path of ['/exec', '/processes', '/pty']) {
    const { status, body } = await post(path, { command: 'pwd', ...more })
    expect([status, body.message], path).toEqual([400, expect.stringMatching(message)])
  }
})

it('a command is as long as Linux has it for one argument', async () => {
  const echo = (bytes: number) => post('/exec', { command: 'echo '.padEnd(bytes, 'x') })
  expect((await echo(131_071)).status).toBe(200)
  expect((await echo(131_072)).body.message).toBe('body.command: at most 131071 bytes')
})

it('input that is not what it is said to be is refused, not cut', async () => {
  const { id } = await start('sleep 1000')
  const stdin = (data: string) => post(`/processes/${id}/stdin`, { data, encoding: 'base64' })
  expect((await stdin('!!!')).body.message).toMatch(/data: not base64/)
  expect((await stdin('aGk=')).status).toBe(200)
})

it.each(['', '0'])('a list from cursor %j on is one from its beginning', async (cursor) => {
  const { id } = await start('sleep 1000')
  const { body } = await world.inside(sandbox, 'GET', `/processes?cursor=${cursor}`)
  expect(body.data.map((one: { id: string }) => one.id)).toEqual([id])
})
