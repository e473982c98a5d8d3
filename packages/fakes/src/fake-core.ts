import { Core, type CoreConfig, type Log, type Principal, systemClock } from '@spawnpoint/core'
import { FakeArchive } from './archive.ts'
import { FakeBlobs } from './blobs.ts'
import { FakeHost } from './host.ts'
import { FakeImageBuilder } from './image-builder.ts'
import { MemoryLedger } from './memory-ledger.ts'
import { FakePool } from './pool.ts'
import { fakeRemoteReaders } from './remotes.ts'
import { FakeRuntime } from './runtime.ts'

const GIB = 2 ** 30

const CONFIG: CoreConfig = {
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

export interface FakeCore extends AsyncDisposable {
  core: Core
  host: FakeHost
  runtime: FakeRuntime
  log: Log
  /** What was logged as an error */
  failures: object[]
  key: string
  by: Principal
}

/** The real core on fakes, with an image named `base` and a key: what tests of doors stand on. */
export async function openFakeCore(config: Partial<CoreConfig> = {}): Promise<FakeCore> {
  const host = new FakeHost()
  const runtime = new FakeRuntime(host)
  const failures: object[] = []
  const log = { debug() {}, info() {}, warn() {}, error: (fields: object) => void failures.push(fields) }
  const core = await Core.open({
    ledger: new MemoryLedger(host.ledger),
    runtime,
    pool: new FakePool(host),
    blobs: new FakeBlobs(host),
    imageBuilders: [new FakeImageBuilder(host)],
    archive: new FakeArchive(host),
    remotes: fakeRemoteReaders(host),
    clock: systemClock,
    log,
    config: { ...CONFIG, ...config },
    failpoint: () => {},
  })
  const key = await core.adminKey()
  const by = await core.authenticate(key)
  const source = { type: 'debian' as const, suite: 'bookworm', packages: [] }
  await (await core.images.build(by, { name: 'base', source })).done
  return { core, host, runtime, log, failures, key, by, [Symbol.asyncDispose]: () => core.close() }
}
