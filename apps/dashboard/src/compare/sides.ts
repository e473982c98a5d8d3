import type { Comparison, Sandbox, Snapshot, TextComparison } from 'spawnpoint'
import { nameOf } from '../format.ts'

/** What is compared, as it stands in the address: `snapshot.ID` or `sandbox.ID`; the earlier one is always a snapshot. */
export type Side = { kind: 'snapshot' | 'sandbox'; id: string }

export function parseSide(text: unknown): Side | null {
  if (typeof text !== 'string') return null
  const [, kind, id] = /^(snapshot|sandbox)\.([0-9a-f]{24})$/.exec(text) ?? []
  if (id === undefined) return null
  return { kind: kind === 'sandbox' ? 'sandbox' : 'snapshot', id }
}

export function sideText({ kind, id }: Side): string {
  return `${kind}.${id}`
}

export interface Compared {
  before: Snapshot
  after: Snapshot | Sandbox
}

/** Finds both; `null` where one is not there, or is not to be compared. */
export function comparedBy(
  before: Side | null,
  after: Side | null,
  snapshots: readonly Snapshot[],
  sandboxes: readonly Sandbox[],
): Compared | null {
  const from = snapshots.find(({ id }) => before?.kind === 'snapshot' && id === before.id)
  const among: readonly (Snapshot | Sandbox)[] = after?.kind === 'sandbox' ? sandboxes : snapshots
  const to = among.find(({ id }) => id === after?.id)
  return from === undefined || to === undefined || from === to ? null : { before: from, after: to }
}

export function compare({ before, after }: Compared): Promise<Comparison> {
  return isSandbox(after) ? after.diff(before) : before.diff(after)
}

export function compareText({ before, after }: Compared, path: string): Promise<TextComparison> {
  return isSandbox(after) ? after.diffText(before, path) : before.diffText(after, path)
}

export function sideOptions(snapshots: readonly Snapshot[], sandboxes: readonly Sandbox[]) {
  const ready = snapshots.filter(({ state }) => state === 'ready')
  const options = ready.map((one) => ({
    value: sideText({ kind: 'snapshot', id: one.id }),
    label: `${nameOf(one)} · ${one.info.createdAt.toLocaleString()}`,
  }))
  const now = sandboxes.map((one) => ({
    value: sideText({ kind: 'sandbox', id: one.id }),
    label: `${nameOf(one)} as it is now`,
  }))
  return { before: options, after: [...now, ...options] }
}

function isSandbox(one: Snapshot | Sandbox): one is Sandbox {
  return 'rollback' in one
}
