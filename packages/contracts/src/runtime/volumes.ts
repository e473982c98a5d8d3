import { newId, type RootId } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, hold, pieces, readText } from './bench.ts'

/** Directories of the host inside of incarnations: not captured with them, shared by several. */
export function volumesSuite(bench: () => Bench): void {
  describe('volumes', () => {
    let b: Bench
    const volumes: RootId[] = []
    beforeAll(() => {
      b = bench()
    })
    afterAll(async () => {
      for (const id of volumes) await b.pool.deleteRoot(id)
    })

    async function volume(diskBytes = b.diskBytes): Promise<string> {
      const id = newId<RootId>()
      await b.pool.createRoot(id, null, { diskBytes })
      volumes.push(id)
      return b.pool.rootPath(id)
    }
    async function boot(mounts: { path: string; source: string; readOnly: boolean }[]) {
      const root = await b.root()
      const spec = b.spec(root, { volumes: mounts })
      const guest = await b.runtime.start(spec)
      await guest.identify(b.identity())
      return { id: spec.id, root, guest }
    }

    it('are where they are asked for, keep what is written when the incarnation is gone, and are no part of its root', async () => {
      const source = await volume()
      const first = await boot([{ path: '/mnt/new/data', source, readOnly: false }])
      await first.guest.files.write('/mnt/new/data/kept', pieces('for long'), { user: '1000' })
      await b.drop(first)
      const second = await boot([{ path: '/data', source, readOnly: true }])
      expect(await readText(second.guest, '/data/kept')).toBe('for long')
      await expect(second.guest.files.write('/data/kept', pieces('other'))).rejects.toMatchObject({
        code: 'guest_error',
        context: { errno: 'EROFS' },
      })
      await b.drop(second)
    })

    it('are shared: what one incarnation writes another reads', async () => {
      const source = await volume()
      const one = await boot([{ path: '/data', source, readOnly: false }])
      const other = await boot([{ path: '/shared', source, readOnly: false }])
      await one.guest.files.write('/data/a', pieces('from one'))
      expect(await readText(other.guest, '/shared/a')).toBe('from one')
      await other.guest.files.write('/shared/a', pieces('from the other'))
      expect(await readText(one.guest, '/data/a')).toBe('from the other')
      await b.drop(one)
      await b.drop(other)
    })

    it('are mounted again at a restore, as they are by then', async () => {
      const source = await volume()
      const origin = await boot([{ path: '/data', source, readOnly: false }])
      await origin.guest.files.write('/data/a', pieces('before'))
      await origin.guest.files.write('/data/gone', pieces('gone'))
      await hold(origin.guest)
      await origin.guest.release()
      const snapshot = await b.capture(origin)
      await origin.guest.files.write('/data/a', pieces('after the capture'))
      await origin.guest.files.remove('/data/gone')
      const root = await b.root({ from: 'snapshot', id: snapshot.id })
      const image = { dir: b.pool.memoryDir(snapshot.id), requirements: snapshot.requirements }
      await expect(b.runtime.restore(b.spec(await b.root()), image)).rejects.toMatchObject({ code: 'incompatible' })
      const spec = b.spec(root, { volumes: [{ path: '/data', source, readOnly: false }] })
      const guest = await b.runtime.restore(spec, image)
      await guest.identify(b.identity({ generation: 1, cause: 'restore' }))
      expect(await readText(guest, '/data/a')).toBe('after the capture')
      await expect(guest.files.stat('/data/gone')).rejects.toMatchObject({ context: { errno: 'ENOENT' } })
      await guest.files.write('/data/b', pieces('from the clone'))
      expect(await readText(origin.guest, '/data/b')).toBe('from the clone')
      await b.drop({ id: spec.id, root, guest })
      await b.drop(origin)
    })
  })
}
