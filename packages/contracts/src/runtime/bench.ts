import {
  type AttachOptions,
  type Guest,
  type GuestIdentity,
  type ImageId,
  type IncarnationId,
  type IncarnationSpec,
  type MemoryImage,
  newId,
  type Pool,
  type ProcessSpec,
  type Requirements,
  type RootId,
  type RootSource,
  type Runtime,
  type SnapshotId,
} from '@spawnpoint/core'
import type { Programs } from './programs.ts'
import { Reader } from './reader.ts'

export interface RuntimeUnderTest extends AsyncDisposable {
  /** Opened */
  runtime: Runtime
  /** Opened; gives the roots that `runtime` runs on */
  pool: Pool
  /** What `programs` need, and the accounts `root` and `nobody` */
  imageId: ImageId
  programs: Programs
  /** Root limit that fits the image; default 4 GiB */
  diskBytes?: number
  traits: RuntimeTraits
  /** Closes `runtime` and opens another on the same host, as a restarted server does; `runtime` is that one afterwards. */
  reopen(): Promise<void>
  /** Makes an incarnation die without `kill`, as a crash of its kernel would. */
  crash(id: IncarnationId): Promise<void>
}

/** In what drivers may differ beyond `RuntimeInfo.capabilities`. */
export interface RuntimeTraits {
  /** `user.*` attributes of files on the root; without them the calls reject `guest_error` */
  xattrs: boolean
  /** Directories that are memory inside: in a memory snapshot, not on the root */
  memoryDirs: string[]
}

/** One incarnation on a root of its own. */
export interface Box {
  id: IncarnationId
  root: RootId
  guest: Guest
}

export interface MemorySnapshot {
  id: SnapshotId
  requirements: Requirements
}

const MIB = 2 ** 20

/** Makes what the tests need and keeps the books, so that all of it can be taken down. */
export class Bench {
  readonly subject: RuntimeUnderTest
  readonly #roots = new Set<RootId>()
  readonly #snapshots = new Set<SnapshotId>()
  readonly #incarnations = new Set<IncarnationId>()

  constructor(subject: RuntimeUnderTest) {
    this.subject = subject
  }

  get runtime(): Runtime {
    return this.subject.runtime
  }

  get pool(): Pool {
    return this.subject.pool
  }

  get programs(): Programs {
    return this.subject.programs
  }

  get diskBytes(): number {
    return this.subject.diskBytes ?? 4096 * MIB
  }

  async root(source: RootSource = { from: 'image', id: this.subject.imageId }): Promise<RootId> {
    const id = newId<RootId>()
    await this.pool.createRoot(id, source, { diskBytes: this.diskBytes })
    this.#roots.add(id)
    return id
  }

  spec(root: RootId, over: Partial<IncarnationSpec> = {}): IncarnationSpec {
    const id = over.id ?? newId<IncarnationId>()
    this.#incarnations.add(id)
    return {
      id,
      rootPath: this.pool.rootPath(root),
      hostname: 'contract',
      resources: { cpus: 1, memoryBytes: 512 * MIB, diskBytes: this.diskBytes, maxProcesses: 256 },
      network: { internet: false, allow: [], deny: [], allowDomains: [], precedence: 'deny' },
      bootTimeoutMs: 20_000,
      ...over,
    }
  }

  identity(over: Partial<GuestIdentity> = {}): GuestIdentity {
    return {
      sandboxId: newId(),
      hostname: 'contract',
      env: {},
      generation: 0,
      seed: 'ab'.repeat(32),
      dns: [],
      limits: { maxProcesses: 256, memoryBytes: 512 * MIB },
      cause: 'boot',
      hookTimeoutMs: 1000,
      defaults: { user: 'root', workdir: '/root', startCommand: [] },
      ...over,
    }
  }

  /** A cold boot, identified. */
  async boot(options: { root?: RootId; identity?: Partial<GuestIdentity> } = {}): Promise<Box> {
    const root = options.root ?? (await this.root())
    const spec = this.spec(root)
    const guest = await this.runtime.start(spec)
    await guest.identify(this.identity(options.identity))
    return { id: spec.id, root, guest }
  }

  /** As the core captures: one instant for memory and files; the origin runs on. */
  async capture(box: Box): Promise<MemorySnapshot> {
    const id = newId<SnapshotId>()
    this.#snapshots.add(id)
    const { memoryDir } = await this.pool.stageSnapshot(id)
    await hold(box.guest)
    await this.pool.flushRoot(box.root)
    await this.runtime.pause(box.id)
    const { requirements } = await this.runtime.checkpoint(box.id, memoryDir)
    await this.pool.captureRoot(id, box.root)
    await this.runtime.resume(box.id)
    await box.guest.release()
    await this.pool.publishSnapshot(id, {})
    return { id, requirements }
  }

  /** A snapshot of the files alone. */
  async captureFiles(box: Box): Promise<SnapshotId> {
    const id = newId<SnapshotId>()
    this.#snapshots.add(id)
    await this.pool.stageSnapshot(id)
    await hold(box.guest)
    await this.runtime.pause(box.id)
    await this.pool.captureRoot(id, box.root)
    await this.runtime.resume(box.id)
    await box.guest.release()
    await this.pool.publishSnapshot(id, {})
    return id
  }

  memory(snapshot: MemorySnapshot): MemoryImage {
    return { dir: this.pool.memoryDir(snapshot.id), requirements: snapshot.requirements }
  }

  /** A new incarnation on a clone of the captured root, identified. */
  async spawn(snapshot: MemorySnapshot, identity: Partial<GuestIdentity> = {}): Promise<Box> {
    const root = await this.root({ from: 'snapshot', id: snapshot.id })
    const spec = this.spec(root)
    // Told before it runs, as the core does.
    let identified: Promise<unknown> | null = null
    const guest = await this.runtime.restore(spec, this.memory(snapshot), (guest) => {
      identified = guest.identify(this.identity({ cause: 'restore', generation: 1, ...identity }))
    })
    await identified
    return { id: spec.id, root, guest }
  }

  /** Ends a box and gives its root back. */
  async drop(...boxes: Box[]): Promise<void> {
    for (const { id, root } of boxes) {
      await this.runtime.kill(id)
      await this.pool.deleteRoot(root)
    }
  }

  /** Everything that tests left. */
  async clear(): Promise<void> {
    for (const id of this.#incarnations) await this.runtime.kill(id)
    for (const id of this.#roots) await this.pool.deleteRoot(id)
    for (const id of this.#snapshots) await this.pool.deleteSnapshot(id)
  }

  async listed(id: IncarnationId): Promise<{ paused: boolean } | undefined> {
    return (await this.runtime.list()).find((incarnation) => incarnation.id === id)
  }
}

export function hold(guest: Guest) {
  return guest.hold({ hooks: false, hookTimeoutMs: 1000, sync: true, findCulprits: false })
}

export function spec(args: string[], over: Partial<ProcessSpec> = {}): ProcessSpec {
  return { args, env: {}, stdin: false, ...over }
}

/** Starts and reads from the beginning. */
export async function run(guest: Guest, args: string[], over: Partial<ProcessSpec> = {}): Promise<Reader> {
  return new Reader(await guest.processes.startAndFollow(spec(args, over)))
}

export async function follow(guest: Guest, ref: string, from?: AttachOptions['from']): Promise<Reader> {
  return new Reader(await guest.processes.follow(ref, from === undefined ? {} : { from }), from)
}

/** What the program `context` sees, run to its end. */
export async function contextOf(reader: Reader) {
  const [cwd = '', user = '', hostname = '', ...rest] = (await reader.end()).text().split('\0').slice(0, -1)
  const env: Record<string, string> = {}
  for (const pair of rest) env[pair.slice(0, pair.indexOf('='))] = pair.slice(pair.indexOf('=') + 1)
  return { cwd, user, hostname, env }
}

/** What a `holder` holds. */
export async function ask(guest: Guest, id: string): Promise<string> {
  const token = newId<never>() as string
  const reader = await follow(guest, id)
  await guest.processes.writeStdin(id, Buffer.from(`? ${token}\n`))
  const answer = () => reader.lines().find((line) => line.startsWith(token))
  await reader.until(() => answer() !== undefined)
  await reader.stop()
  return (answer() as string).slice(token.length + 2)
}

/** The outcome of a promise if it comes within `ms`, else `'pending'`: to see that something waits. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | 'pending'> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'pending'>((resolve) => {
    timer = setTimeout(() => resolve('pending'), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

export async function* pieces(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === 'string' ? Buffer.from(part) : part
}

export async function readAll(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export async function readText(guest: Guest, path: string): Promise<string> {
  return (await readAll((await guest.files.read(path)).body)).toString('utf8')
}
