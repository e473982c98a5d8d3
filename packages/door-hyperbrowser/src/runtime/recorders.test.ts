import { SpawnpointError } from '@spawnpoint/core'
import { openFakeCore } from '@spawnpoint/fakes'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Recorders } from './recorders.ts'

let fake: Awaited<ReturnType<typeof openFakeCore>>
let recorders: Recorders
let id: string
beforeEach(async () => {
  fake = await openFakeCore()
  recorders = new Recorders(fake.core)
  id = (await (await fake.core.sandboxes.create(fake.by, { image: 'base' })).done).id
})
afterEach(() => fake[Symbol.asyncDispose]())

const SLEEPER = { args: ['/bin/sh', '-c', 'sleep 100'], env: {}, stdin: false }

it('a process has one recorder, however many ask for it first at the same moment', async () => {
  const { guest } = await fake.core.sandboxes.guest(fake.by, id)
  // As another server left it.
  const { id: process } = await guest.processes.start(SLEEPER)
  const [one, two, [listed]] = await Promise.all([
    recorders.get(fake.by, id, process),
    recorders.get(fake.by, id, process),
    recorders.list(fake.by, id),
  ])
  expect([two === one, listed === one]).toEqual([true, true])
  expect(await recorders.get(fake.by, id, `pid:${one.info.pid}`)).toBe(one)
})

it('a process that is found in a list while it is being started has one recorder, too', async () => {
  const starting = recorders.start(fake.by, id, SLEEPER)
  let listed = await recorders.list(fake.by, id)
  while (listed.length === 0) listed = await recorders.list(fake.by, id)
  expect(listed[0]).toBe(await starting)
})

it('a process that has just ended needs no signal', async () => {
  const { guest } = await fake.core.sandboxes.guest(fake.by, id)
  const { info } = await recorders.start(fake.by, id, SLEEPER)
  const failed = (errno: string) => new SpawnpointError('guest_error', errno, { errno })
  const signal = vi.spyOn(guest.processes, 'signal')
  signal.mockRejectedValueOnce(failed('ESRCH')).mockRejectedValueOnce(failed('EPERM'))
  expect((await recorders.signal(fake.by, id, info.id, 'SIGTERM')).info.id).toBe(info.id)
  await expect(recorders.signal(fake.by, id, info.id, 'SIGTERM')).rejects.toThrow('EPERM')
})

it('a process that was not found is looked for again by the next who asks', async () => {
  await expect(recorders.get(fake.by, id, 'later')).rejects.toMatchObject({ code: 'process_not_found' })
  const { guest } = await fake.core.sandboxes.guest(fake.by, id)
  await guest.processes.start({ ...SLEEPER, id: 'later' })
  expect((await recorders.get(fake.by, id, 'later')).info.id).toBe('later')
})

it('what processes that have ended have written is held up to a limit, and read again from the agent beyond it', async () => {
  const few = new Recorders(fake.core, { maxBytes: 150 })
  const run = async (text: string) => {
    const recorder = await few.start(fake.by, id, { args: ['echo', text], env: {}, stdin: false })
    await recorder.ended(null, new AbortController().signal)
    return recorder
  }
  const [first, second] = [await run('first'), await run('second')]
  // Each is held twice: for the result, and as a piece for who comes back.
  expect([first.keptBytes, second.keptBytes]).toEqual([64 + 12, 64 + 14])
  await run('third')
  expect(await few.get(fake.by, id, second.info.id)).toBe(second)
  const again = await few.get(fake.by, id, first.info.id)
  expect(again).not.toBe(first)
  await again.ended(null, new AbortController().signal)
  expect(again.result('stdout')).toBe('first\n')
})
