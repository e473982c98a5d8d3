import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until, VendorWorld, WAYS } from '../vendor-world.ts'
import { SDKS } from './sdks.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.startWithDomain()
})
afterAll(() => vendor[Symbol.asyncDispose]())

describe.each(SDKS)('%s', (version, { Sandbox, SandboxNotFoundError }, way) => {
  beforeAll(() => vendor.by(way))
  it('starts from a snapshot with files and memory, while the origin runs on', async () => {
    const sandbox = await Sandbox.create()
    await vendor.run(sandbox, 'echo in a file >/home/user/file; echo in memory >/dev/shm/memory')

    const snapshot = await sandbox.createSnapshot()
    expect(snapshot.snapshotId).toMatch(/^[a-z0-9]+:default$/)
    expect(snapshot.names).toEqual([])
    expect((await sandbox.getInfo()).state).toBe('running')
    await vendor.run(sandbox, 'echo changed >/home/user/file')

    const newSandbox = await Sandbox.create(snapshot.snapshotId, { metadata: { own: 'yes' } })
    expect(newSandbox.sandboxId).not.toBe(sandbox.sandboxId)
    expect(await vendor.run(newSandbox, 'cat /home/user/file /dev/shm/memory')).toBe('in a file\nin memory')
    const info = await newSandbox.getInfo()
    expect(info.metadata).toEqual({ own: 'yes' })
    expect(info.templateId).toBe(snapshot.snapshotId.split(':')[0])

    await sandbox.kill()
    const later = await Sandbox.create(snapshot.snapshotId)
    expect(await vendor.run(later, 'cat /home/user/file')).toBe('in a file')

    await expect(Sandbox.deleteSnapshot(snapshot.snapshotId)).rejects.toThrow(
      /cannot delete template.*running sandboxes/,
    )
    await newSandbox.kill()
    await later.pause()
    await expect(Sandbox.deleteSnapshot(snapshot.snapshotId)).rejects.toThrow(
      /cannot delete template.*paused sandboxes/,
    )
    await later.kill()
    expect(await Sandbox.deleteSnapshot(snapshot.snapshotId)).toBe(true)
    expect(await Sandbox.deleteSnapshot(snapshot.snapshotId)).toBe(false)
    await expect(Sandbox.create(snapshot.snapshotId)).rejects.toThrow(/not found/)
  })

  it('lists what there is, of all sandboxes and of one', async () => {
    const [one, other] = await Promise.all([Sandbox.create(), Sandbox.create()])
    const made: string[] = []
    for (let n = 0; n < 3; n += 1) made.push((await one.createSnapshot()).snapshotId)
    const ofOther = (await Sandbox.createSnapshot(other.sandboxId)).snapshotId

    expect(await everyId(Sandbox.listSnapshots())).toEqual([ofOther, ...made.toReversed()])
    expect(await everyId(one.listSnapshots())).toEqual(made.toReversed())
    expect(await everyId(Sandbox.listSnapshots({ sandboxId: other.sandboxId }))).toEqual([ofOther])
    expect(await everyId(Sandbox.listSnapshots({ sandboxId: '000000000000000000000000' }))).toEqual([])

    const paginator = Sandbox.listSnapshots({ limit: 3 })
    expect(await paginator.nextItems()).toHaveLength(3)
    expect(paginator.hasNext).toBe(true)
    expect(await paginator.nextItems()).toHaveLength(1)
    expect(paginator.hasNext).toBe(false)

    await Promise.all([one.kill(), other.kill()])
    for (const id of [ofOther, ...made]) expect(await Sandbox.deleteSnapshot(id)).toBe(true)
  })

  it('gives names and tags, and finds by them', async () => {
    const name = `snap-${version.replaceAll(/\W/g, '-').toLowerCase()}`
    const sandbox = await Sandbox.create()
    await vendor.run(sandbox, 'echo one >/home/user/file')
    const first = await sandbox.createSnapshot({ name: `${name}:v1` })
    expect(first.snapshotId).toMatch(new RegExp(`^[a-z0-9-]+/${name}:v1$`))
    expect(first.names).toEqual([first.snapshotId.replace(':v1', '')])
    await vendor.run(sandbox, 'echo two >/home/user/file')
    const second = await sandbox.createSnapshot({ name })
    expect(second.snapshotId).toBe(first.snapshotId.replace(':v1', ':default'))

    for (const [ref, content] of [
      [first.snapshotId, 'one'],
      [`${name}:v1`, 'one'],
      [second.snapshotId, 'two'],
      [name, 'two'],
    ] as const) {
      const started = await Sandbox.create(ref)
      expect([ref, await vendor.run(started, 'cat /home/user/file')]).toEqual([ref, content])
      expect((await started.getInfo()).name).toBe(name)
      await started.kill()
    }
    if (version !== 'e2b 2.45') {
      const found = (query: string) => everyId(Sandbox.listSnapshots({ name: query }))
      expect(await found(name)).toEqual([second.snapshotId, first.snapshotId])
      expect(await found(first.names[0] ?? '')).toEqual([second.snapshotId, first.snapshotId])
      expect(await found(`${name}:v1`)).toEqual([first.snapshotId])
      expect(await found(`${name}:nothing`)).toEqual([])
      expect(await found('nothing')).toEqual([])
    }
    await sandbox.kill()
    // The name goes with all that it has.
    expect(await Sandbox.deleteSnapshot(first.snapshotId)).toBe(true)
    expect(await Sandbox.deleteSnapshot(second.snapshotId)).toBe(false)
  })

  it('takes snapshots of running sandboxes alone', async () => {
    const sandbox = await Sandbox.create()
    await sandbox.pause()
    await expect(sandbox.createSnapshot()).rejects.toThrow('409')
    await sandbox.kill()
    await expect(sandbox.createSnapshot()).rejects.toThrow(SandboxNotFoundError)
    await expect(Sandbox.createSnapshot('nothing')).rejects.toThrow(SandboxNotFoundError)
  })

  it('refuses names of others and names that are none', async () => {
    const sandbox = await Sandbox.create()
    await expect(sandbox.createSnapshot({ name: 'somebody-else/mine' })).rejects.toThrow(/400.*not your team/)
    await expect(sandbox.createSnapshot({ name: 'no spaces' })).rejects.toThrow(/400.*name/)
    await expect(sandbox.createSnapshot({ name: 'name:no/tag' })).rejects.toThrow('400')
    await sandbox.kill()
  })

  it('starts from snapshots of other doors, and they from its own', async () => {
    const native = await vendor.world.client.sandboxes.create({ image: 'base' })
    await native.run('echo native >/home/user/file', { check: true })
    const theirs = await native.snapshot({ kind: 'memory' })
    const sandbox = await Sandbox.create(theirs.id)
    expect(await vendor.run(sandbox, 'cat /home/user/file')).toBe('native')
    const ours = await sandbox.createSnapshot()
    const spawned = await vendor.world.client.sandboxes.create({ snapshot: ours.snapshotId.split(':')[0] ?? '' })
    expect((await spawned.run('cat /home/user/file', { check: true })).stdout).toBe('native\n')
    for (const one of [native, spawned]) await one.kill()
    await sandbox.kill()
    expect(await Sandbox.deleteSnapshot(ours.snapshotId)).toBe(true)
    expect(await Sandbox.deleteSnapshot(theirs.id)).toBe(true)
    await until(async () => (await vendor.world.client.snapshots.list().toArray()).length === 0)
  })
})

/** The samples of E2B's documentation on snapshots, as they are there. */
describe.each(WAYS)('documentation, %s', async (way) => {
  beforeAll(() => vendor.by(way))
  const { Sandbox } = await import('e2b')
  const printed: unknown[][] = []
  const console = { log: (...values: unknown[]) => void printed.push(values) }

  it('works from the first sample to the last', async () => {
    const sandbox = await Sandbox.create()
    await sandbox.commands.run('echo held >/home/user/file; echo held >/dev/shm/file')

    // Create a snapshot from a running sandbox
    const snapshot = await sandbox.createSnapshot()
    console.log('Snapshot ID:', snapshot.snapshotId)

    const { sandboxId } = sandbox
    {
      // Create a snapshot by sandbox ID
      const snapshot = await Sandbox.createSnapshot(sandboxId)
      console.log('Snapshot ID:', snapshot.snapshotId)
    }
    expect(printed).toEqual([
      ['Snapshot ID:', snapshot.snapshotId],
      ['Snapshot ID:', expect.stringMatching(/:default$/)],
    ])

    // Create a new sandbox from the snapshot
    const newSandbox = await Sandbox.create(snapshot.snapshotId)
    expect((await newSandbox.commands.run('cat /home/user/file /dev/shm/file')).stdout).toBe('held\nheld\n')
    expect((await sandbox.commands.run('echo still here')).stdout).toBe('still here\n')
    {
      const paginator = Sandbox.listSnapshots()

      const snapshots = []
      while (paginator.hasNext) {
        const items = await paginator.nextItems()
        snapshots.push(...items)
      }
      expect(snapshots).toHaveLength(2)
      expect(snapshots[1]).toEqual(snapshot)
    }
    {
      const paginator = Sandbox.listSnapshots({ sandboxId: 'your-sandbox-id' })
      const snapshots = await paginator.nextItems()
      expect(snapshots).toEqual([])
    }
    await newSandbox.kill()
    // Returns true if deleted, false if the snapshot was not found
    const deleted = await Sandbox.deleteSnapshot(snapshot.snapshotId)
    expect(deleted).toBe(true)
    expect(await Sandbox.deleteSnapshot(snapshot.snapshotId)).toBe(false)
    await sandbox.kill()
    for (const { snapshotId } of await Sandbox.listSnapshots().nextItems()) await Sandbox.deleteSnapshot(snapshotId)
  })
})

async function everyId(paginator: { hasNext: boolean; nextItems(): Promise<{ snapshotId: string }[]> }) {
  const ids: string[] = []
  while (paginator.hasNext) for (const { snapshotId } of await paginator.nextItems()) ids.push(snapshotId)
  return ids
}
