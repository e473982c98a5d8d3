import { describe, expect, it } from 'vitest'
import { until } from '../vendor-world.ts'
import { type HyperWorld, sh } from './hyper-world.ts'

/** Memory snapshots, and the samples of the page on them. */
export function snapshotTests(at: () => HyperWorld): void {
  describe("the page's samples", () => {
    it('snapshot, start from it, list', async () => {
      const sandbox = await at().create()
      const snapshot = await sandbox.createMemorySnapshot({
        snapshotName: 'node-after-setup',
      })
      expect(snapshot).toMatchObject({ snapshotName: 'node-after-setup', namespace: 'default', imageName: 'base' })
      expect(snapshot.snapshotId).toMatch(/^[0-9a-f]{24}$/)
      expect(['creating', 'created']).toContain(snapshot.status)
      await at().created(snapshot.snapshotId)

      const started = await at().client.sandboxes.create({
        snapshotName: 'node-after-setup',
        snapshotId: snapshot.snapshotId, // if omitted uses the latest snapshot
      })
      expect(started.id).not.toBe(sandbox.id)

      const { images } = await at().client.sandboxes.listImages()
      const { snapshots } = await at().client.sandboxes.listSnapshots({
        status: 'created',
        limit: 100,
      })
      expect(images.map((image) => image.imageName)).toEqual(expect.arrayContaining(['base', 'node', 'python']))
      expect(snapshots.map((one) => one.snapshotName)).toContain('node-after-setup')
      expect(images.find(({ id }) => id === snapshot.imageId)).toMatchObject({ namespace: snapshot.imageNamespace })
    })
  })

  describe('memory snapshots', () => {
    it('carry memory, processes and files into any number of sandboxes, while the origin runs on', async () => {
      const sandbox = await at().create()
      const program = 'import sys\nn = 0\nfor line in sys.stdin:\n  n += 1\n  open("/tmp/count", "w").write(str(n))\n'
      await sandbox.files.write('/tmp/count.py', program)
      const counter = await sandbox.processes.start({ command: 'exec python3 /tmp/count.py' })
      await counter.writeStdin('x\nx\n')
      await until(async () => (await sh(sandbox, 'cat /tmp/count 2>/dev/null || true')) === '2')
      const { snapshotId } = await sandbox.createMemorySnapshot({ snapshotName: 'counting' })
      await at().created(snapshotId)
      await counter.writeStdin('x\n')
      const clones = await Promise.all([
        at().client.sandboxes.create({ snapshotName: 'counting' }),
        at().client.sandboxes.create({ snapshotName: 'counting', snapshotId }),
      ])
      for (const clone of clones) {
        const same = await clone.getProcess(counter.id)
        expect(same.status).toBe('running')
        await same.writeStdin('x\nx\nx\n')
        await until(async () => (await sh(clone, 'cat /tmp/count')) === '5')
        expect((await same.kill()).status).toBe('killed')
      }
      await until(async () => (await sh(sandbox, 'cat /tmp/count')) === '3')
    })

    it('of one name are revisions of which the newest counts', async () => {
      const sandbox = await at().create()
      const take = async (text: string) => {
        await sh(sandbox, `echo ${text} >/home/user/revision`)
        const { snapshotId } = await sandbox.createMemorySnapshot({ snapshotName: 'revised' })
        await at().created(snapshotId)
        return snapshotId
      }
      const [first, second] = [await take('one'), await take('two')]
      const read = async (from: { snapshotName: string; snapshotId?: string }) =>
        sh(await at().client.sandboxes.create(from), 'cat /home/user/revision')
      expect(await read({ snapshotName: 'revised' })).toBe('two')
      expect(await read({ snapshotName: 'revised', snapshotId: first })).toBe('one')
      expect((await at().client.sandboxes.getSnapshot('revised')).id).toBe(second)
      expect((await at().client.sandboxes.getSnapshot(first)).id).toBe(first)
      expect(await at().client.sandboxes.deleteSnapshot(second)).toEqual({ deleted: true })
      expect((await at().client.sandboxes.getSnapshot('revised')).id).toBe(first)
      await expect(at().client.sandboxes.getSnapshot(second)).rejects.toMatchObject({ statusCode: 404 })
      await expect(at().client.sandboxes.create({ snapshotName: 'other', snapshotId: first })).rejects.toMatchObject({
        statusCode: 404,
        message: expect.stringContaining('snapshot not found'),
      })
    })

    it('have a name when none was given, and are refused of a sandbox that does not run', async () => {
      const sandbox = await at().create({ imageName: 'node' })
      const { snapshotName, snapshotId, imageName } = await sandbox.createMemorySnapshot()
      expect(snapshotName).not.toBe('')
      expect(imageName).toBe('node')
      // By its name already while it is made.
      expect((await at().client.sandboxes.getSnapshot(snapshotName)).id).toBe(snapshotId)
      await at().created(snapshotId)
      const { snapshots } = await at().client.sandboxes.listSnapshots({ imageName: 'node' })
      expect(snapshots.map(({ id }) => id)).toEqual([snapshotId])
      await sandbox.stop()
      await expect(at().client.sandboxes.createMemorySnapshot(sandbox.id)).rejects.toMatchObject({
        statusCode: 409,
        message: expect.stringContaining('Sandbox is not running'),
        service: 'control',
        retryable: false,
      })
    })
  })
}
