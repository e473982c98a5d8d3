import { expect, it } from 'vitest'
import { layoutOf, NODE } from './layout.ts'
import type { LineageNode } from './tree.ts'

const node = (id: string, ...children: LineageNode[]): LineageNode => ({ id, kind: 'image', name: id, children })

it('places nothing over anything else, children to the right, all within its size', () => {
  const layout = layoutOf([node('a', node('b', node('c'), node('d')), node('e')), node('f', node('g'))])
  expect(layout.placed.map(({ node: { id } }) => id)).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g'])
  for (const one of layout.placed) {
    expect(one.x).toBeGreaterThanOrEqual(0)
    expect(one.y).toBeGreaterThanOrEqual(0)
    expect(one.x + NODE.width).toBeLessThanOrEqual(layout.width)
    expect(one.y + NODE.height).toBeLessThanOrEqual(layout.height)
    if (one.parent !== null) expect(one.x).toBeGreaterThan(one.parent.x + NODE.width)
    for (const other of layout.placed) {
      if (other === one || other.x !== one.x) continue
      expect(Math.abs(other.y - one.y)).toBeGreaterThanOrEqual(NODE.height)
    }
  }
})

it('has no size without nodes', () => {
  expect(layoutOf([])).toEqual({ placed: [], width: 0, height: 0 })
})
