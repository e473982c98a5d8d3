import type { SandboxInfo, SnapshotInfo } from 'spawnpoint'

export type LineageNode = { id: string; children: LineageNode[] } & (
  | { kind: 'sandbox'; sandbox: SandboxInfo }
  | { kind: 'snapshot'; snapshot: SnapshotInfo }
  /** An image that sandboxes were booted from */
  | { kind: 'image'; name: string }
  /** A sandbox or snapshot that is not in the records any more, though something came from it */
  | { kind: 'gone'; what: 'sandbox' | 'snapshot' }
)

/**
 * What came from what: images, the sandboxes booted from them, their snapshots and forks, the sandboxes started from those.
 * Killed sandboxes and failed snapshots that nothing came from are left out.
 */
export function lineageOf(sandboxes: readonly SandboxInfo[], snapshots: readonly SnapshotInfo[]): LineageNode[] {
  const nodes = new Map<string, LineageNode>()
  for (const sandbox of sandboxes) nodes.set(sandbox.id, { id: sandbox.id, kind: 'sandbox', sandbox, children: [] })
  for (const snapshot of snapshots)
    nodes.set(snapshot.id, { id: snapshot.id, kind: 'snapshot', snapshot, children: [] })

  const roots = new Map<string, LineageNode>()
  const known = (id: string, what: 'sandbox' | 'snapshot'): LineageNode => {
    const node = nodes.get(id) ?? { id, kind: 'gone', what, children: [] }
    if (!nodes.has(id)) {
      nodes.set(id, node)
      roots.set(id, node)
    }
    return node
  }
  const image = (id: string, name: string): LineageNode => {
    const node = roots.get(id) ?? { id, kind: 'image', name, children: [] }
    roots.set(id, node)
    return node
  }
  // A copy: what is gone is added on the way.
  for (const node of [...nodes.values()]) {
    if (node.kind === 'snapshot') known(node.snapshot.sandboxId, 'sandbox').children.push(node)
    else if (node.kind === 'sandbox') parentOf(node.sandbox, known, image).children.push(node)
  }
  return [...roots.values()]
    .map(pruned)
    .filter((root) => root.children.length > 0)
    .map(sorted)
}

function parentOf(
  { parentSandboxId, originSnapshotId, image: { id, name } }: SandboxInfo,
  known: (id: string, what: 'sandbox' | 'snapshot') => LineageNode,
  image: (id: string, name: string) => LineageNode,
): LineageNode {
  if (parentSandboxId !== null) return known(parentSandboxId, 'sandbox')
  if (originSnapshotId !== null) return known(originSnapshotId, 'snapshot')
  return image(id, name ?? 'a deleted image')
}

function pruned(node: LineageNode): LineageNode {
  const children = node.children.map(pruned).filter((child) => child.children.length > 0 || isShown(child))
  return { ...node, children }
}

function isShown(node: LineageNode): boolean {
  if (node.kind === 'sandbox') return node.sandbox.state !== 'killed'
  return node.kind === 'snapshot' && node.snapshot.state !== 'failed'
}

/** In the order in which things came to be. */
function sorted(node: LineageNode): LineageNode {
  return { ...node, children: node.children.map(sorted).sort((a, b) => bornAt(a) - bornAt(b)) }
}

function bornAt(node: LineageNode): number {
  if (node.kind === 'sandbox') return node.sandbox.createdAt.getTime()
  return node.kind === 'snapshot' ? node.snapshot.createdAt.getTime() : 0
}
