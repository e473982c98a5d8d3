import { isDeepStrictEqual } from 'node:util'
import { DockerfileFrontEnd } from '@spawnpoint/dockerfile'
import {
  FakeArchive,
  FakeBlobs,
  FakeClock,
  FakeHost,
  FakeImageBuilder,
  FakePool,
  FakeRuntime,
  fakeRemoteReaders,
  MemoryLedger,
} from '@spawnpoint/fakes'
import {
  Core,
  type CoreConfig,
  type Log,
  type Principal,
  type Runtime,
  type Sandbox,
  systemClock,
} from '../src/index.ts'
import { volumeRoot } from '../src/volume-root.ts'

export const GIB = 2 ** 30

export const CONFIG: CoreConfig = {
  resources: { cpus: 1, memoryBytes: GIB, diskBytes: 4 * GIB, maxProcesses: 512 },
  maxResources: { cpus: 2, memoryBytes: 8 * GIB, diskBytes: 64 * GIB, maxProcesses: 4096 },
  trustedKeys: [],
  maxImageBytes: 64 * 2 ** 30,
  timeout: { timeoutMs: null, idleTimeoutMs: null, onTimeout: 'kill', autoResume: false, deleteAfterMs: null },
  secret: Buffer.alloc(32, 7),
  dns: [],
  bootTimeoutMs: 5_000,
  hookTimeoutMs: 1_000,
  keep: { historyMs: 30 * 86_400_000, idempotencyMs: 86_400_000 },
  standbys: 2,
  stopGraceMs: 10,
  verify: { checkEveryMs: null, drillEveryMs: null },
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** A machine of fakes, and servers on it that may die and come back. */
export class World {
  readonly host = new FakeHost()
  readonly clock = new FakeClock(new Date())
  readonly points: string[] = []
  by!: Principal

  /** With `fakeTime`, time passes only by `clock.advance`. */
  async server(
    options: {
      fakeTime?: boolean
      log?: Log
      secret?: Uint8Array
      trustedKeys?: string[]
      verify?: CoreConfig['verify']
      identity?: CoreConfig['identity']
    } = {},
  ): Promise<Core> {
    const core = await Core.open({
      ledger: new MemoryLedger(this.host.ledger),
      runtime: this.runtime(this.host),
      pool: new FakePool(this.host),
      blobs: new FakeBlobs(this.host),
      imageBuilders: [new FakeImageBuilder(this.host)],
      archive: new FakeArchive(this.host),
      remotes: fakeRemoteReaders(this.host),
      dockerfiles: new DockerfileFrontEnd(),
      clock: options.fakeTime ? this.clock : systemClock,
      log: options.log ?? silent,
      config: {
        ...CONFIG,
        secret: options.secret ?? CONFIG.secret,
        trustedKeys: options.trustedKeys ?? [],
        verify: options.verify ?? CONFIG.verify,
        identity: options.identity,
      },
      failpoint: (name) => this.points.push(name),
    })
    if (this.by === undefined) {
      this.by = await core.authenticate(await core.adminKey())
      await (
        await core.images.build(this.by, { name: 'base', source: { type: 'debian', suite: 'bookworm', packages: [] } })
      ).done
    }
    return core
  }

  runtime(host: FakeHost): Runtime {
    return new FakeRuntime(host)
  }

  async sandbox(core: Core): Promise<Sandbox> {
    return (await core.sandboxes.create(this.by, { image: 'base' })).done
  }

  /** Starts a process that counts in memory. */
  async startCounter(core: Core, sandbox: Sandbox): Promise<void> {
    const { guest } = await core.sandboxes.guest(this.by, sandbox.id)
    await guest.processes.start({ id: 'counter', args: ['holder', 'first'], env: {}, stdin: true })
  }

  /** What the process has in memory. */
  async ask(core: Core, sandbox: Sandbox): Promise<string> {
    const { guest } = await core.sandboxes.guest(this.by, sandbox.id)
    const { output } = await guest.processes.follow('counter', { from: 'now' })
    await guest.processes.writeStdin('counter', Buffer.from('? now\n'))
    for await (const item of output) {
      if (item.type === 'data')
        return item.data
          .toString()
          .trim()
          .replace(/^now: /, '')
    }
    throw new Error('the process ended')
  }

  async tell(core: Core, sandbox: Sandbox, text: string): Promise<void> {
    const { guest } = await core.sandboxes.guest(this.by, sandbox.id)
    await guest.processes.writeStdin('counter', Buffer.from(`${text}\n`))
  }

  /** What exists but should not, or should exist but does not. Empty when records and reality agree. */
  async disagreements(core: Core): Promise<string[]> {
    await core.idle()
    const tables = this.host.ledger.committed
    const sandboxes = [...tables.sandboxes.values()]
    const snapshots = [...tables.snapshots.values()]
    const held = this.host.leaks()
    const found: string[] = []
    const compare = (what: string, has: readonly string[], should: (string | null)[]) => {
      const expected = new Set(should.filter((id) => id !== null))
      for (const id of has) if (!expected.delete(id)) found.push(`${what} ${id} is left over`)
      for (const id of expected) found.push(`${what} ${id} is missing`)
    }
    compare(
      'incarnation',
      held.incarnations,
      sandboxes.map((sandbox) => sandbox.incarnationId),
    )
    compare('root', held.roots, [
      ...sandboxes.map((sandbox) => sandbox.rootId),
      ...[...tables.volumes.keys()].map(String),
    ])
    compare(
      'snapshot',
      held.snapshots,
      snapshots.filter(({ state }) => state === 'ready' || state === 'trashed').map((snapshot) => snapshot.id),
    )
    compare(
      'image',
      held.images,
      [...tables.images.values()].filter((image) => image.state === 'ready').map((image) => image.id),
    )
    compare('staged', held.staged, [])
    for (const operation of tables.operations.values()) {
      if (operation.state === 'open') found.push(`operation ${operation.kind} is open in ${operation.phase}`)
    }
    for (const sandbox of sandboxes) {
      if (/ing$|_back$/.test(sandbox.state) && sandbox.state !== 'running') found.push(`sandbox is ${sandbox.state}`)
    }
    for (const { id, rootId, incarnationId, resources, network } of sandboxes) {
      const root = rootId === null ? undefined : this.host.roots.get(rootId)
      if (root !== undefined && root.tree.limitBytes !== resources.diskBytes)
        found.push(`the root of ${id} is bounded otherwise`)
      const incarnation = incarnationId === null ? undefined : this.host.incarnations.get(incarnationId)
      if (incarnation !== undefined && !isDeepStrictEqual(incarnation.network, network))
        found.push(`${id} reaches something else`)
    }
    for (const { id, sizeBytes } of tables.volumes.values())
      if (this.host.roots.get(volumeRoot(id))?.tree.limitBytes !== sizeBytes)
        found.push(`volume ${id} is bounded otherwise`)
    for (const incarnation of this.host.pausedIncarnations()) found.push(`incarnation ${incarnation} stands still`)
    return found
  }
}
