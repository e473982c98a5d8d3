import { createHash } from 'node:crypto'
import {
  type CreateSandboxRequest,
  invalidArgument,
  notFound,
  type Principal,
  type Sandbox,
  type SpawnpointApi,
} from '@spawnpoint/core'
import { z } from 'zod'

const id = z.string()

/** What the clients allow in a key. Rejects `invalid_argument`. */
export function idempotencyKey(headers: NodeJS.Dict<string | string[]>): string | null {
  const given = headers['idempotency-key']
  if (given === undefined) return null
  if (typeof given === 'string' && /^[A-Za-z0-9_-]{1,240}$/.test(given)) return given
  throw invalidArgument('Idempotency-Key', '1 to 240 letters, digits and hyphens')
}

/** Makes a sandbox; under a key that came before, finds the one that was made then. Its tokens are not kept. */
export async function createOnce(
  api: SpawnpointApi,
  by: Principal,
  request: CreateSandboxRequest,
  key: string | null,
): Promise<Sandbox> {
  const create = async (as: Principal) => (await api.sandboxes.create(as, request)).done
  if (key === null) return create(by)
  const hash = createHash('sha256').update(JSON.stringify(request)).digest('hex')
  const made: Sandbox[] = []
  const { body } = await api.idempotency.once(by, `e2b-create:${key}`, hash, async (tied) => {
    const sandbox = await create(tied)
    made.push(sandbox)
    return { status: 201, body: sandbox.id }
  })
  const [sandbox = await api.sandboxes.get(by, id.parse(body))] = made
  // Killed since: a key is for one sandbox, and that has been.
  if (sandbox.state === 'killed') throw notFound('sandbox', sandbox.id)
  return sandbox
}
