import {
  isCode,
  isId,
  type Name,
  type Principal,
  type Snapshot,
  type SpawnpointApi,
  SpawnpointError,
} from '@spawnpoint/core'
import { everyPage } from '@spawnpoint/door-kit'
import { shownState } from './states.ts'
import { ownName } from './template-refs.ts'

/**
 * All that is known under a name, or the one thing of an id; a tag in `text` says nothing here. Rejects `in_use` while
 * sandboxes that were started from one of its snapshots live.
 */
export async function deleteTemplate(api: SpawnpointApi, by: Principal, text: string): Promise<void> {
  const ref = await ownName(api, by, text)
  const name = await unless404(api.names.get(by, ref.name))
  if (name === null && isId(ref.name)) return deleteOne(api, by, ref.name)
  const called = name?.name ?? ref.name
  const snapshots = await everyPage((page) =>
    api.snapshots.list(by, { name: called, states: ['ready', 'failed'] }, page),
  )
  const images = await everyPage((page) => api.images.list(by, { name: called }, page))
  if (name === null && snapshots.length === 0 && images.length === 0) throw notThere(text)
  for (const snapshot of snapshots) await mustBeUnused(api, by, snapshot, text)
  for (const snapshot of snapshots) await deleteSnapshot(api, by, snapshot, text)
  for (const image of images) await unless404(api.images.delete(by, image.id))
  if (name !== null) await deleteName(api, by, name)
}

async function deleteOne(api: SpawnpointApi, by: Principal, id: string): Promise<void> {
  const found = await unless404(api.resolve(by, id))
  if (found === null) throw notThere(id)
  if ('image' in found) await api.images.delete(by, found.image.id)
  else await deleteSnapshot(api, by, found.snapshot, id)
}

async function deleteSnapshot(api: SpawnpointApi, by: Principal, { id }: Snapshot, shown: string): Promise<void> {
  try {
    await api.snapshots.delete(by, id, { ifUnused: true })
  } catch (error) {
    if (!isCode(error, 'in_use')) throw error
    const users = await Promise.all(error.context.by.map((user) => unless404(api.sandboxes.get(by, user))))
    const running = users.some((user) => user !== null && shownState(user) === 'running')
    throw inUse(shown, id, running ? 'running' : 'paused', error.context.by)
  }
}

/** Before anything is deleted; that nothing was started since is seen by the deletion itself. */
async function mustBeUnused(api: SpawnpointApi, by: Principal, { id }: Snapshot, shown: string): Promise<void> {
  const { items } = await api.sandboxes.list(by, { snapshot: id }, { limit: 10 })
  if (items.length === 0) return
  const running = items.some((user) => shownState(user) === 'running')
  throw inUse(
    shown,
    id,
    running ? 'running' : 'paused',
    items.map((user) => user.id),
  )
}

function inUse(shown: string, id: string, state: string, users: string[]): SpawnpointError<'in_use'> {
  return new SpawnpointError(
    'in_use',
    `cannot delete template '${shown}' because there are ${state} sandboxes using it`,
    { resource: 'snapshot', id, by: users },
  )
}

async function deleteName(api: SpawnpointApi, by: Principal, name: Name): Promise<void> {
  await unless404(api.names.delete(by, name.id))
}

/** `null` for what somebody else has deleted meanwhile, or what never was. */
async function unless404<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    if (isCode(error, 'not_found')) return null
    throw error
  }
}

export function notThere(ref: string): SpawnpointError<'not_found'> {
  const shown = ref.slice(0, 100)
  return new SpawnpointError('not_found', `template '${shown}' not found`, { resource: 'name', ref: shown })
}
