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
