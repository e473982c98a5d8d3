import { constants, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Resources } from '@spawnpoint/core'
import { bundleConfig, type FrozenSpec, freshSpec } from '../packages/runtime-gvisor/src/bundle.ts'
import type { Capabilities } from '../packages/runtime-gvisor/src/capabilities.ts'
import type { Cgroups } from '../packages/runtime-gvisor/src/cgroup/cgroups.ts'
import { openCgroups } from '../packages/runtime-gvisor/src/cgroup/open-cgroups.ts'
import { COVER_SYS_NET, globalFlags } from '../packages/runtime-gvisor/src/runsc.ts'
import { command } from './command.ts'
import { containerStdio, Lines } from './lines.ts'

/** For runsc's file server, which needs no network */
const EMPTY_NET = `spbench${process.pid}-none`

export interface BareHostOptions {
  runsc: string
  capabilities: Capabilities
  /** Directory in the mounted pool */
  poolDir: string
  /** For bundles, pipes and runsc's state */
  scratchDir: string
  /** Directory with the program to run, named `agent` */
  programDir: string
}

/**
 * The same sandboxes by nothing but commands, each in its cheapest form: same mounts, limits, network and pool as the
 * server's; standard streams on named pipes; namespaces and pipes made ahead.
 */
export class BareHost implements AsyncDisposable {
  readonly options: BareHostOptions
  readonly cgroups: Cgroups
  readonly flags: readonly string[]
  readonly #living = new Set<BareSandbox>()
  readonly #freeNets: string[] = []
  readonly #nets: string[] = [EMPTY_NET]
  #count = 0

  private constructor(options: BareHostOptions) {
    this.options = options
    this.cgroups = openCgroups(`bench-${process.pid}`)
    mkdirSync(options.poolDir, { recursive: true })
    mkdirSync(options.scratchDir, { recursive: true })
    this.flags = globalFlags(options.capabilities, `/run/netns/${EMPTY_NET}`)
  }

  static async open(options: BareHostOptions): Promise<BareHost> {
    await command('ip', ['netns', 'add', EMPTY_NET])
    return new BareHost(options)
  }

  /** A sandbox that does not run, with its named pipes and network namespace ready; nothing else. */
  async place(resources: Resources): Promise<BareSandbox> {
    this.#count += 1
    const id = String(this.#count).padStart(8, '0')
    const net = this.#freeNets.pop() ?? (await this.#makeNet())
    await this.#address(net)
    const sandbox = new BareSandbox(this, id, net, resources, (done) => {
      this.#living.delete(done)
      this.#freeNets.push(net)
    })
    mkdirSync(sandbox.pipes, { recursive: true })
    await command(
      'mkfifo',
      ['in', 'out', 'err'].map((name) => join(sandbox.pipes, name)),
    )
    this.#living.add(sandbox)
    return sandbox
  }

  /** An empty directory in the pool whose files can be written past the page cache, as the server's are. */
  async memoryDir(name: string): Promise<string> {
    const dir = join(this.options.poolDir, name)
    mkdirSync(dir, { recursive: true })
    await command('chattr', ['+C', dir])
    return dir
  }

  async #makeNet(): Promise<string> {
    const name = `spbench${process.pid}-${this.#nets.length}`
    const link = `spb${process.pid % 100_000}v${this.#nets.length}`
    this.#nets.push(name)
    const lines = [
      `netns add ${name}`,
      `link add ${link} type veth peer name eth0 netns ${name}`,
      `link set ${link} up`,
    ]
    await command('ip', ['-batch', '-'], { input: lines.join('\n') })
    return name
  }

  /** runsc takes the address off when it takes the interface over. */
  async #address(net: string): Promise<void> {
    const lines = [
      'link set lo up',
      'addr replace 10.88.0.2/24 dev eth0',
      'link set eth0 up',
      'route replace default via 10.88.0.1 dev eth0',
    ]
    await command('ip', ['-n', net, '-batch', '-'], { input: lines.join('\n') })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const sandbox of [...this.#living]) await report(() => sandbox.remove())
    for (const net of this.#nets) await report(() => command('ip', ['netns', 'delete', net]))
    this.cgroups.close()
    for (const name of await readdir(this.options.poolDir)) {
      const path = join(this.options.poolDir, name)
      await report(async () => {
        await command('btrfs', ['subvolume', 'delete', path]).catch(() => rm(path, { recursive: true, force: true }))
      })
    }
    await rm(this.options.poolDir, { recursive: true, force: true })
    rmSync(this.options.scratchDir, { recursive: true, force: true })
  }
}

export class BareSandbox {
  readonly root: string
  readonly pipes: string
  readonly #host: BareHost
  readonly #id: string
  readonly #net: string
  readonly #resources: Resources
  readonly #dir: string
  readonly #gone: (sandbox: BareSandbox) => void
  #lines: Lines | null = null

  constructor(host: BareHost, id: string, net: string, resources: Resources, gone: (sandbox: BareSandbox) => void) {
    this.#host = host
    this.#id = id
    this.#net = net
    this.#resources = resources
    this.#gone = gone
    this.#dir = join(host.options.scratchDir, id)
    this.root = join(host.options.poolDir, `root-${id}`)
    this.pipes = join(this.#dir, 'p')
  }

  get spec(): FrozenSpec {
    return freshSpec(this.#resources)
  }

  /** Clone with its disk limit, control group with its limits, bundle. */
  async prepare(source: string): Promise<void> {
    await command('btrfs', ['subvolume', 'snapshot', source, this.root])
    await command('btrfs', ['qgroup', 'limit', String(this.#resources.diskBytes), this.root])
    this.#host.cgroups.create(this.#id, this.#resources)
    const config = bundleConfig({
      frozen: this.spec,
      rootPath: this.root,
      hostname: 'bare',
      agentDir: this.#host.options.programDir,
      volumes: [],
      cgroupPath: this.#host.cgroups.pathOf(this.#id),
      networkNamespace: `/run/netns/${this.#net}`,
    })
    mkdirSync(join(this.#dir, 'b'), { recursive: true })
    writeFileSync(join(this.#dir, 'b/config.json'), JSON.stringify(config))
  }

  /** From nothing to a running program. */
  run(): Promise<void> {
    return this.#launch('run', ['-detach'])
  }

  /** Makes the container, for a restore to come. */
  create(): Promise<void> {
    return this.#launch('create', [])
  }

  /** Sets going what `create` made. */
  async start(): Promise<void> {
    await this.#runsc('start', [this.#id])
    this.#host.cgroups.addHeadroom(this.#id, this.#resources)
  }

  /** Into the container that `create` made, or in one go. */
  restore(imageDir: string): Promise<void> {
    return this.#launch('restore', ['-detach', '-image-path', imageDir])
  }

  ask(line: string): Promise<string> {
    this.#lines ??= new Lines(this.pipes)
    return this.#lines.ask(line)
  }

  async exec(args: readonly string[]): Promise<string> {
    return await this.#runsc('exec', ['-user', '1000:1000', this.#id, ...args])
  }

  async pause(): Promise<void> {
    await this.#runsc('pause', [this.#id])
  }

  async resume(): Promise<void> {
    await this.#runsc('resume', [this.#id])
  }

  async checkpoint(imageDir: string, direct: boolean): Promise<void> {
    const flags = direct ? ['-direct'] : []
    await this.#runsc('checkpoint', [
      '-compression',
      'none',
      '-leave-running',
      ...flags,
      '-image-path',
      imageDir,
      this.#id,
    ])
  }

  async capture(target: string): Promise<void> {
    await command('btrfs', ['subvolume', 'snapshot', '-r', this.root, target])
  }

  async delete(): Promise<void> {
    await this.#runsc('delete', ['-force', this.#id])
  }

  /** Whatever there is of it. */
  async remove(): Promise<void> {
    this.#lines?.close()
    await this.delete().catch(() => {}) // not running is as good
    this.#host.cgroups.remove(this.#id)
    await command('btrfs', ['subvolume', 'delete', this.root]).catch(() => {}) // never cloned
    rmSync(this.#dir, { recursive: true, force: true })
    this.#gone(this)
  }

  async #launch(step: string, options: readonly string[]): Promise<void> {
    const stdio = containerStdio(this.pipes)
    const log = join(this.#dir, 'log')
    const { runsc, capabilities } = this.#host.options
    const cover = capabilities.coverSysNet ? COVER_SYS_NET : []
    const place = ['-bundle', join(this.#dir, 'b'), '-pid-file', join(this.#dir, 'pid')]
    try {
      const [program, ...args] = [
        ...cover,
        runsc,
        ...this.#args(),
        `--log=${log}`,
        step,
        ...options,
        ...place,
        this.#id,
      ]
      await command(program as string, args, { stdio: stdio.fds })
      this.#host.cgroups.addHeadroom(this.#id, this.#resources)
    } catch (error) {
      throw new Error(`${String(error)}: ${readFileSync(log, 'utf8').slice(-1_000)}`)
    } finally {
      stdio.close()
    }
  }

  #runsc(step: string, args: readonly string[]): Promise<string> {
    return command(this.#host.options.runsc, [...this.#args(), step, ...args])
  }

  #args(): string[] {
    return [...this.#host.flags, `--root=${join(this.#dir, 'r')}`]
  }
}

/** What a snapshot must do before it may be called kept. */
export async function syncFiles(dir: string): Promise<void> {
  for (const name of [...(await readdir(dir)), '.']) await syncPath(join(dir, name))
}

export async function syncPath(path: string): Promise<void> {
  await using file = await open(path, constants.O_RDONLY)
  await file.sync()
}

async function report(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    console.error(`bench: clean-up: ${String(error)}`)
  }
}
