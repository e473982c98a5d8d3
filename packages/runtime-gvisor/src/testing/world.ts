import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import {
  type Guest,
  type GuestIdentity,
  type ImageId,
  type IncarnationExit,
  type IncarnationId,
  type IncarnationSpec,
  type MemoryImage,
  newId,
  type RootId,
  type RootSource,
  type SnapshotId,
} from '@spawnpoint/core'
import { BtrfsPool } from '@spawnpoint/pool-btrfs'
import { GvisorRuntime } from '../gvisor-runtime.ts'
import type { HostProcess } from '../host-process.ts'
import { type IncarnationRecord, incarnationPaths, readRecord } from '../incarnation-record.ts'
import type { GvisorOptions } from '../options.ts'
import { findSandboxProcesses } from '../sandbox-processes.ts'
import { buildAgent, copyTree, debianRoot } from './test-host.ts'

export const MIB = 2 ** 20
/** Of script/test, so that script/clean can tell whose things they were */
const TEST_RUN = /^spawnpoint-test-(\w{6})$/.exec(basename(tmpdir()))?.[1] ?? 'alone'

export interface Box {
  id: IncarnationId
  root: RootId
  guest: Guest
}

/** A pool with one Debian image and a runtime on it, with directories of their own. Disposing takes all of it down. */
export class World implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'spawnpoint-gvisor-'))
  readonly stateDir = mkdtempSync(`/run/sp-test-${TEST_RUN}-`)
  readonly problems: string[] = []
  readonly exits: IncarnationExit[] = []
  readonly imageId = newId<ImageId>()
  readonly pool: BtrfsPool
  runtime: GvisorRuntime
  readonly options: GvisorOptions

  private constructor(runsc: string, options: Partial<GvisorOptions>) {
    const note = (fields: object, message: string) => this.problems.push(`${message} ${JSON.stringify(fields)}`)
    const log = { debug() {}, info() {}, warn: note, error: note }
    this.pool = new BtrfsPool({ dataDir: join(this.dir, 'data'), poolBytes: 8 * 2 ** 30, log })
    this.options = {
      runsc,
      stateDir: this.stateDir,
      cacheDir: join(tmpdir(), 'spawnpoint-test-cache'),
      agentBinary: buildAgent(join(this.dir, 'agent')),
      log,
      ...options,
    }
    this.runtime = this.#make()
  }

  static async open(runsc: string, options: Partial<GvisorOptions> = {}): Promise<World> {
    const world = new World(runsc, options)
    try {
      await world.pool.open()
      const base = debianRoot()
      await world.pool.createImage(world.imageId, async (dir) => copyTree(base, dir))
      await world.runtime.open()
      return world
    } catch (error) {
      await world.#removeFiles()
      throw error
    }
  }

  #make(options: Partial<GvisorOptions> = {}): GvisorRuntime {
    const runtime = new GvisorRuntime({ ...this.options, ...options })
    runtime.onExit((exit) => this.exits.push(exit))
    return runtime
  }

  /** What a restarted server does; the first one lets go in good order. */
  async reopen(options: Partial<GvisorOptions> = {}): Promise<void> {
    await this.runtime.close()
    this.runtime = this.#make(options)
    await this.runtime.open()
  }

  async root(source: RootSource = { from: 'image', id: this.imageId }): Promise<RootId> {
    const id = newId<RootId>()
    await this.pool.createRoot(id, source, { diskBytes: 4096 * MIB })
    return id
  }

  spec(root: RootId, over: Partial<IncarnationSpec> = {}): IncarnationSpec {
    return {
      id: newId<IncarnationId>(),
      rootPath: this.pool.rootPath(root),
      hostname: 'test',
      resources: { cpus: 1, memoryBytes: 256 * MIB, diskBytes: 4096 * MIB, maxProcesses: 128 },
      network: { internet: false, allow: [], deny: [], allowDomains: [], precedence: 'deny' },
      bootTimeoutMs: 20_000,
      ...over,
    }
  }

  identity(over: Partial<GuestIdentity> = {}): GuestIdentity {
    return {
      sandboxId: newId(),
      hostname: 'test',
      env: {},
      generation: 0,
      seed: 'ab'.repeat(32),
      dns: [],
      limits: { maxProcesses: 128, memoryBytes: 256 * MIB },
      cause: 'boot',
      hookTimeoutMs: 1000,
      defaults: { user: 'root', workdir: '/root', startCommand: [] },
      ...over,
    }
  }

  async boot(over: Partial<IncarnationSpec> = {}): Promise<Box> {
    const root = await this.root()
    const spec = this.spec(root, over)
    const guest = await this.runtime.start(spec)
    await guest.identify(this.identity())
    return { id: spec.id, root, guest }
  }

  /** Memory and files of a running box. */
  async capture(box: Box, { expected = false } = {}): Promise<{ id: SnapshotId; memory: MemoryImage }> {
    const id = newId<SnapshotId>()
    const { memoryDir } = await this.pool.stageSnapshot(id)
    await using _expected = expected ? await this.runtime.expectCheckpoint(box.id, memoryDir) : null
    await box.guest.hold({ hooks: false, hookTimeoutMs: 1000, sync: true, findCulprits: false })
    await this.runtime.pause(box.id)
    try {
      const { requirements } = await this.runtime.checkpoint(box.id, memoryDir)
      await this.pool.captureRoot(id, box.root)
      await this.pool.publishSnapshot(id, {})
      return { id, memory: { dir: this.pool.memoryDir(id), requirements } }
    } finally {
      await this.runtime.resume(box.id)
      await box.guest.release()
    }
  }

  async spawn(from: { id: SnapshotId; memory: MemoryImage }, over: Partial<IncarnationSpec> = {}): Promise<Box> {
    const root = await this.root({ from: 'snapshot', id: from.id })
    const spec = this.spec(root, over)
    const guest = await this.runtime.restore(spec, from.memory)
    await guest.identify(this.identity({ cause: 'restore' }))
    return { id: spec.id, root, guest }
  }

  record(id: IncarnationId): IncarnationRecord {
    const record = readRecord(incarnationPaths(this.stateDir, id))
    if (!record) throw new Error(`no record of ${id}`)
    return record
  }

  /** Sentry and gofer by the files of runsc, for an incarnation without a record. */
  processesOf(id: IncarnationId): HostProcess[] {
    return findSandboxProcesses(incarnationPaths(this.stateDir, id))
  }

  /** The runtime's number on this host. */
  get serverIndex(): number {
    for (const name of readdirSync('/run/spawnpoint')) {
      if (name.endsWith('.json') && readText(`/run/spawnpoint/${name}`).includes(this.stateDir))
        return Number.parseInt(name, 10)
    }
    throw new Error('the runtime has no number')
  }

  /** What a TCP server says, seen from the host. */
  connectFromHost(host: string, port: number, line?: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, timeout: 2_000 })
      if (line !== undefined) socket.write(line)
      socket.once('data', (data) => {
        socket.destroy()
        resolve(data.toString())
      })
      socket.once('timeout', () => socket.destroy(new Error('no answer')))
      socket.once('error', reject)
    })
  }

  /** As a crash of the sandbox's kernel. */
  crash(id: IncarnationId): void {
    process.kill(this.record(id).processes[0]?.pid as number, 'SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // After a failed test the runtime may be closed with sandboxes alive: only an open one can end them.
    await this.runtime.open()
    for (const { id } of await this.runtime.list()) await this.runtime.kill(id)
    await this.runtime.close()
    await this.#removeFiles()
  }

  async #removeFiles(): Promise<void> {
    await this.pool.close({ force: true })
    rmSync(this.dir, { recursive: true, force: true })
    rmSync(this.stateDir, { recursive: true, force: true })
  }
}

/** Runs a shell command inside; its output with the exit code in front. */
export async function sh(guest: Guest, script: string): Promise<string> {
  const args = ['/bin/bash', '-c', script]
  const { output } = await guest.processes.startAndFollow({ args, env: {}, stdin: false })
  let text = ''
  for await (const item of output) {
    if (item.type === 'data') text += item.data.toString()
    if (item.type === 'exit') return `${item.exit.code} ${text.trim()}`
  }
  throw new Error('the process has no exit')
}

export function readText(path: string): string {
  return readFileSync(path, 'utf8').trim()
}
