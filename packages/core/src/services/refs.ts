import { notFound, SpawnpointError } from '../errors.ts'
import { isId } from '../ids.ts'
import type { Image, ImageId, Sandbox, SandboxId, Snapshot, SnapshotId, TeamId } from '../model.ts'
import type { LedgerReads } from '../ports/index.ts'
import { LIVING_STATES } from '../sandbox/lifecycle.ts'

/** Finds what a `ref` names; see `SpawnpointApi`. What another team owns is not found. */
export async function findSandbox(read: LedgerReads, teamId: TeamId, ref: string): Promise<Sandbox> {
  if (isId(ref)) {
    const byId = await read.sandbox(ref as SandboxId)
    if (byId !== null && byId.teamId === teamId) return byId
  }
  if (isName(ref)) {
    const { items } = await read.sandboxes({ teamId, name: ref, states: [...LIVING_STATES] }, { limit: 1 })
    if (items[0] !== undefined) return items[0]
  }
  throw notFound('sandbox', ref)
}

export async function findSnapshot(read: LedgerReads, teamId: TeamId, ref: string): Promise<Snapshot> {
  const found = await find(ref, {
    byId: (id) => read.snapshot(id as SnapshotId),
    byName: async (name) => (await read.snapshots({ teamId, name, states: ['ready'] }, { limit: 1 })).items[0],
  })
  if (found === null || found.teamId !== teamId || found.internal) throw notFound('snapshot', ref)
  return found
}

export async function findImage(read: LedgerReads, teamId: TeamId, ref: string): Promise<Image> {
  const found = await find(ref, {
    byId: (id) => read.image(id as ImageId),
    byName: async (name) => (await read.images({ teamId, name, states: ['ready'] }, { limit: 1 })).items[0],
  })
  if (found === null || found.teamId !== teamId) throw notFound('image', ref)
  return found
}

async function find<T extends { name: string | null }>(
  ref: string,
  by: { byId: (id: string) => Promise<T | null>; byName: (name: string) => Promise<T | undefined> },
): Promise<T | null> {
  const at = ref.lastIndexOf('@')
  if (at > 0) {
    const id = ref.slice(at + 1)
    const exact = isId(id) ? await by.byId(id) : null
    return exact?.name === ref.slice(0, at) ? exact : null
  }
  if (isId(ref)) {
    const byId = await by.byId(ref)
    if (byId !== null) return byId
  }
  return isName(ref) ? ((await by.byName(ref)) ?? null) : null
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

export function isName(text: string): boolean {
  return NAME.test(text)
}

/** Names that look like ids would make refs ambiguous. */
export function checkName(path: string, name: string): void {
  if (!isName(name) || isId(name)) {
    throw new SpawnpointError(
      'invalid_argument',
      `${path}: 1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit, and not 24 hex digits`,
      { issues: [{ path, message: 'not a valid name' }] },
    )
  }
}
