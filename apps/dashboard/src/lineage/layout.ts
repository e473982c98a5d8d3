import { type HierarchyPointNode, hierarchy, tree } from 'd3-hierarchy'
import type { LineageNode } from './tree.ts'

export const NODE = { width: 152, height: 52 }
const GAP = { across: 84, down: 14 }

export interface Placed {
  node: LineageNode
  /** Left upper corner in pixels */
  x: number
  y: number
  depth: number
  parent: Placed | null
}

export interface Layout {
  /** In reading order: each before what came from it */
  placed: Placed[]
  width: number
  height: number
}

/** From left to right, roots below each other. */
export function layoutOf(roots: readonly LineageNode[]): Layout {
  const placed: Placed[] = []
  let top = 0
  let width = 0
  for (const root of roots) {
    const place = tree<LineageNode>().nodeSize([NODE.height + GAP.down, NODE.width + GAP.across])
    const laid = place(hierarchy(root))
    const rows = laid.descendants().map(({ x }) => x)
    const shift = top - Math.min(...rows)
    const visit = (point: HierarchyPointNode<LineageNode>, parent: Placed | null) => {
      const here = { node: point.data, x: point.y, y: point.x + shift, depth: point.depth, parent }
      placed.push(here)
      width = Math.max(width, here.x + NODE.width)
      for (const child of point.children ?? []) visit(child, here)
    }
    visit(laid, null)
    top += Math.max(...rows) - Math.min(...rows) + NODE.height + 2 * GAP.down
  }
  return { placed, width, height: Math.max(0, top - 2 * GAP.down) }
}

/** From the middle of one's right side to the middle of the other's left. */
export function edge(from: Placed, to: Placed): string {
  const [x1, y1] = [from.x + NODE.width, from.y + NODE.height / 2]
  const [x2, y2] = [to.x, to.y + NODE.height / 2]
  const middle = (x1 + x2) / 2
  return `M${x1} ${y1} C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`
}
