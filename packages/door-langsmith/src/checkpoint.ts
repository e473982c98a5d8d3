import {
  invalidArgument,
  isCode,
  type Labels,
  type Principal,
  type Sandbox,
  type Snapshot,
  type SpawnpointApi,
  SpawnpointError,
} from '@spawnpoint/core'

/** What is asked for besides, which is of a capture that is made anew. */
const OF_CAPTURES = ['docker_image', 'fs_capacity_bytes', 'image_config', 'include', 'run_config'] as const

interface Promotion {
  /** As the core has it */
  name: string
  tag: string
  labels: Labels
}

/**
 * Makes a snapshot of the box one with a name: what was taken of it without one, as by a schedule, is a checkpoint to clients.
 * Rejects `wrong_state` for what is none.
 */
export async function promote(
  api: SpawnpointApi,
  by: Principal,
  sandbox: Sandbox,
  checkpoint: string,
  { name, tag, labels }: Promotion,
): Promise<Snapshot> {
  const { id, labels: before } = await checkpointOf(api, by, sandbox, checkpoint)
  await api.names.ensure(by, name)
  await api.names.tag(by, name, [tag], { snapshotId: id })
  return api.snapshots.update(by, id, { labels: { ...before, ...labels } })
}

/** Rejects `invalid_argument` for what a checkpoint has already, or will never have. */
export function checkPromotion(body: Partial<Record<(typeof OF_CAPTURES)[number], unknown>>): void {
  for (const field of OF_CAPTURES)
    if (body[field] !== undefined && body[field] !== null) throw invalidArgument(`body.${field}`, 'not with checkpoint')
}

async function checkpointOf(api: SpawnpointApi, by: Principal, sandbox: Sandbox, ref: string): Promise<Snapshot> {
  const found = await api.snapshots.get(by, ref).catch((error: unknown) => {
    if (isCode(error, 'not_found')) return null
    throw error
  })
  const isOne = found?.sandboxId === sandbox.id && found.state === 'ready' && found.name === null
  if (isOne) return found
  const message = `checkpoint not found: no ready snapshot of this sandbox without a name has the id ${ref.slice(0, 80)}`
  throw new SpawnpointError('wrong_state', message, {
    resource: 'snapshot',
    id: ref.slice(0, 80),
    state: found?.state ?? 'absent',
    request: 'name',
  })
}
