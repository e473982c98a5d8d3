import { Sandbox } from 'novita-sandbox/code-interpreter'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { VendorWorld } from '../vendor-world.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.start()
  // The template that this class starts from; what it has besides `base` the samples do not use.
  await vendor.world.client.images.build({
    name: 'code-interpreter-v1',
    source: { type: 'tar', path: 'base.tar' },
    defaults: (await import('../../e2e/base-defaults.ts')).defaults,
  })
})
afterAll(() => vendor[Symbol.asyncDispose]())

/** The samples of Novita's documentation on snapshots, as they are there. */
describe('documentation', () => {
  it('works from the first sample to the last', async () => {
    const printed: unknown[] = []
    const console = { log: (value: unknown) => void printed.push(value) }

    const sandbox = await Sandbox.create()
    await sandbox.commands.run('echo ready > /tmp/status.txt')

    const snapshot = await sandbox.createSnapshot()
    console.log(snapshot.snapshotId)
    const { sandboxId } = sandbox
    {
      const snapshot = await Sandbox.createSnapshot(sandboxId)
      console.log(snapshot.snapshotId)
    }

    const snapshotId = snapshot.snapshotId

    const newSandbox = await Sandbox.create(snapshotId)
    const result = await newSandbox.commands.run('cat /tmp/status.txt')
    console.log(result.stdout)
    expect(printed.pop()).toBe('ready\n')
    expect(printed).toHaveLength(2)

    // List snapshots created from one sandbox.
    const paginator = sandbox.listSnapshots({ limit: 20 })

    while (paginator.hasNext) {
      const snapshots = await paginator.nextItems()
      for (const snapshot of snapshots) {
        console.log(snapshot.snapshotId)
      }
    }
    expect(printed.slice(2)).toEqual(printed.slice(0, 2).toReversed())

    // Or list all snapshots.
    const allSnapshots = Sandbox.listSnapshots({ limit: 20 })
    expect(await allSnapshots.nextItems()).toHaveLength(2)
    {
      const paginator = Sandbox.listSnapshots({ sandboxId, limit: 20 })
      expect(await paginator.nextItems()).toHaveLength(2)
    }

    // Killing the original sandbox does not delete the snapshot.
    await sandbox.kill()
    expect((await newSandbox.commands.run('echo alive')).stdout).toBe('alive\n')
    await newSandbox.kill()
    await Sandbox.deleteSnapshot(snapshotId)
    expect(await Sandbox.listSnapshots().nextItems()).toHaveLength(1)
  })
})
