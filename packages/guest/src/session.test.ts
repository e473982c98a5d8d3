import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { GuestIdentity } from '@spawnpoint/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeAgent } from '../test/fake-agent.ts'
import { info } from '../test/process-info.ts'
import { frameType } from './frames.ts'
import { dialGuest, openGuest } from './index.ts'

let fake: FakeAgent
beforeEach(() => {
  fake = new FakeAgent()
})
afterEach(() => fake.close())

describe('an agent of the first version', () => {
  const file = {
    path: '/f',
    name: 'f',
    type: 'file',
    sizeBytes: 0,
    mode: 0o644,
    uid: 0,
    gid: 0,
    owner: 'root',
    group: 'root',
    modifiedAtMs: 1,
    symlinkTarget: null,
  }

  test('is asked in its own words, and what it does not tell is left out', async () => {
    const { files, processes } = await fake.open()
    fake.answer = (id, method) =>
      fake.say(frameType.result, 2, id, method === 'process.get' ? info : method === 'file.setXattr' ? {} : file)
    const found = await files.stat('f', { owner: 'games', xattrs: 'user.', targets: true })
    expect(found).toMatchObject({ target: null, xattrs: {} })
    await files.write('f', Readable.from([Buffer.from('x')]), { owner: 'games', xattrs: { 'user.a': '1' } })
    await files.mkdir('d', { user: 'nobody' })
    expect((await processes.get('p')).env).toEqual({})
    const asked = fake.requests.slice(1).map(({ method, params }) => [method, params])
    expect(asked).toEqual([
      ['file.stat', { path: 'f', user: 'games', xattrs: 'user.', targets: true }],
      ['file.write', { path: 'f', user: 'games', attributes: { 'user.a': '1' } }],
      ['file.setXattr', { path: '/f', attributes: { 'user.a': '1' } }],
      ['file.mkdir', { path: 'd', user: 'nobody' }],
      ['process.get', { ref: 'p' }],
    ])
  })
})

describe('attach', () => {
  test('to a guest that says nothing ends in time and lets go of its descriptors', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-silent-'))
    execFileSync('mkfifo', [join(dir, 'a'), join(dir, 'b')])
    const opening = openGuest({
      toGuest: join(dir, 'a'),
      fromGuest: join(dir, 'b'),
      label: 's',
      timeouts: { attachMs: 50 },
    })
    await expect(opening).rejects.toMatchObject({ code: 'guest_unresponsive', context: { sandboxId: 's' } })
    rmSync(dir, { recursive: true })
  })

  test('refuses what is no FIFO or not there', async () => {
    const file = join(tmpdir(), `spawnpoint-file-${process.pid}`)
    writeFileSync(file, '')
    await expect(openGuest({ toGuest: file, fromGuest: file, label: 's' })).rejects.toThrow('not a FIFO')
    rmSync(file)
    await expect(openGuest({ toGuest: file, fromGuest: file, label: 's' })).rejects.toThrow('ENOENT')
  })

  test('wades through megabytes of an earlier session', async () => {
    const opening = fake.open()
    fake.raw(Buffer.alloc(5_000_000, 'SPAWNPOINT-MARK'))
    expect((await opening).agentVersion).toBe('9')
  })

  test('speaks to a guest before it runs, which finds all of it when it wakes, however late', async () => {
    fake.deafen()
    fake.answer = (id) =>
      fake.say(frameType.result, 2, id, { hostname: true, machineId: true, entropy: true, generation: 3, hooks: [] })
    const timeouts = { attachMs: 5_000, silenceMs: 20, callMs: 40 }
    const { guest, answered } = dialGuest({ ...fake, label: 's', fresh: true, timeouts })
    const identified = guest.identify({ hookTimeoutMs: 0 } as GuestIdentity)
    await new Promise((resolve) => setTimeout(resolve, 100))
    fake.wake()
    expect(await identified).toMatchObject({ generation: 3 })
    expect((await answered()).agentVersion).toBe('9')
    expect(fake.requests.map(({ method }) => method)).toEqual(['hello', 'identify'])
    await guest.close()
  })

  test('tells whoever has asked something of a guest that never comes', async () => {
    fake.deafen()
    const { guest, answered } = dialGuest({ ...fake, label: 's', fresh: true, timeouts: { attachMs: 20 } })
    const identified = guest.identify({ hookTimeoutMs: 0 } as GuestIdentity)
    await expect(answered()).rejects.toMatchObject({ code: 'guest_unresponsive' })
    await expect(identified).rejects.toMatchObject({ code: 'stale_incarnation' })
  })

  test.each([
    ['no version', { protocol: 1, capabilities: [] }],
    ['a huge one', { agent: 'x'.repeat(1000), protocol: 1, capabilities: [] }],
    ['a list', []],
    ['many capabilities', { agent: '1', protocol: 1, capabilities: Array(1000).fill('x') }],
  ])('refuses a hello with %s', async (_name, hello) => {
    fake.close()
    fake = new FakeAgent(hello)
    await expect(fake.open()).rejects.toMatchObject({ code: 'guest_unresponsive' })
  })
})

test('many guests open and close without leaving descriptors', async () => {
  const { readdirSync } = await import('node:fs')
  const count = () => readdirSync('/proc/self/fd').length
  const before = count()
  for (let i = 0; i < 20; i++) {
    const guest = await fake.open().catch(() => null)
    await guest?.close()
    fake.close()
    fake = new FakeAgent()
  }
  await expect.poll(count).toBeLessThanOrEqual(before + 2)
  closeSync(openSync('/dev/null', constants.O_RDONLY))
})
