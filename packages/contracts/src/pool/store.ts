import { type ImageId, newId, type SnapshotId } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { MIB, type PoolBench } from './bench.ts'

export function storeSuite(b: PoolBench): void {
  const { read, write, path, makeImage, makeRoot, capture } = b

  describe('after a restart', () => {
    it('everything acknowledged is there, under the same paths, and can be written', async () => {
      const image = await makeImage('durable')
      const root = await makeRoot({ image })
      await write(path(root), 'written')
      const snapshot = await capture(root, { n: 1 })
      const [rootPath, memoryDir] = [path(root), b.subject.pool.memoryDir(snapshot)]
      const before = await b.subject.pool.list()
      await b.subject.reopen()
      expect(await b.subject.pool.list()).toEqual(before)
      expect([path(root), b.subject.pool.memoryDir(snapshot)]).toEqual([rootPath, memoryDir])
      expect(await read(path(root))).toBe('written')
      expect(await read(path(await makeRoot({ snapshot })))).toBe('written')
      expect(await read(path(await makeRoot({ image })))).toBe('durable')
      await write(path(root), 'on and on')
      expect(await read(path(root))).toBe('on and on')
    })

    it('what was only staged can be found and swept', async () => {
      const origin = await makeRoot({ image: await makeImage() })
      const id = newId<SnapshotId>()
      await b.subject.pool.stageSnapshot(id)
      await b.subject.pool.captureRoot(id, origin)
      await b.subject.reopen()
      const { snapshots, staged } = await b.subject.pool.list()
      expect(snapshots).not.toContain(id)
      expect(staged).toHaveLength(1)
      for (let time = 0; time < 2; time += 1) await b.subject.pool.deleteStaged(staged[0] as string)
      expect((await b.subject.pool.list()).staged).toEqual([])
      await b.subject.pool.stageSnapshot(id)
      await b.subject.pool.deleteSnapshot(id)
    })

    it('limits still hold', async () => {
      const root = await makeRoot({ image: await makeImage() }, 16 * MIB)
      await b.subject.reopen()
      const data = Buffer.alloc(24 * MIB, 'spawnpoint ')
      await expect(b.subject.writeFile(path(root), 'big', data)).rejects.toThrow()
    })
  })

  it('tells what things hold alone and what they share, and the same of sets of them', async () => {
    const image = newId<ImageId>()
    await b.subject.pool.createImage(image, (dir) => b.subject.writeFile(dir, 'base', Buffer.alloc(3 * MIB, 'base ')))
    const root = await makeRoot({ image })
    await b.subject.writeFile(path(root), 'own', Buffer.alloc(2 * MIB, 'own '))
    const snapshot = await capture(root, {}, 'memory')
    await b.subject.writeFile(path(root), 'later', Buffer.alloc(MIB, 'later '))
    const things = [
      [{ from: 'image', id: image }],
      [
        { from: 'root', id: root },
        { from: 'snapshot', id: snapshot },
        { from: 'snapshot', id: newId<SnapshotId>() },
      ],
      [],
    ] as const
    const [ofImage, others, none] = await b.subject.pool.measure(things)
    expect(ofImage?.things).toEqual([{ uniqueBytes: 0, sharedBytes: 3 * MIB }])
    const [live, captured, gone] = others?.things ?? []
    expect(live).toEqual({ uniqueBytes: MIB, sharedBytes: 5 * MIB })
    expect(captured?.sharedBytes).toBe(5 * MIB)
    expect(captured?.uniqueBytes).toBeGreaterThan(0)
    expect(captured?.uniqueBytes).toBeLessThan(MIB)
    expect(gone).toBeNull()
    expect(others?.set.sharedBytes).toBe(3 * MIB)
    expect(others?.set.uniqueBytes).toBe(3 * MIB + (captured?.uniqueBytes ?? 0))
    expect(none).toEqual({ things: [], set: { uniqueBytes: 0, sharedBytes: 0 } })
    await b.subject.pool.deleteRoot(root)
    const [, afterwards] = await b.subject.pool.measure(things)
    expect(afterwards?.things[0]).toBeNull()
    expect(afterwards?.things[1]?.sharedBytes).toBe(3 * MIB)
  })

  it('tells how much space there is', async () => {
    const { totalBytes, freeBytes } = await b.subject.pool.space()
    expect(freeBytes).toBeGreaterThan(0)
    expect(totalBytes).toBeGreaterThanOrEqual(freeBytes)
  })

  it('does nothing while closed', async () => {
    const image = await makeImage()
    await b.subject.pool.close()
    const closed = b.subject.pool
    await expect(closed.list()).rejects.toMatchObject({ code: 'unavailable' })
    const made = closed.createRoot(newId(), { from: 'image', id: image }, { diskBytes: 64 * MIB })
    await expect(made).rejects.toMatchObject({ code: 'unavailable' })
    await b.subject.reopen()
    expect((await b.subject.pool.list()).images).toContain(image)
  })
}
