import type { Measured, MeasuredSet, TreeSource } from '@spawnpoint/core'
import type { FileTree } from './file-tree.ts'
import type { FakeHost } from './host.ts'

/** As extents: what is the same buffer is the same bytes. */
export function measureFakes(host: FakeHost, sets: readonly (readonly TreeSource[])[]): MeasuredSet[] {
  const contents = sets.map((set) => set.map((thing) => contentOf(host, thing)))
  const holders = contents.flat().filter((content) => content !== null)
  const ofSets = contents.map((things) => new Set(things.flatMap((thing) => (thing === null ? [] : [...thing]))))
  return contents.map((things, n) => ({
    things: things.map((thing) => (thing === null ? null : measured(thing, holders))),
    set: measured(ofSets[n] ?? new Set(), ofSets),
  }))
}

function measured(content: Set<Uint8Array>, holders: readonly Set<Uint8Array>[]): Measured {
  let uniqueBytes = 0
  let sharedBytes = 0
  for (const data of content) {
    if (holders.some((other) => other !== content && other.has(data))) sharedBytes += data.length
    else uniqueBytes += data.length
  }
  return { uniqueBytes, sharedBytes }
}

function contentOf(host: FakeHost, { from, id }: TreeSource): Set<Uint8Array> | null {
  const trees: (FileTree | null | undefined)[] = []
  if (from === 'image') trees.push(host.images.get(id))
  else if (from === 'root') trees.push(host.roots.get(id)?.tree)
  else trees.push(host.snapshots.get(id)?.tree, host.snapshots.get(id)?.memoryFiles)
  const [files] = trees
  if (!files) return null
  return new Set(trees.flatMap((tree) => [...(tree?.nodes.values() ?? [])].map(({ data }) => data)))
}
