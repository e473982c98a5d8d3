import type { AddressInfo } from 'node:net'
import { Core, type CoreConfig, systemClock } from '@spawnpoint/core'
import { FakeBlobs, FakeHost, FakeImageBuilder, FakePool, FakeRuntime, MemoryLedger } from '@spawnpoint/fakes'
import Fastify from 'fastify'
import { controlUrl, E2B, MOUNTS, NOVITA, registerE2bControl } from '../index.ts'

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
  standbys: 0,
  stopGraceMs: 10,
  verify: { checkEveryMs: null, drillEveryMs: null },
}

export interface Got {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: answers of all shapes, which the tests then look at
  body: any
}

export type ControlWorld = Awaited<ReturnType<typeof openControlWorld>>

/** Both dialects over the real core on fakes, on a port of its own. */
export async function openControlWorld() {
  const host = new FakeHost()
  /** What the door logged as its own failure */
  const failures: object[] = []
  const log = { debug() {}, info() {}, warn() {}, error: (fields: object) => void failures.push(fields) }
  const core = await Core.open({
    ledger: new MemoryLedger(host.ledger),
    runtime: new FakeRuntime(host),
    pool: new FakePool(host),
    blobs: new FakeBlobs(host),
    imageBuilders: [new FakeImageBuilder(host)],
    clock: systemClock,
    log,
    config: CONFIG,
    failpoint: () => {},
  })
  const key = await core.adminKey()
  const by = await core.authenticate(key)
  const source = { type: 'debian' as const, suite: 'bookworm', packages: [] }
  await (await core.images.build(by, { name: 'base', source })).done
  const app = Fastify({
    forceCloseConnections: true,
    requestTimeout: 0,
    routerOptions: { maxParamLength: 256 },
    rewriteUrl: (request) => controlUrl(request, 'sbx.test'),
  })
  const common = { api: core.through('e2b'), log, domain: null }
  await registerE2bControl(app, { ...common, dialect: E2B, prefix: MOUNTS.e2b })
  await registerE2bControl(app, { ...common, dialect: NOVITA, prefix: MOUNTS.novita })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`

  const send = async (method: string, path: string, init: RequestInit = {}): Promise<Got> => {
    const response = await fetch(path.startsWith('http') ? path : `${url}${path}`, {
      ...init,
      method,
      headers: { 'x-api-key': key, ...init.headers },
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) }
  }
  const json =
    (method: string) =>
    (path: string, body?: unknown, headers: Record<string, string> = {}) =>
      body === undefined
        ? send(method, path, { headers })
        : send(method, path, {
            headers: { 'content-type': 'application/json', ...headers },
            body: JSON.stringify(body),
          })
  return {
    host,
    core,
    key,
    by,
    url,
    failures,
    send,
    get: (path: string, headers: Record<string, string> = {}) => send('GET', path, { headers }),
    post: json('POST'),
    put: json('PUT'),
    patch: json('PATCH'),
    delete: json('DELETE'),
    /** Makes a sandbox through the door and answers what a client is told of it. */
    sandbox: async (body: object = {}): Promise<Got['body']> =>
      (await json('POST')('/e2b/v2/sandboxes', { templateID: 'base', ...body })).body,
    async [Symbol.asyncDispose](): Promise<void> {
      await app.close()
      await core.close()
    },
  }
}
