import { existsSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { LocalBlobs } from '@spawnpoint/blobs-local'
import { unpacked } from '@spawnpoint/confined'
import { Core, IDENTITY_KEYS_PATH, SpawnpointError, systemClock } from '@spawnpoint/core'
import { DockerfileFrontEnd, HttpDownloads } from '@spawnpoint/dockerfile'
import { BRIMBLE_PREFIX, refuseBrimble, registerBrimbleDoor } from '@spawnpoint/door-brimble'
import { controlUrl, E2B, MOUNTS, NOVITA, refuseControl, registerE2bControl } from '@spawnpoint/door-e2b'
import {
  HYPERBROWSER_PREFIX,
  openHyperbrowserDoor,
  RUNTIME_PREFIX,
  refuseHyperbrowser,
  runtimeUrl,
} from '@spawnpoint/door-hyperbrowser'
import {
  createLangsmithUpgradeHandler,
  LANGSMITH_PREFIX,
  LangsmithLeases,
  refuseLangsmith,
  registerLangsmithDoor,
} from '@spawnpoint/door-langsmith'
import { registerMcpDoor } from '@spawnpoint/door-mcp'
import { createNativeUpgradeHandler, problemOf, registerNativeDoor } from '@spawnpoint/door-native'
import { DebianImageBuilder, TarImageBuilder } from '@spawnpoint/images-debian'
import { OciArchive, OciImageBuilder } from '@spawnpoint/images-oci'
import { PostgresLedger } from '@spawnpoint/ledger-postgres'
import { BtrfsPool } from '@spawnpoint/pool-btrfs'
import { GitReader, openBucketReaders } from '@spawnpoint/remotes'
import { GvisorRuntime } from '@spawnpoint/runtime-gvisor'
import Fastify, { type FastifyError, type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import type { Logger } from 'pino'
import { type ServerConfig, serverTag } from './config.ts'
import { loadDashboard, serveDashboard } from './dashboard.ts'
import { adminKey, identityKey, lockDataDir, serverSecret, writePublicKey } from './data-dir.ts'
import { openTls } from './tls.ts'
import { toldDomain } from './tls-config.ts'
import { dispatch, HTTP_TIMES, openGateway } from './traffic.ts'

export const VERSION = '0.1.0'

export interface RunningServer extends AsyncDisposable {
  url: string
  /** As clients are told it, with the port where they need one */
  domain: string | null
  adminKey: string
  core: Core
  /** Answers what is under way, then lets go. Sandboxes run on. */
  close(): Promise<void>
}

/** Wires the parts together and listens. Rejects with what is missing; whatever was begun is undone. */
export async function startServer(config: ServerConfig, log: Logger): Promise<RunningServer> {
  await using undo = new AsyncDisposableStack()
  undo.use(await lockDataDir(config.dataDir))
  const failpoint = crashAt(config.crashFile)
  const secret = await serverSecret(config.dataDir)
  const { issuer } = config
  const identity = issuer === null ? undefined : { issuer, privateKey: await identityKey(config.dataDir) }
  const images = await OciImageBuilder.open({
    dir: join(config.dataDir, 'oci'),
    importsDir: join(config.dataDir, 'imports'),
    cacheBytes: config.layerCacheBytes,
    maxBytes: config.core.maxImageBytes,
    log,
  })
  const core = undo.use(
    await Core.open({
      ledger: new PostgresLedger(
        config.databaseUrl === null ? { dataDir: config.dataDir, log } : { databaseUrl: config.databaseUrl },
      ),
      pool: new BtrfsPool({
        dataDir: config.dataDir,
        log,
        failpoint,
        reader: config.agent,
        ...(config.poolBytes === null ? {} : { poolBytes: config.poolBytes }),
      }),
      blobs: new LocalBlobs({ dir: join(config.dataDir, 'blobs') }),
      runtime: new GvisorRuntime({
        runsc: config.runsc,
        agentBinary: config.agent,
        stateDir: join('/run/spawnpoint', serverTag(config.dataDir)),
        cacheDir: join(config.dataDir, 'runtime'),
        dns: config.core.dns,
        nearServices: config.callbackNetworks,
        log,
      }),
      dockerfiles: new DockerfileFrontEnd(unpacked, new HttpDownloads()),
      remotes: [
        await GitReader.open({ dir: join(config.dataDir, 'remotes') }),
        ...(await openBucketReaders({ dir: join(config.dataDir, 'buckets'), near: config.callbackNetworks })),
      ],
      archive: await OciArchive.open({
        dir: join(config.dataDir, 'archive'),
        exportsDir: join(config.dataDir, 'exports'),
        importsDir: join(config.dataDir, 'imports'),
        cacheBytes: config.layerCacheBytes,
        layers: images.layers,
      }),
      imageBuilders: [
        new DebianImageBuilder({ cacheDir: join(config.dataDir, 'packages') }),
        new TarImageBuilder({ allowedDir: join(config.dataDir, 'imports') }),
        images,
      ],
      clock: systemClock,
      config: { ...config.core, secret, identity },
      log,
      failpoint,
    }),
  )
  const { recovered, lost, swept } = core.lastStart
  if (recovered.length + lost.length + swept.length > 0)
    log.info({ recovered, lost, swept }, 'settled what an earlier server left')
  const key = await adminKey(config.dataDir, core)
  await writePublicKey(config.dataDir, core.archives.publicKey)
  const { url, domain } = await listen(config, log, core, undo)
  log.info({ url, domain, dataDir: config.dataDir, runtime: core.runtime.version }, 'serving')
  const owned = undo.move()
  let closing: Promise<void> | null = null
  const close = () => {
    closing ??= owned.disposeAsync()
    return closing
  }
  return { url, domain, adminKey: key, core, close, [Symbol.asyncDispose]: close }
}

async function listen(
  config: ServerConfig,
  log: Logger,
  core: Core,
  undo: AsyncDisposableStack,
): Promise<{ url: string; domain: string | null }> {
  // First of all, as its port may be a part of what clients are told.
  const tls = config.tls === null ? null : undo.use(await openTls(config.tls, config.host, config.domain ?? '', log))
  const domain = toldDomain(config.domain, tls?.port ?? null)
  const gateway = openGateway(core.through('gateway'), log, domain)
  const upgrade = createNativeUpgradeHandler({ api: core.through('native'), log })
  const hyperbrowser = openHyperbrowserDoor({ api: core.through('hyperbrowser'), log, domain })
  const leases = new LangsmithLeases()
  const langsmithUpgrade = createLangsmithUpgradeHandler({ api: core.through('langsmith'), log, leases })
  const fastify = Fastify({
    serverFactory: (own) => {
      const handlers = dispatch(gateway, domain, {
        request: own,
        upgrade: (request, socket, head) => {
          if (request.url?.startsWith('/v1/')) upgrade(request, socket, head)
          else if (hyperbrowser.upgrades(request)) hyperbrowser.upgrade(request, socket, head)
          else if (request.url?.startsWith(`${LANGSMITH_PREFIX}/`)) langsmithUpgrade(request, socket, head)
          else socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
        },
      })
      const server = createServer(HTTP_TIMES, handlers.request)
      return server.on('upgrade', handlers.upgrade)
    },
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 512 },
    // No door describes its routes to Fastify, which would load two compilers of such descriptions all the same.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    rewriteUrl: (request) => {
      const url = controlUrl(request, domain)
      return url === request.url ? runtimeUrl(request, domain) : url
    },
    // What the router itself refuses (a path too long, or not decodable) never reaches a door.
    frameworkErrors: refuse,
  })
  fastify.get('/healthz', async () => ({ status: 'ok', version: VERSION }))
  fastify.get('/.well-known/jwks.json', async () => core.callbackKeys)
  const identity = core.identityDocuments
  if (identity !== null) {
    fastify.get('/.well-known/openid-configuration', async () => identity.configuration)
    fastify.get(IDENTITY_KEYS_PATH, async () => identity.keys)
  }
  fastify.get('/readyz', async (_request, reply) => {
    try {
      await core.ping()
      return { status: 'ready' }
    } catch (error) {
      log.warn({ err: error }, 'not ready')
      return reply.code(503).send({ status: 'unavailable' })
    }
  })
  serveDashboard(fastify, await loadDashboard())
  await registerNativeDoor(fastify, { api: core.through('native'), log, version: VERSION, domain })
  for (const dialect of [E2B, NOVITA]) {
    const prefix = MOUNTS[dialect.name]
    await registerE2bControl(fastify, { api: core.through(dialect.name), log, dialect, prefix, domain })
  }
  await registerMcpDoor(fastify, { api: core.through('mcp'), log, version: VERSION })
  await registerBrimbleDoor(fastify, { api: core.through('brimble'), log, domain })
  await hyperbrowser.register(fastify)
  await registerLangsmithDoor(fastify, { api: core.through('langsmith'), log, domain, tls: tls !== null, leases })
  undo.defer(() => fastify.close())
  // Before that: the HTTP server would wait for its WebSockets.
  undo.defer(() => upgrade.close())
  undo.defer(() => hyperbrowser.close())
  undo.defer(() => langsmithUpgrade.close())
  undo.defer(() => gateway.close())
  const url = await fastify.listen({ host: config.host, port: config.port })
  tls?.serve({
    request: (req, res) => fastify.server.emit('request', req, res),
    upgrade: (req, socket, head) => fastify.server.emit('upgrade', req, socket, head),
  })
  return { url, domain }
}

function noSchemas(): never {
  throw new Error('a route with a schema for Fastify: doors check requests themselves')
}

function refuse(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  if (Object.values(MOUNTS).some((mount) => request.url.startsWith(`${mount}/`))) {
    void refuseControl(error, reply)
    return
  }
  if (request.url.startsWith(`${LANGSMITH_PREFIX}/`)) {
    void refuseLangsmith(error, reply)
    return
  }
  if (request.url.startsWith(`${BRIMBLE_PREFIX}/`)) {
    void refuseBrimble(error, reply)
    return
  }
  if ([`${HYPERBROWSER_PREFIX}/`, RUNTIME_PREFIX].some((mount) => request.url.startsWith(mount))) {
    void refuseHyperbrowser(error, reply)
    return
  }
  const refused = new SpawnpointError('invalid_argument', error.message, {
    issues: [{ path: 'path', message: error.message }],
  })
  const problem = problemOf(refused, request.id, error.statusCode)
  void reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

/** Ends the process at the point that `file` names, as a power cut would, without a chance to clean up. */
function crashAt(file: string | null): (name: string) => void {
  if (file === null) return () => {}
  return (name) => {
    if (existsSync(file) && readFileSync(file, 'utf8') === name) {
      rmSync(file)
      process.kill(process.pid, 'SIGKILL')
    }
  }
}
