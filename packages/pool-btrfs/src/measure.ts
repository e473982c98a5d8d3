import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Measured, MeasuredSet, TreeSource } from '@spawnpoint/core'
import type { Layout } from './layout.ts'
import { type Held, heldBytes } from './tree-scan.ts'

/** See `Pool.measure`. What snapshots have in `memory/` is theirs alone: nothing ever clones it. */
export async function measure(
  layout: Layout,
  sets: readonly (readonly TreeSource[])[],
  signal?: AbortSignal,
): Promise<MeasuredSet[]> {
  const memory = await Promise.all(sets.map((set) => Promise.all(set.map((thing) => memoryBytes(layout, thing)))))
  const measured = await heldBytes(
    sets.map((set) => set.map((thing) => filesOf(layout, thing))),
    signal,
  )
  return measured.map(({ things, held }, set) => {
    const own = memory[set] ?? []
    return {
      things: things.map((thing, n) => (thing === null ? null : measuredOf(thing, own[n] ?? 0))),
      set: measuredOf(
        held,
        own.reduce((sum, bytes) => sum + bytes, 0),
      ),
    }
  })
}

function measuredOf({ aloneBytes, allBytes }: Held, memoryBytes: number): Measured {
  return { uniqueBytes: aloneBytes + memoryBytes, sharedBytes: allBytes - aloneBytes }
}

function filesOf(layout: Layout, { from, id }: TreeSource): string {
  if (from === 'root') return layout.published('roots', id)
  return join(layout.published(from === 'image' ? 'images' : 'snapshots', id), 'rootfs')
}

async function memoryBytes(layout: Layout, { from, id }: TreeSource): Promise<number> {
  if (from !== 'snapshot') return 0
  const dir = join(layout.published('snapshots', id), 'memory')
  const gone = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return null
  }
  let bytes = 0
  for (const name of (await readdir(dir).catch(gone)) ?? []) {
    bytes += ((await stat(join(dir, name)).catch(gone))?.blocks ?? 0) * 512
  }
  return bytes
}
