import { beforeEach, describe, expect, it } from 'vitest'
import type { Core, IngressPolicy, NetworkPolicy, Sandbox, Snapshot } from '../src/index.ts'
import { World } from './world.ts'

const NETWORK = {
  internet: true,
  allow: ['10.1.0.0/16'],
  deny: [],
  allowDomains: ['example.com'],
  precedence: 'deny',
} satisfies NetworkPolicy
const INGRESS = { default: 'closed', ports: { '8080': 'token' }, hostHeader: 'localhost' } satisfies IngressPolicy
const OPEN = {
  network: { internet: true, allow: [], deny: [], allowDomains: [], precedence: 'deny' },
  ingress: { default: 'open', ports: {}, hostHeader: null },
}

let world: World
let core: Core
let sandbox: Sandbox
beforeEach(async () => {
  world = new World()
  core = await world.server()
  await world.sandbox(core)
  const request = { image: 'base', network: NETWORK, ingress: INGRESS }
  sandbox = await (await core.sandboxes.create(world.by, request)).done
})

const take = async (kind: Snapshot['kind']) => (await core.snapshots.create(world.by, sandbox.id, { kind })).done
const spawn = async ({ id }: Snapshot, request = {}) =>
  (await core.sandboxes.create(world.by, { snapshot: id, ...request })).done

describe('what a snapshot takes along of the policies of its sandbox', () => {
  it.each(['memory', 'filesystem'] as const)(
    'is whom it reaches and who reaches it, in a %s snapshot',
    async (kind) => {
      const snapshot = await take(kind)
      expect(snapshot).toMatchObject({ network: NETWORK, ingress: INGRESS })
      for (const cold of [false, true])
        expect(await spawn(snapshot, { cold })).toMatchObject({ network: NETWORK, ingress: INGRESS })
      const again = await core.snapshots.create(world.by, (await spawn(snapshot)).id, { kind })
      expect(await again.done).toMatchObject({ network: NETWORK, ingress: INGRESS })
    },
  )

  it('is as it was then, and what a spawn says goes before it', async () => {
    const snapshot = await take('memory')
    await core.sandboxes.update(world.by, sandbox.id, { network: { internet: false }, ingress: { default: 'open' } })
    expect(await spawn(snapshot, { network: { allow: [] }, ingress: { ports: {} } })).toMatchObject({
      network: { ...NETWORK, allow: [] },
      ingress: { ...INGRESS, ports: {} },
    })
    expect((await take('memory')).network?.internet).toBe(false)
  })

  it('is not how long it lives: whoever starts it says that', async () => {
    const timeout = { timeoutMs: 60_000, onTimeout: 'pause', deleteAfterMs: 1_000_000 } as const
    await core.sandboxes.update(world.by, sandbox.id, { timeout })
    const { timeout: spawned } = await spawn(await take('filesystem'))
    expect(spawned).toMatchObject({ timeoutMs: null, onTimeout: 'kill', deleteAfterMs: null })
  })

  it('is nothing where nobody wrote it down', async () => {
    const snapshot = await take('filesystem')
    world.host.ledger.committed.snapshots.set(snapshot.id, { ...snapshot, network: null, ingress: null })
    expect(await spawn(snapshot)).toMatchObject(OPEN)
    expect(await (await core.sandboxes.create(world.by, { image: 'base' })).done).toMatchObject(OPEN)
  })
})
