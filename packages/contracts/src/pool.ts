import { type ImageId, newId, type Pool, type RootId, type SnapshotId } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

export interface PoolUnderTest extends AsyncDisposable {
  /** Opened */
  pool: Pool
  /** Closes `pool` and opens another on the same store, as a restarted server does; `pool` is that one afterwards. */
  reopen(): Promise<void>
  /** Content of a file in a directory that the pool gave out (`rootPath`, `fill`, `memoryDir`); `null` if there is none. */
  readFile(dir: string, name: string): Promise<string | null>
  /** Writes a file there; rejects when the disk limit says no. */
  writeFile(dir: string, name: string, data: Buffer): Promise<void>
}

const MIB = 2 ** 20

/**
 * What every `Pool` must do. The suite makes one store and gives each test ids of its own.
 *
 * Laws beyond the port's signatures:
 * - An id is used once: creating or staging it again rejects `runtime_failed` and changes nothing.
 * - Unknown sources and targets reject `not_found`; deleting what is not there succeeds.
 * - A clone or a snapshot needs nothing of where it came from: that may be deleted.
 * - A capture made again before publishing replaces the first.
 */
export function poolContract(name: string, make: () => Promise<PoolUnderTest>): void {
  describe(`pool contract: ${name}`, () => {
    let subject: PoolUnderTest
    beforeAll(async () => {
      subject = await make()
    })
    afterAll(async () => {
      await subject?.[Symbol.asyncDispose]()
    })

    const read = (dir: string, file = 'state') => subject.readFile(dir, file)
    const write = (dir: string, text: string, file = 'state') => subject.writeFile(dir, file, Buffer.from(text))
    const path = (id: RootId) => subject.pool.rootPath(id)

    async function makeImage(text = 'image'): Promise<ImageId> {
      const id = newId<ImageId>()
      await subject.pool.createImage(id, (dir) => write(dir, text))
      return id
    }
    async function makeRoot(from: { image: ImageId } | { snapshot: SnapshotId }, diskBytes = 512 * MIB) {
      const id = newId<RootId>()
      const source =
        'image' in from
          ? ({ from: 'image', id: from.image } as const)
          : ({ from: 'snapshot', id: from.snapshot } as const)
      await subject.pool.createRoot(id, source, { diskBytes })
      return id
    }
    async function capture(root: RootId, manifest: unknown = {}, memory?: string): Promise<SnapshotId> {
      const id = newId<SnapshotId>()
      const { memoryDir } = await subject.pool.stageSnapshot(id)
      if (memory !== undefined) await write(memoryDir, memory, 'memory')
      await subject.pool.captureRoot(id, root)
      await subject.pool.publishSnapshot(id, manifest)
      return id
    }

    describe('images', () => {
      it('makes an empty root that everybody may write to, within its limit', async () => {
        const id = newId<RootId>()
        await subject.pool.createRoot(id, null, { diskBytes: 4 * MIB })
        expect(await read(path(id))).toBeNull()
        await write(path(id), 'own')
        expect(await read(path(id))).toBe('own')
        await expect(subject.writeFile(path(id), 'large', Buffer.alloc(8 * MIB, 'x'))).rejects.toThrow()
        expect((await subject.pool.list()).roots).toContain(id)
        await subject.pool.deleteRoot(id)
        expect((await subject.pool.list()).roots).not.toContain(id)
      })

      it('are made of what fill puts into an empty directory', async () => {
        const id = newId<ImageId>()
        let before: string | null = 'not looked'
        const { sizeBytes } = await subject.pool.createImage(id, async (dir) => {
          before = await read(dir)
          await write(dir, 'filled')
        })
        expect(before).toBeNull()
        expect(sizeBytes).toBeGreaterThan(0)
        expect((await subject.pool.list()).images).toContain(id)
        expect(await read(path(await makeRoot({ image: id })))).toBe('filled')
      })

      it('cannot outgrow their limit', async () => {
        const id = newId<ImageId>()
        const large = Buffer.alloc(64 * MIB, 'x')
        const filling = subject.pool.createImage(id, (dir) => subject.writeFile(dir, 'large', large), {
          maxBytes: 16 * MIB,
        })
        await expect(filling).rejects.toThrow()
        expect((await subject.pool.list()).images).not.toContain(id)
        await subject.pool.createImage(id, (dir) => subject.writeFile(dir, 'large', large), { maxBytes: 256 * MIB })
        expect((await subject.pool.list()).images).toContain(id)
      })

      it('cannot be used while they are filled, and are known as staged', async () => {
        const id = newId<ImageId>()
        await subject.pool.createImage(id, async (dir) => {
          await write(dir, 'half')
          const { images, staged } = await subject.pool.list()
          expect(images).not.toContain(id)
          expect(staged).toHaveLength(1)
          await expect(makeRoot({ image: id })).rejects.toMatchObject({ code: 'not_found' })
        })
        expect((await subject.pool.list()).staged).toEqual([])
      })

      it('leave nothing when fill fails, whose error comes back, and may be tried again', async () => {
        const id = newId<ImageId>()
        const failure = Object.assign(new Error('no such package'), { marked: true })
        const failing = subject.pool.createImage(id, async (dir) => {
          await write(dir, 'half')
          throw failure
        })
        const caught = await failing.catch((error: unknown) => error)
        // A driver may wrap what is not of its kind; the cause must not be lost.
        expect([caught, (caught as Error).cause]).toContain(failure)
        const { images, staged } = await subject.pool.list()
        expect(images).not.toContain(id)
        expect(staged).toEqual([])
        await subject.pool.createImage(id, (dir) => write(dir, 'whole'))
        expect(await read(path(await makeRoot({ image: id })))).toBe('whole')
      })

      it('are not replaced by another of the same id', async () => {
        const id = await makeImage('first')
        const again = subject.pool.createImage(id, (dir) => write(dir, 'second'))
        await expect(again).rejects.toMatchObject({ code: 'runtime_failed' })
        expect(await read(path(await makeRoot({ image: id })))).toBe('first')
        expect((await subject.pool.list()).staged).toEqual([])
      })

      it('are made of the files of a snapshot or an image, and need neither from then on', async () => {
        const base = await makeImage('base')
        const root = await makeRoot({ image: base })
        await write(path(root), 'changed')
        const layer = await capture(root)
        const [ofSnapshot, ofImage] = [newId<ImageId>(), newId<ImageId>()]
        const made = await subject.pool.createImageFrom(ofSnapshot, { from: 'snapshot', id: layer })
        await subject.pool.createImageFrom(ofImage, { from: 'image', id: base })
        expect(made.sizeBytes).toBeGreaterThan(0)
        expect((await subject.pool.list()).images).toEqual(expect.arrayContaining([ofSnapshot, ofImage]))
        await write(path(root), 'later')
        await subject.pool.deleteSnapshot(layer)
        await subject.pool.deleteImage(base)
        await subject.reopen()
        expect(await read(path(await makeRoot({ image: ofSnapshot })))).toBe('changed')
        expect(await read(path(await makeRoot({ image: ofImage })))).toBe('base')
      })

      it('of what is not there, or under an id that is taken, are not made', async () => {
        const id = newId<ImageId>()
        for (const source of [
          { from: 'snapshot', id: newId<SnapshotId>() },
          { from: 'image', id: newId<ImageId>() },
        ] as const)
          await expect(subject.pool.createImageFrom(id, source)).rejects.toMatchObject({ code: 'not_found' })
        const [first, second] = [await makeImage('first'), await makeImage('second')]
        await expect(subject.pool.createImageFrom(first, { from: 'image', id: second })).rejects.toMatchObject({
          code: 'runtime_failed',
        })
        expect(await read(path(await makeRoot({ image: first })))).toBe('first')
        const { images, staged } = await subject.pool.list()
        expect([images.includes(id), staged]).toEqual([false, []])
      })

      it('can be deleted twice, under the feet of their clones', async () => {
        const id = await makeImage('origin')
        const root = await makeRoot({ image: id })
        for (let time = 0; time < 2; time += 1) await subject.pool.deleteImage(id)
        expect((await subject.pool.list()).images).not.toContain(id)
        await expect(makeRoot({ image: id })).rejects.toMatchObject({ code: 'not_found' })
        expect(await read(path(root))).toBe('origin')
        await write(path(root), 'still writable')
        expect(await read(path(root))).toBe('still writable')
      })
    })

    describe('roots', () => {
      it('are clones that share no writes with their image or each other', async () => {
        const image = await makeImage('common')
        const [a, b] = [await makeRoot({ image }), await makeRoot({ image })]
        await write(path(a), 'mine')
        await write(path(b), 'new', 'other')
        expect(await read(path(a))).toBe('mine')
        expect(await read(path(a), 'other')).toBeNull()
        expect(await read(path(b))).toBe('common')
        expect(await read(path(await makeRoot({ image })))).toBe('common')
      })

      it('are made in parallel', async () => {
        const image = await makeImage()
        const roots = await Promise.all(Array.from({ length: 8 }, () => makeRoot({ image })))
        await Promise.all(roots.map((root, n) => write(path(root), `root ${n}`)))
        expect(await Promise.all(roots.map((root) => read(path(root))))).toEqual(roots.map((_, n) => `root ${n}`))
        expect((await subject.pool.list()).roots).toEqual(expect.arrayContaining(roots))
        await Promise.all(roots.map((root) => subject.pool.deleteRoot(root)))
        for (const root of roots) expect((await subject.pool.list()).roots).not.toContain(root)
      })

      it('from something unknown reject not_found and leave nothing', async () => {
        const id = newId<RootId>()
        for (const from of ['image', 'snapshot'] as const) {
          const made = subject.pool.createRoot(id, { from, id: newId<never>() }, { diskBytes: 64 * MIB })
          await expect(made).rejects.toMatchObject({ code: 'not_found', context: { resource: from } })
        }
        expect((await subject.pool.list()).roots).not.toContain(id)
      })

      it('are not replaced by another of the same id', async () => {
        const image = await makeImage()
        const root = await makeRoot({ image })
        await write(path(root), 'precious')
        const again = subject.pool.createRoot(root, { from: 'image', id: image }, { diskBytes: 64 * MIB })
        await expect(again).rejects.toMatchObject({ code: 'runtime_failed' })
        expect(await read(path(root))).toBe('precious')
      })

      it('are gone after delete, which may be repeated', async () => {
        const root = await makeRoot({ image: await makeImage() })
        const at = path(root)
        for (let time = 0; time < 2; time += 1) {
          await subject.pool.deleteRoot(root)
          expect((await subject.pool.list()).roots).not.toContain(root)
          expect(await read(at)).toBeNull()
        }
        await subject.pool.deleteRoot(newId())
      })

      it('count what they use', async () => {
        const root = await makeRoot({ image: await makeImage() })
        const before = await subject.pool.rootUsage(root)
        await subject.writeFile(path(root), 'big', Buffer.alloc(4 * MIB, 'spawnpoint '))
        await subject.pool.flushRoot(root)
        const after = await subject.pool.rootUsage(root)
        expect(after.usedBytes - before.usedBytes).toBeGreaterThanOrEqual(4 * MIB)
        expect(after.exclusiveBytes - before.exclusiveBytes).toBeGreaterThanOrEqual(4 * MIB)
        expect(after.exclusiveBytes).toBeLessThanOrEqual(after.usedBytes)
      })

      it('refuse writes beyond their limit, theirs alone', async () => {
        const image = await makeImage()
        const [small, large] = [await makeRoot({ image }, 16 * MIB), await makeRoot({ image }, 64 * MIB)]
        const data = Buffer.alloc(24 * MIB, 'spawnpoint ')
        await expect(subject.writeFile(path(small), 'big', data)).rejects.toThrow()
        await subject.writeFile(path(large), 'big', data)
        expect((await subject.pool.rootUsage(small)).usedBytes).toBeLessThanOrEqual(16 * MIB)
      })

      it('that do not exist have no usage and cannot be flushed', async () => {
        await expect(subject.pool.rootUsage(newId())).rejects.toMatchObject({ code: 'not_found' })
        await expect(subject.pool.flushRoot(newId())).rejects.toMatchObject({ code: 'not_found' })
      })
    })

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
        await subject.pool.stageSnapshot(id)
        await subject.pool.captureRoot(id, origin)
        const { snapshots, staged } = await subject.pool.list()
        expect(snapshots).not.toContain(id)
        expect(staged).toHaveLength(1)
        await expect(makeRoot({ snapshot: id })).rejects.toMatchObject({ code: 'not_found' })
        await expect(subject.pool.readManifest(id)).rejects.toMatchObject({ code: 'not_found' })
        await subject.pool.publishSnapshot(id, {})
        const after = await subject.pool.list()
        expect(after.snapshots).toContain(id)
        expect(after.staged).toEqual([])
      })

      it('keep manifest and memory directory, also over a restart', async () => {
        const manifest = { format: 1, nested: { list: [1, null, 'ü 🚀'] }, text: '"\\\n' }
        const id = await capture(await makeRoot({ image: await makeImage() }), manifest, 'pages')
        for (let time = 0; time < 2; time += 1) {
          expect(await subject.pool.readManifest(id)).toEqual(manifest)
          expect(await read(subject.pool.memoryDir(id), 'memory')).toBe('pages')
          await subject.reopen()
        }
      })

      it('say how large they are', async () => {
        const origin = await makeRoot({ image: await makeImage() })
        await subject.writeFile(path(origin), 'big', Buffer.alloc(2 * MIB, 'spawnpoint '))
        const id = newId<SnapshotId>()
        const { memoryDir } = await subject.pool.stageSnapshot(id)
        await subject.writeFile(memoryDir, 'memory', Buffer.alloc(MIB, 'pages '))
        await subject.pool.flushRoot(origin)
        await subject.pool.captureRoot(id, origin)
        const sizes = await subject.pool.publishSnapshot(id, {})
        expect(sizes.memoryBytes).toBeGreaterThanOrEqual(MIB)
        expect(sizes.filesystemBytes).toBeGreaterThanOrEqual(2 * MIB)
        expect(sizes.newlyStoredBytes).toBeGreaterThanOrEqual(MIB)
        expect(sizes.newlyStoredBytes).toBeLessThanOrEqual(sizes.memoryBytes + sizes.filesystemBytes)
      })

      it('are read back, and are found out when their memory is not what it was', async () => {
        const origin = await makeRoot({ image: await makeImage() })
        const id = await capture(origin, {}, 'pages')
        const { signal } = new AbortController()
        for (let time = 0; time < 2; time += 1) expect(await subject.pool.checkSnapshot(id, signal)).toBeNull()
        await subject.reopen()
        await write(subject.pool.memoryDir(id), 'pagez', 'memory')
        expect(await subject.pool.checkSnapshot(id, signal)).toContain('memory')
        await write(subject.pool.memoryDir(id), 'pages', 'memory')
        expect(await subject.pool.checkSnapshot(id, signal)).toBeNull()
        await write(subject.pool.memoryDir(id), 'pages', 'more')
        expect(await subject.pool.checkSnapshot(id, signal)).toContain('memory')
        await expect(subject.pool.checkSnapshot(newId(), signal)).rejects.toMatchObject({ code: 'not_found' })
        await expect(subject.pool.checkSnapshot(id, AbortSignal.abort())).rejects.toThrow()
      })

      it('outlive the root and the image they came from', async () => {
        const image = await makeImage()
        const origin = await makeRoot({ image })
        await write(path(origin), 'kept')
        const snapshot = await capture(origin)
        await subject.pool.deleteRoot(origin)
        await subject.pool.deleteImage(image)
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
        await subject.pool.deleteSnapshot(line[1] as SnapshotId)
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
          expect(await subject.pool.readManifest(snapshot)).toEqual({ n })
          expect(await read(path(await makeRoot({ snapshot })))).toBe(`root ${n}`)
        }
      })

      it('take the last of two captures', async () => {
        const origin = await makeRoot({ image: await makeImage() })
        const snapshot = newId<SnapshotId>()
        await subject.pool.stageSnapshot(snapshot)
        for (const text of ['first', 'second']) {
          await write(path(origin), text)
          await subject.pool.captureRoot(snapshot, origin)
        }
        await subject.pool.publishSnapshot(snapshot, {})
        expect(await read(path(await makeRoot({ snapshot })))).toBe('second')
      })

      it('are not staged twice, nor over a published one', async () => {
        const origin = await makeRoot({ image: await makeImage() })
        const id = newId<SnapshotId>()
        await subject.pool.stageSnapshot(id)
        await expect(subject.pool.stageSnapshot(id)).rejects.toMatchObject({ code: 'runtime_failed' })
        await subject.pool.captureRoot(id, origin)
        await subject.pool.publishSnapshot(id, { first: true })
        await expect(subject.pool.stageSnapshot(id)).rejects.toMatchObject({ code: 'runtime_failed' })
        expect(await subject.pool.readManifest(id)).toEqual({ first: true })
      })

      it('cannot be captured or published out of order', async () => {
        const origin = await makeRoot({ image: await makeImage() })
        const id = newId<SnapshotId>()
        await expect(subject.pool.captureRoot(id, origin)).rejects.toMatchObject({ code: 'not_found' })
        await expect(subject.pool.publishSnapshot(id, {})).rejects.toMatchObject({ code: 'not_found' })
        await subject.pool.stageSnapshot(id)
        await expect(subject.pool.captureRoot(id, newId())).rejects.toMatchObject({ code: 'not_found' })
        await expect(subject.pool.publishSnapshot(id, {})).rejects.toMatchObject({ code: 'runtime_failed' })
        expect((await subject.pool.list()).snapshots).not.toContain(id)
        await subject.pool.deleteSnapshot(id)
        expect((await subject.pool.list()).staged).toEqual([])
      })

      it('can be deleted twice, staged or published, under the feet of their clones', async () => {
        const origin = await makeRoot({ image: await makeImage() })
        await write(path(origin), 'kept')
        const staged = newId<SnapshotId>()
        await subject.pool.stageSnapshot(staged)
        await subject.pool.captureRoot(staged, origin)
        const published = await capture(origin)
        const clone = await makeRoot({ snapshot: published })
        for (const id of [staged, published, newId<SnapshotId>()]) {
          for (let time = 0; time < 2; time += 1) await subject.pool.deleteSnapshot(id)
          await expect(makeRoot({ snapshot: id })).rejects.toMatchObject({ code: 'not_found' })
          await expect(subject.pool.readManifest(id)).rejects.toMatchObject({ code: 'not_found' })
        }
        const { snapshots, staged: left } = await subject.pool.list()
        expect(snapshots).not.toContain(published)
        expect(left).toEqual([])
        expect(await read(path(clone))).toBe('kept')
      })
    })

    describe('after a restart', () => {
      it('everything acknowledged is there, under the same paths, and can be written', async () => {
        const image = await makeImage('durable')
        const root = await makeRoot({ image })
        await write(path(root), 'written')
        const snapshot = await capture(root, { n: 1 })
        const [rootPath, memoryDir] = [path(root), subject.pool.memoryDir(snapshot)]
        const before = await subject.pool.list()
        await subject.reopen()
        expect(await subject.pool.list()).toEqual(before)
        expect([path(root), subject.pool.memoryDir(snapshot)]).toEqual([rootPath, memoryDir])
        expect(await read(path(root))).toBe('written')
        expect(await read(path(await makeRoot({ snapshot })))).toBe('written')
        expect(await read(path(await makeRoot({ image })))).toBe('durable')
        await write(path(root), 'on and on')
        expect(await read(path(root))).toBe('on and on')
      })

      it('what was only staged can be found and swept', async () => {
        const origin = await makeRoot({ image: await makeImage() })
        const id = newId<SnapshotId>()
        await subject.pool.stageSnapshot(id)
        await subject.pool.captureRoot(id, origin)
        await subject.reopen()
        const { snapshots, staged } = await subject.pool.list()
        expect(snapshots).not.toContain(id)
        expect(staged).toHaveLength(1)
        for (let time = 0; time < 2; time += 1) await subject.pool.deleteStaged(staged[0] as string)
        expect((await subject.pool.list()).staged).toEqual([])
        await subject.pool.stageSnapshot(id)
        await subject.pool.deleteSnapshot(id)
      })

      it('limits still hold', async () => {
        const root = await makeRoot({ image: await makeImage() }, 16 * MIB)
        await subject.reopen()
        const data = Buffer.alloc(24 * MIB, 'spawnpoint ')
        await expect(subject.writeFile(path(root), 'big', data)).rejects.toThrow()
      })
    })

    it('tells what things hold alone and what they share, and the same of sets of them', async () => {
      const image = newId<ImageId>()
      await subject.pool.createImage(image, (dir) => subject.writeFile(dir, 'base', Buffer.alloc(3 * MIB, 'base ')))
      const root = await makeRoot({ image })
      await subject.writeFile(path(root), 'own', Buffer.alloc(2 * MIB, 'own '))
      const snapshot = await capture(root, {}, 'memory')
      await subject.writeFile(path(root), 'later', Buffer.alloc(MIB, 'later '))
      const things = [
        [{ from: 'image', id: image }],
        [
          { from: 'root', id: root },
          { from: 'snapshot', id: snapshot },
          { from: 'snapshot', id: newId<SnapshotId>() },
        ],
        [],
      ] as const
      const [ofImage, others, none] = await subject.pool.measure(things)
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
      await subject.pool.deleteRoot(root)
      const [, afterwards] = await subject.pool.measure(things)
      expect(afterwards?.things[0]).toBeNull()
      expect(afterwards?.things[1]?.sharedBytes).toBe(3 * MIB)
    })

    it('tells how much space there is', async () => {
      const { totalBytes, freeBytes } = await subject.pool.space()
      expect(freeBytes).toBeGreaterThan(0)
      expect(totalBytes).toBeGreaterThanOrEqual(freeBytes)
    })

    it('does nothing while closed', async () => {
      const image = await makeImage()
      await subject.pool.close()
      const closed = subject.pool
      await expect(closed.list()).rejects.toMatchObject({ code: 'unavailable' })
      const made = closed.createRoot(newId(), { from: 'image', id: image }, { diskBytes: 64 * MIB })
      await expect(made).rejects.toMatchObject({ code: 'unavailable' })
      await subject.reopen()
      expect((await subject.pool.list()).images).toContain(image)
    })
  })
}
