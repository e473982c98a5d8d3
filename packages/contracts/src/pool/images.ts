import { type ImageId, newId, type SnapshotId } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { MIB, type PoolBench } from './bench.ts'

export function imagesSuite(b: PoolBench): void {
  const { read, write, path, makeImage, makeRoot, capture } = b

  describe('images', () => {
    it('are made of what fill puts into an empty directory', async () => {
      const id = newId<ImageId>()
      let before: string | null = 'not looked'
      const { sizeBytes } = await b.subject.pool.createImage(id, async (dir) => {
        before = await read(dir)
        await write(dir, 'filled')
      })
      expect(before).toBeNull()
      expect(sizeBytes).toBeGreaterThan(0)
      expect((await b.subject.pool.list()).images).toContain(id)
      expect(await read(path(await makeRoot({ image: id })))).toBe('filled')
    })

    it('cannot outgrow their limit', async () => {
      const id = newId<ImageId>()
      const large = Buffer.alloc(64 * MIB, 'x')
      const filling = b.subject.pool.createImage(id, (dir) => b.subject.writeFile(dir, 'large', large), {
        maxBytes: 16 * MIB,
      })
      await expect(filling).rejects.toThrow()
      expect((await b.subject.pool.list()).images).not.toContain(id)
      await b.subject.pool.createImage(id, (dir) => b.subject.writeFile(dir, 'large', large), { maxBytes: 256 * MIB })
      expect((await b.subject.pool.list()).images).toContain(id)
    })

    it('cannot be used while they are filled, and are known as staged', async () => {
      const id = newId<ImageId>()
      await b.subject.pool.createImage(id, async (dir) => {
        await write(dir, 'half')
        const { images, staged } = await b.subject.pool.list()
        expect(images).not.toContain(id)
        expect(staged).toHaveLength(1)
        await expect(makeRoot({ image: id })).rejects.toMatchObject({ code: 'not_found' })
      })
      expect((await b.subject.pool.list()).staged).toEqual([])
    })

    it('leave nothing when fill fails, whose error comes back, and may be tried again', async () => {
      const id = newId<ImageId>()
      const failure = Object.assign(new Error('no such package'), { marked: true })
      const failing = b.subject.pool.createImage(id, async (dir) => {
        await write(dir, 'half')
        throw failure
      })
      const caught = await failing.catch((error: unknown) => error)
      // A driver may wrap what is not of its kind; the cause must not be lost.
      expect([caught, (caught as Error).cause]).toContain(failure)
      const { images, staged } = await b.subject.pool.list()
      expect(images).not.toContain(id)
      expect(staged).toEqual([])
      await b.subject.pool.createImage(id, (dir) => write(dir, 'whole'))
      expect(await read(path(await makeRoot({ image: id })))).toBe('whole')
    })

    it('are not replaced by another of the same id', async () => {
      const id = await makeImage('first')
      const again = b.subject.pool.createImage(id, (dir) => write(dir, 'second'))
      await expect(again).rejects.toMatchObject({ code: 'runtime_failed' })
      expect(await read(path(await makeRoot({ image: id })))).toBe('first')
      expect((await b.subject.pool.list()).staged).toEqual([])
    })

    it('are made of the files of a snapshot or an image, and need neither from then on', async () => {
      const base = await makeImage('base')
      const root = await makeRoot({ image: base })
      await write(path(root), 'changed')
      const layer = await capture(root)
      const [ofSnapshot, ofImage] = [newId<ImageId>(), newId<ImageId>()]
      const made = await b.subject.pool.createImageFrom(ofSnapshot, { from: 'snapshot', id: layer })
      await b.subject.pool.createImageFrom(ofImage, { from: 'image', id: base })
      expect(made.sizeBytes).toBeGreaterThan(0)
      expect((await b.subject.pool.list()).images).toEqual(expect.arrayContaining([ofSnapshot, ofImage]))
      await write(path(root), 'later')
      await b.subject.pool.deleteSnapshot(layer)
      await b.subject.pool.deleteImage(base)
      await b.subject.reopen()
      expect(await read(path(await makeRoot({ image: ofSnapshot })))).toBe('changed')
      expect(await read(path(await makeRoot({ image: ofImage })))).toBe('base')
    })

    it('of what is not there, or under an id that is taken, are not made', async () => {
      const id = newId<ImageId>()
      for (const source of [
        { from: 'snapshot', id: newId<SnapshotId>() },
        { from: 'image', id: newId<ImageId>() },
      ] as const)
        await expect(b.subject.pool.createImageFrom(id, source)).rejects.toMatchObject({ code: 'not_found' })
      const [first, second] = [await makeImage('first'), await makeImage('second')]
      await expect(b.subject.pool.createImageFrom(first, { from: 'image', id: second })).rejects.toMatchObject({
        code: 'runtime_failed',
      })
      expect(await read(path(await makeRoot({ image: first })))).toBe('first')
      const { images, staged } = await b.subject.pool.list()
      expect([images.includes(id), staged]).toEqual([false, []])
    })

    it('can be deleted twice, under the feet of their clones', async () => {
      const id = await makeImage('origin')
      const root = await makeRoot({ image: id })
      for (let time = 0; time < 2; time += 1) await b.subject.pool.deleteImage(id)
      expect((await b.subject.pool.list()).images).not.toContain(id)
      await expect(makeRoot({ image: id })).rejects.toMatchObject({ code: 'not_found' })
      expect(await read(path(root))).toBe('origin')
      await write(path(root), 'still writable')
      expect(await read(path(root))).toBe('still writable')
    })
  })
}
