import { newId, type SnapshotId } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { MIB, type PoolBench } from './bench.ts'

export function snapshotsSuite(b: PoolBench): void {
  const { read, write, path, makeImage, makeRoot, capture } = b

  describe('snapshots', () => {
    it('hold the root as it was at the capture, however origin and clones go on', async () => {
      const origin = await makeRoot({ image: await makeImage() })
      await write(path(origin), 'captured')
      const snapshot = await capture(origin)
      await write(path(origin), 'later')
      const first = await makeRoot({ snapshot })
      expect(await read(path(first))).toBe('captured')
      await write(path(first), 'changed in a clone')
      expect(await read(path(await makeRoot({ snapshot })))).toBe('captured')
      expect(await read(path(origin))).toBe('later')
    })

    it('cannot be seen or used before they are published', async () => {
      const origin = await makeRoot({ image: await makeImage() })
      const id = newId<SnapshotId>()
      await b.subject.pool.stageSnapshot(id)
      await b.subject.pool.captureRoot(id, origin)
      const { snapshots, staged } = await b.subject.pool.list()
      expect(snapshots).not.toContain(id)
      expect(staged).toHaveLength(1)
      await expect(makeRoot({ snapshot: id })).rejects.toMatchObject({ code: 'not_found' })
      await expect(b.subject.pool.readManifest(id)).rejects.toMatchObject({ code: 'not_found' })
      await b.subject.pool.publishSnapshot(id, {})
      const after = await b.subject.pool.list()
      expect(after.snapshots).toContain(id)
      expect(after.staged).toEqual([])
    })

    it('keep manifest and memory directory, also over a restart', async () => {
      const manifest = { format: 1, nested: { list: [1, null, 'ü 🚀'] }, text: '"\\\n' }
      const id = await capture(await makeRoot({ image: await makeImage() }), manifest, 'pages')
      for (let time = 0; time < 2; time += 1) {
        expect(await b.subject.pool.readManifest(id)).toEqual(manifest)
        expect(await read(b.subject.pool.memoryDir(id), 'memory')).toBe('pages')
        await b.subject.reopen()
      }
    })

    it('say how large they are', async () => {
      const origin = await makeRoot({ image: await makeImage() })
      await b.subject.writeFile(path(origin), 'big', Buffer.alloc(2 * MIB, 'spawnpoint '))
      const id = newId<SnapshotId>()
      const { memoryDir } = await b.subject.pool.stageSnapshot(id)
      await b.subject.writeFile(memoryDir, 'memory', Buffer.alloc(MIB, 'pages '))
      await b.subject.pool.flushRoot(origin)
      await b.subject.pool.captureRoot(id, origin)
      const sizes = await b.subject.pool.publishSnapshot(id, {})
      expect(sizes.memoryBytes).toBeGreaterThanOrEqual(MIB)
      expect(sizes.filesystemBytes).toBeGreaterThanOrEqual(2 * MIB)
      expect(sizes.newlyStoredBytes).toBeGreaterThanOrEqual(MIB)
      expect(sizes.newlyStoredBytes).toBeLessThanOrEqual(sizes.memoryBytes + sizes.filesystemBytes)
    })

    it('are read back, and are found out when their memory is not what it was', async () => {
      const origin = await makeRoot({ image: await makeImage() })
      const id = await capture(origin, {}, 'pages')
      const { signal } = new AbortController()
      for (let time = 0; time < 2; time += 1) expect(await b.subject.pool.checkSnapshot(id, signal)).toBeNull()
      await b.subject.reopen()
      await write(b.subject.pool.memoryDir(id), 'pagez', 'memory')
      expect(await b.subject.pool.checkSnapshot(id, signal)).toContain('memory')
      await write(b.subject.pool.memoryDir(id), 'pages', 'memory')
      expect(await b.subject.pool.checkSnapshot(id, signal)).toBeNull()
      await write(b.subject.pool.memoryDir(id), 'pages', 'more')
      expect(await b.subject.pool.checkSnapshot(id, signal)).toContain('memory')
      await expect(b.subject.pool.checkSnapshot(newId(), signal)).rejects.toMatchObject({ code: 'not_found' })
      await expect(b.subject.pool.checkSnapshot(id, AbortSignal.abort())).rejects.toThrow()
    })

    it('outlive the root and the image they came from', async () => {
      const image = await makeImage()
      const origin = await makeRoot({ image })
      await write(path(origin), 'kept')
      const snapshot = await capture(origin)
      await b.subject.pool.deleteRoot(origin)
      await b.subject.pool.deleteImage(image)
      expect(await read(path(await makeRoot({ snapshot })))).toBe('kept')
    })

    it('of clones of snapshots hold each their own state', async () => {
      let root = await makeRoot({ image: await makeImage() })
      const line: SnapshotId[] = []
      for (let depth = 0; depth < 3; depth += 1) {
        await write(path(root), `depth ${depth}`)
        line.push(await capture(root))
        root = await makeRoot({ snapshot: line[depth] as SnapshotId })
      }
      await b.subject.pool.deleteSnapshot(line[1] as SnapshotId)
      expect(await read(path(await makeRoot({ snapshot: line[0] as SnapshotId })))).toBe('depth 0')
      expect(await read(path(await makeRoot({ snapshot: line[2] as SnapshotId })))).toBe('depth 2')
    })

    it('are captured in parallel', async () => {
      const image = await makeImage()
      const made = await Promise.all(
        Array.from({ length: 4 }, async (_, n) => {
          const root = await makeRoot({ image })
          await write(path(root), `root ${n}`)
          return { n, snapshot: await capture(root, { n }) }
        }),
      )
      for (const { n, snapshot } of made) {
        expect(await b.subject.pool.readManifest(snapshot)).toEqual({ n })
        expect(await read(path(await makeRoot({ snapshot })))).toBe(`root ${n}`)
      }
    })

    it('take the last of two captures', async () => {
      const origin = await makeRoot({ image: await makeImage() })
      const snapshot = newId<SnapshotId>()
      await b.subject.pool.stageSnapshot(snapshot)
      for (const text of ['first', 'second']) {
        await write(path(origin), text)
        await b.subject.pool.captureRoot(snapshot, origin)
      }
      await b.subject.pool.publishSnapshot(snapshot, {})
      expect(await read(path(await makeRoot({ snapshot })))).toBe('second')
    })

    it('are not staged twice, nor over a published one', async () => {
      const origin = await makeRoot({ image: await makeImage() })
      const id = newId<SnapshotId>()
      await b.subject.pool.stageSnapshot(id)
      await expect(b.subject.pool.stageSnapshot(id)).rejects.toMatchObject({ code: 'runtime_failed' })
      await b.subject.pool.captureRoot(id, origin)
      await b.subject.pool.publishSnapshot(id, { first: true })
      await expect(b.subject.pool.stageSnapshot(id)).rejects.toMatchObject({ code: 'runtime_failed' })
      expect(await b.subject.pool.readManifest(id)).toEqual({ first: true })
    })

    it('cannot be captured or published out of order', async () => {
      const origin = await makeRoot({ image: await makeImage() })
      const id = newId<SnapshotId>()
      await expect(b.subject.pool.captureRoot(id, origin)).rejects.toMatchObject({ code: 'not_found' })
      await expect(b.subject.pool.publishSnapshot(id, {})).rejects.toMatchObject({ code: 'not_found' })
      await b.subject.pool.stageSnapshot(id)
      await expect(b.subject.pool.captureRoot(id, newId())).rejects.toMatchObject({ code: 'not_found' })
      await expect(b.subject.pool.publishSnapshot(id, {})).rejects.toMatchObject({ code: 'runtime_failed' })
      expect((await b.subject.pool.list()).snapshots).not.toContain(id)
      await b.subject.pool.deleteSnapshot(id)
      expect((await b.subject.pool.list()).staged).toEqual([])
    })

    it('can be deleted twice, staged or published, under the feet of their clones', async () => {
      const origin = await makeRoot({ image: await makeImage() })
      await write(path(origin), 'kept')
      const staged = newId<SnapshotId>()
      await b.subject.pool.stageSnapshot(staged)
      await b.subject.pool.captureRoot(staged, origin)
      const published = await capture(origin)
      const clone = await makeRoot({ snapshot: published })
      for (const id of [staged, published, newId<SnapshotId>()]) {
        for (let time = 0; time < 2; time += 1) await b.subject.pool.deleteSnapshot(id)
        await expect(makeRoot({ snapshot: id })).rejects.toMatchObject({ code: 'not_found' })
        await expect(b.subject.pool.readManifest(id)).rejects.toMatchObject({ code: 'not_found' })
      }
      const { snapshots, staged: left } = await b.subject.pool.list()
      expect(snapshots).not.toContain(published)
      expect(left).toEqual([])
      expect(await read(path(clone))).toBe('kept')
    })
  })
}
