import type { AddressInfo, Socket } from 'node:net'
import { Core, type CoreConfig, systemClock } from '@spawnpoint/core'
import { DockerfileFrontEnd } from '@spawnpoint/dockerfile'
import { createNativeUpgradeHandler, registerNativeDoor } from '@spawnpoint/door-native'
import {
  FakeArchive,
  FakeBlobs,
  FakeHost,
  FakeImageBuilder,
  FakePool,
  FakeRuntime,
  fakeRemoteReaders,
  MemoryLedger,
} from '@spawnpoint/fakes'
import Fastify from 'fastify'

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

export type ServerWorld = Awaited<ReturnType<typeof openServerWorld>>

/**
 * The real core and the real native door over an in-memory host, on a port of its own. Not a part of the published
 * package. `restart` ends the server and starts it again on the same port, over the same host; `cut` breaks every
 * connection.
 */
export async function openServerWorld() {
  const host = new FakeHost()
  /** What the server logged as its own failure */
  const failures: object[] = []
  const log = { debug() {}, info() {}, warn() {}, error: (fields: object) => void failures.push(fields) }
  const sockets = new Set<Socket>()
  let port = 0

  async function open() {
    const core = await Core.open({
      ledger: new MemoryLedger(host.ledger),
      runtime: new FakeRuntime(host),
      pool: new FakePool(host),
      blobs: new FakeBlobs(host),
      imageBuilders: [new FakeImageBuilder(host)],
      archive: new FakeArchive(host),
      dockerfiles: new DockerfileFrontEnd(),
      remotes: fakeRemoteReaders(host),
      clock: systemClock,
      log,
      config: CONFIG,
      failpoint: () => {},
    })
    const app = Fastify({ forceCloseConnections: true, requestTimeout: 0, routerOptions: { maxParamLength: 512 } })
    await registerNativeDoor(app, { api: core.through('native'), log, version: '0.0.0', checkAnswers: true })
    const upgrade = createNativeUpgradeHandler({ api: core.through('native'), log })
    app.server.on('upgrade', upgrade)
    app.server.on('connection', (socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
    await app.listen({ port, host: '127.0.0.1' })
    port = (app.server.address() as AddressInfo).port
    return {
      core,
      async close(): Promise<void> {
        for (const socket of sockets) socket.destroy()
        await upgrade.close()
        await app.close()
        await core.close()
      },
    }
  }

  let server = await open()
  const key = await server.core.adminKey()
  const by = await server.core.authenticate(key)
  const source = { type: 'debian' as const, suite: 'bookworm', packages: [] }
  await (await server.core.images.build(by, { name: 'base', source })).done

  return {
    host,
    key,
    failures,
    url: `http://127.0.0.1:${port}`,
    get core(): Core {
      return server.core
    },
    cut(): void {
      for (const socket of sockets) socket.destroy()
    },
    async stop(): Promise<void> {
      await server.close()
    },
    async start(): Promise<void> {
      server = await open()
    },
    async restart(): Promise<void> {
      await server.close()
      server = await open()
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await server.close()
    },
  }
}
