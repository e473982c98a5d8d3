import { Sandbox } from 'e2b'
import { Sandbox as Older } from 'e2b-2.45'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { VendorWorld } from '../vendor-world.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.start()
})
afterAll(() => vendor[Symbol.asyncDispose]())

type Paginator = { hasNext: boolean; nextItems(): Promise<{ sandboxId: string }[]> }

async function everyId(paginator: Paginator): Promise<string[]> {
  const ids: string[] = []
  while (paginator.hasNext) for (const { sandboxId } of await paginator.nextItems()) ids.push(sandboxId)
  return ids
}

describe('the client of today alone', () => {
  it('orders, and filters by start and by template', async () => {
    const first = await Sandbox.create()
    const second = await Sandbox.create()
    const ids = [second.sandboxId, first.sandboxId]
    expect(await everyId(Sandbox.list({ order: 'asc' }))).toEqual(ids.toReversed())
    expect(await everyId(Sandbox.list({ order: 'asc', limit: 1 }))).toEqual(ids.toReversed())
    expect(await everyId(Sandbox.list({ order: 'desc', limit: 1 }))).toEqual(ids)
    const { startedAt, templateId } = await second.getInfo()
    expect(await everyId(Sandbox.list({ query: { startedAfter: startedAt } }))).toEqual([ids[0]])
    for (const template of ['base', templateId])
      expect(await everyId(Sandbox.list({ query: { template } }))).toEqual(ids)
    expect(await everyId(Sandbox.list({ query: { template: 'nothing' } }))).toEqual([])
    await Promise.all([first.kill(), second.kill()])
  })

  it('brings a sandbox back from its files alone, where its memory is the trouble', async () => {
    const sandbox = await Sandbox.create()
    await sandbox.commands.run('echo kept > ~/file; sync')
    await sandbox.commands.run('sleep 1000', { background: true })
    await sandbox.pause()
    const back = await Sandbox.connect(sandbox.sandboxId, { onResume: 'reboot' })
    expect((await back.commands.run('cat ~/file; pgrep -c "^sleep$" || true')).stdout).toBe('kept\n0\n')
    // Of what runs, or has no memory, there is nothing to leave behind.
    await Sandbox.connect(sandbox.sandboxId, { onResume: 'reboot' })
    await sandbox.pause({ keepMemory: false })
    await Sandbox.connect(sandbox.sandboxId, { onResume: 'reboot' })
    expect((await back.commands.run('cat ~/file')).stdout).toBe('kept\n')
    await back.kill()
  })
})

describe('the older client alone', () => {
  it('asks for an agent that is open to everybody, and gets it', async () => {
    const sandbox = await Older.create({ secure: false })
    expect((await sandbox.commands.run('echo open')).stdout).toBe('open\n')
    const headers = { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '49983' }
    await sandbox.files.write('/home/user/file', 'open')
    const read = (id: string) =>
      fetch(`${vendor.world.url}/files?path=/home/user/file`, { headers: { ...headers, 'e2b-sandbox-id': id } })
    expect(await (await read(sandbox.sandboxId)).text()).toBe('open')
    const secure = await Older.create()
    await secure.files.write('/home/user/file', 'secure')
    expect((await read(secure.sandboxId)).status).toBe(401)
    await Promise.all([sandbox.kill(), secure.kill()])
  })
})
