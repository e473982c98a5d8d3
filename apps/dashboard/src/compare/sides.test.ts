import type { Sandbox, Snapshot } from 'spawnpoint'
import { expect, it } from 'vitest'
import { comparedBy, parseSide, sideText } from './sides.ts'

const id = (n: number) => String(n).padStart(24, '0')
const snapshot = (n: number) => ({ id: id(n) }) as Snapshot
const sandbox = (n: number) => ({ id: id(n) }) as Sandbox

it('reads what stands in an address, and nothing else', () => {
  expect(parseSide(`snapshot.${id(1)}`)).toEqual({ kind: 'snapshot', id: id(1) })
  expect(parseSide(sideText({ kind: 'sandbox', id: id(2) }))).toEqual({ kind: 'sandbox', id: id(2) })
  for (const bad of [undefined, 3, '', 'snapshot.', `image.${id(1)}`, `snapshot.${id(1)}0`])
    expect(parseSide(bad)).toBeNull()
})

it('finds both sides, the earlier among the snapshots alone', () => {
  const snapshots = [snapshot(1), snapshot(2)]
  const sandboxes = [sandbox(3)]
  const by = (before: string, after: string) => comparedBy(parseSide(before), parseSide(after), snapshots, sandboxes)
  expect(by(`snapshot.${id(1)}`, `snapshot.${id(2)}`)).toEqual({ before: snapshots[0], after: snapshots[1] })
  expect(by(`snapshot.${id(1)}`, `sandbox.${id(3)}`)).toEqual({ before: snapshots[0], after: sandboxes[0] })
  expect(by(`snapshot.${id(1)}`, `snapshot.${id(1)}`)).toBeNull()
  expect(by(`sandbox.${id(3)}`, `snapshot.${id(1)}`)).toBeNull()
  expect(by(`snapshot.${id(9)}`, `snapshot.${id(1)}`)).toBeNull()
})
