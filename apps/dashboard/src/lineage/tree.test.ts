import type { SandboxInfo, SnapshotInfo } from 'spawnpoint'
import { expect, it } from 'vitest'
import { type LineageNode, lineageOf } from './tree.ts'

let clock = 0
const sandbox = (id: string, from: Partial<SandboxInfo> = {}): SandboxInfo =>
  ({
    id,
    state: 'running',
    image: { id: 'image', name: 'base' },
    originSnapshotId: null,
    parentSandboxId: null,
    createdAt: new Date(clock++),
    ...from,
  }) as SandboxInfo
const snapshot = (id: string, sandboxId: string, more: Partial<SnapshotInfo> = {}): SnapshotInfo =>
  ({ id, sandboxId, state: 'ready', createdAt: new Date(clock++), ...more }) as SnapshotInfo

/** `a(b c(d))` */
const drawn = (nodes: LineageNode[]): string =>
  nodes.map(({ id, children }) => (children.length === 0 ? id : `${id}(${drawn(children)})`)).join(' ')

it('hangs snapshots on their sandbox, and sandboxes on what they were started from', () => {
  const sandboxes = [
    sandbox('origin'),
    sandbox('spawned', { originSnapshotId: 'one' }),
    sandbox('fork', { parentSandboxId: 'origin', originSnapshotId: 'hidden' }),
    sandbox('other'),
  ]
  const snapshots = [snapshot('one', 'origin'), snapshot('two', 'spawned')]
  expect(drawn(lineageOf(sandboxes, snapshots))).toBe('image(origin(fork one(spawned(two))) other)')
})

it('keeps what is killed or gone where something came from it, and leaves out the rest', () => {
  const sandboxes = [
    sandbox('killed', { state: 'killed' }),
    sandbox('killed-alone', { state: 'killed' }),
    sandbox('orphan', { originSnapshotId: 'deleted' }),
  ]
  const snapshots = [
    snapshot('kept', 'killed'),
    snapshot('failed', 'orphan', { state: 'failed' }),
    snapshot('of-forgotten', 'forgotten'),
  ]
  const lineage = lineageOf(sandboxes, snapshots)
  expect(drawn(lineage)).toBe('image(killed(kept)) deleted(orphan) forgotten(of-forgotten)')
  expect(lineage.map(({ kind }) => kind)).toEqual(['image', 'gone', 'gone'])
  expect(lineage[1]).toMatchObject({ what: 'snapshot' })
})

it('is empty where there is nothing', () => {
  expect(lineageOf([], [])).toEqual([])
  expect(lineageOf([sandbox('x', { state: 'killed' })], [])).toEqual([])
})
