import {
  isCode,
  isId,
  type Page,
  type PageRequest,
  type Principal,
  type Snapshot,
  type SpawnpointApi,
} from '@spawnpoint/core'
import { DEFAULT_TAG, isOwn, type NameRef, nameRef, refIn } from './template-refs.ts'

export interface SnapshotJson {
  /** What a sandbox can be made from */
  snapshotID: string
  names: string[]
}

/** Of each, in this order: under its name and tag if a tag points to it, else under its id. */
export async function snapshotsJson(
  api: SpawnpointApi,
  by: Principal,
  snapshots: readonly Snapshot[],
): Promise<SnapshotJson[]> {
  if (snapshots.length === 0) return []
  const tags = await api.names.tagsOf(
    by,
    snapshots.map(({ id }) => id),
  )
  const { name: team } = await api.keys.team(by)
  return snapshots.map(({ id, name }) => {
    const own = tags.filter(({ tag }) => tag.snapshotId === id)
    const shown = own.find(({ tag }) => tag.tag === DEFAULT_TAG) ?? own[0]
    if (shown !== undefined) {
      const full = `${team}/${shown.name.name}`
      return { snapshotID: `${full}:${shown.tag.tag}`, names: [full] }
    }
    return { snapshotID: `${id}:${DEFAULT_TAG}`, names: name === null ? [] : [`${team}/${name}`] }
  })
}

/** What `[namespace/]name[:tag]` or an id with or without a tag finds; nothing is found of what is not there. */
export async function snapshotsNamed(
  api: SpawnpointApi,
  by: Principal,
  text: string,
  sandbox: string | undefined,
  page: PageRequest,
): Promise<Page<Snapshot>> {
  const ref = nameRef(await refIn(api, by, text))
  if (ref.namespace !== null && !(await isOwn(api, by, ref.namespace))) return NONE
  if (isId(ref.name) || nameRef(text).tag !== null) return one(await pointedTo(api, by, ref), sandbox)
  return api.snapshots.list(by, { name: ref.name, sandbox, states: ['ready'] }, page)
}

const NONE: Page<Snapshot> = { items: [], next: null }

function one(snapshot: Snapshot | null, sandbox: string | undefined): Page<Snapshot> {
  if (snapshot === null || snapshot.state !== 'ready') return NONE
  return sandbox === undefined || snapshot.sandboxId === sandbox ? { items: [snapshot], next: null } : NONE
}

async function pointedTo(api: SpawnpointApi, by: Principal, { name, tag }: NameRef): Promise<Snapshot | null> {
  try {
    return await api.snapshots.get(by, tag === null ? name : `${name}:${tag}`)
  } catch (error) {
    if (isCode(error, 'not_found')) return null
    throw error
  }
}
