import { isCode, type Principal, type Sandbox, type SpawnpointApi } from '@spawnpoint/core'

export interface TemplateIdentity {
  /** Of the name, which outlives what it stands for; of the snapshot or the image itself where it has none */
  templateID: string
  alias: string | null
}

export type TemplateOf = (sandbox: Sandbox) => Promise<TemplateIdentity>

/** Tells what sandboxes were made from, in this protocol's words. For one request: it remembers what it has read. */
export function templateLookup(api: SpawnpointApi, by: Principal): TemplateOf {
  const known = new Map<string, Promise<TemplateIdentity>>()
  const once = (id: string, name: () => Promise<string | null>) => {
    const found = known.get(id) ?? identityOf(api, by, id, name)
    known.set(id, found)
    return found
  }
  return ({ originSnapshotId, imageId }) =>
    originSnapshotId === null
      ? once(imageId, async () => (await api.images.get(by, imageId)).name)
      : once(originSnapshotId, async () => (await api.snapshots.get(by, originSnapshotId)).name)
}

async function identityOf(
  api: SpawnpointApi,
  by: Principal,
  id: string,
  nameOf: () => Promise<string | null>,
): Promise<TemplateIdentity> {
  try {
    const name = await nameOf()
    return name === null
      ? { templateID: id, alias: null }
      : { templateID: (await api.names.ensure(by, name)).id, alias: name }
  } catch (error) {
    // Deleted meanwhile; what was made from it lives on.
    if (isCode(error, 'not_found')) return { templateID: id, alias: null }
    throw error
  }
}
