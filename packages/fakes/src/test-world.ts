import {
  type GuestIdentity,
  type ImageId,
  type IncarnationId,
  type IncarnationSpec,
  newId,
  type RootId,
} from '@spawnpoint/core'
import { FakeHost } from './host.ts'
import { fillFakeRoot } from './image-builder.ts'
import { MemoryLedger } from './memory-ledger.ts'
import { FakePool } from './pool.ts'
import { FakeRuntime } from './runtime.ts'

/** One host and the instances of the server that lives on it now. */
export class TestWorld {
  readonly host = new FakeHost()
  pool!: FakePool
  runtime!: FakeRuntime
  ledger!: MemoryLedger

  /** What a server does when it comes up. */
  async open(): Promise<this> {
    this.pool = new FakePool(this.host)
    this.runtime = new FakeRuntime(this.host)
    this.ledger = new MemoryLedger(this.host.ledger)
    await this.pool.open()
    await this.runtime.open()
    await this.ledger.open()
    return this
  }

  async image(): Promise<ImageId> {
    const id = newId<ImageId>()
    await this.pool.createImage(id, async (dir) => fillFakeRoot(this.host, dir))
    return id
  }

  async root(): Promise<RootId> {
    const id = newId<RootId>()
    await this.pool.createRoot(id, { from: 'image', id: await this.image() }, { diskBytes: 2 ** 30 })
    return id
  }

  spec(root: RootId): IncarnationSpec {
    return {
      id: newId<IncarnationId>(),
      rootPath: this.pool.rootPath(root),
      hostname: 'box',
      resources: { cpus: 1, memoryBytes: 2 ** 29, diskBytes: 2 ** 30, maxProcesses: 64 },
      network: { internet: true, allow: [], deny: [], allowDomains: [], precedence: 'deny' },
      bootTimeoutMs: 1000,
    }
  }

  async boot() {
    const root = await this.root()
    const spec = this.spec(root)
    const guest = await this.runtime.start(spec)
    await guest.identify(identity)
    return { root, id: spec.id, guest }
  }
}

export const identity: GuestIdentity = {
  sandboxId: 'box',
  hostname: 'box',
  env: {},
  generation: 0,
  seed: '',
  dns: [],
  limits: { maxProcesses: 64, memoryBytes: 2 ** 29 },
  cause: 'boot',
  hookTimeoutMs: 1000,
  defaults: { user: 'root', workdir: '/root', startCommand: [] },
}
