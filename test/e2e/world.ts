import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BASE_IMAGE, CODE_INTERPRETER_PACKAGES, type KnownImage } from '@spawnpoint/images-debian'
import { KNOWN_IMAGES } from '@spawnpoint/server/known-images'
import { Spawnpoint } from 'spawnpoint'
import { archiveOf } from './known-image.ts'
import { copyPrepared } from './prepared.ts'

export const REPOSITORY = resolve(import.meta.dirname, '../..')
/** The base image as a tar archive, made once by the tests' global set-up. */
export const BASE_TAR = join(REPOSITORY, '.cache/test/base.tar')
/** What servers have found out about runsc by starting a sandbox, which takes seconds; as in their data directories */
const PROBED = join(REPOSITORY, '.cache/test/runsc')
const STARTED_WITHIN_MS = 60_000

export interface ServerOptions {
  /** How often the client repeats a call whose server went away; default its own */
  repeats?: number
  env?: Record<string, string>
}

/** A data directory of its own, and real server processes on it that may be killed and started again. */
export class World implements AsyncDisposable {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'spawnpoint-e2e-'))
  client!: Spawnpoint
  key!: string
  url!: string
  /** As the server tells it to clients; `null` for a server that was given none */
  domain: string | null = null
  readonly #output: string[] = []
  /** Any free one at first, then the same again, as clients expect of a server that comes back */
  #port = '0'
  #repeats: number | undefined
  #env: Record<string, string> = {}
  #child: ChildProcess | null = null
  #ended: Promise<number | null> = Promise.resolve(null)

  /** With a server running and the image `base` there. */
  static async start(options: ServerOptions = {}): Promise<World> {
    const world = new World()
    try {
      if (await copyPrepared(world.dataDir)) {
        mkdirSync(join(world.dataDir, 'imports'))
        await world.placeArchive(BASE_IMAGE)
        await world.startServer(options)
      } else {
        await world.#startFirst(options)
        await world.importImage(BASE_IMAGE)
      }
      return world
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
  }

  static async withoutImages(options: ServerOptions = {}): Promise<World> {
    const world = new World()
    try {
      await world.#startFirst(options)
      return world
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
  }

  async #startFirst(options: ServerOptions): Promise<void> {
    mkdirSync(join(this.dataDir, 'imports'))
    const probed = join(this.dataDir, 'runtime/runsc')
    if (existsSync(PROBED)) cpSync(PROBED, probed, { recursive: true })
    await this.startServer(options)
    cpSync(probed, PROBED, { recursive: true })
  }

  /** Makes an image of its archive, which is built first if it was not yet. */
  async importImage(image: KnownImage): Promise<void> {
    const path = await this.placeArchive(image)
    await this.client.images.build({ name: image.name, source: { type: 'tar', path }, defaults: image.defaults })
  }

  /** Returns its path for an import. */
  async placeArchive(image: KnownImage): Promise<string> {
    const path = `${image.name}.tar`
    placeFile(await archiveOf(image), join(this.dataDir, 'imports', path))
    return path
  }

  /** The code interpreter's image, of packages that were built before. */
  async importInterpreter(): Promise<void> {
    const [, started] = KNOWN_IMAGES['code-interpreter-v1']
    if (started === undefined) throw new Error('the image is not built in two parts')
    await this.importImage(CODE_INTERPRETER_PACKAGES)
    await this.client.images.build(started)
  }

  /** What `options` leave out is as it was before. */
  async startServer(options: ServerOptions = {}): Promise<void> {
    this.#env = options.env ?? this.#env
    const tlsPort = this.domain?.split(':')[1]
    const child = spawn(
      process.execPath,
      [
        '--conditions=development',
        join(REPOSITORY, 'apps/server/src/main.ts'),
        '--data-dir',
        this.dataDir,
        '--port',
        this.#port,
      ],
      {
        env: {
          // Reading TypeScript is most of a start, and crash tests start many.
          NODE_COMPILE_CACHE: join(REPOSITORY, '.cache/compile'),
          ...process.env,
          SPAWNPOINT_POOL_BYTES: String(32 * 2 ** 30),
          SPAWNPOINT_CRASH_FILE: join(this.dataDir, 'crash-at'),
          ...this.#env,
          ...(tlsPort === undefined ? {} : { SPAWNPOINT_TLS_PORT: tlsPort }),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    this.#child = child
    this.#ended = new Promise((end) => child.once('exit', (code) => end(code)))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#output.push(text)
      if (this.#output.length > 2_000) this.#output.shift()
    })
    this.url = await new Promise<string>((started, failed) => {
      const limit = setTimeout(() => failed(new Error(`the server did not start:\n${this.log()}`)), STARTED_WITHIN_MS)
      void this.#ended.then((code) => failed(new Error(`the server ended with ${code}:\n${this.log()}`)))
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        const [, url, domain] = /serving on (\S+)(?: and below (\S+))?\n/.exec(text) ?? []
        if (url === undefined) return
        this.domain = domain ?? null
        clearTimeout(limit)
        started(url)
      })
    })
    this.#port = new URL(this.url).port
    this.key = readFileSync(join(this.dataDir, 'admin.key'), 'utf8').trim()
    this.#repeats = options.repeats ?? this.#repeats
    const retry = this.#repeats === undefined ? {} : { retry: { repeats: this.#repeats } }
    this.client = new Spawnpoint({ url: this.url, apiKey: this.key, ...retry })
  }

  /** What the server has logged, its end. */
  log(): string {
    return this.#output.join('').slice(-8_000)
  }

  /** As a power button would, for this process alone. */
  async killServer(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#ended
  }

  /** In order; sandboxes run on. Resolves with its exit status. */
  async stopServer(): Promise<number | null> {
    this.#child?.kill('SIGTERM')
    return this.#ended
  }

  /** The server dies by SIGKILL when it next reaches this named point. */
  crashAt(point: string): void {
    writeFileSync(join(this.dataDir, 'crash-at'), point)
  }

  /** True if the server died meanwhile; false, and disarmed, if `work` ended without reaching the point. */
  async diedDuring(work: Promise<unknown>): Promise<boolean> {
    const armed = join(this.dataDir, 'crash-at')
    await Promise.race([this.#ended, work.then(nothing, nothing)])
    // What goes on behind the caller's back may reach the point a little later.
    for (let waited = 0; existsSync(armed) && waited < 20_000; waited += 50) await sleep(50)
    if (existsSync(armed)) {
      rmSync(armed)
      return false
    }
    await this.#ended
    return true
  }

  /** The sentry processes of this server's incarnations, by process id. */
  incarnations(): number[] {
    return this.#processes()
      .filter(({ command }) => command.includes('runsc-sandbox'))
      .map(({ pid }) => pid)
  }

  /** Whatever of this server is on the machine though it should not be. Call with no sandbox alive. */
  leftovers(): string[] {
    return this.#processes().map(({ pid, command }) => `process ${pid}: ${command.slice(0, 160)}`)
  }

  #processes(): { pid: number; command: string }[] {
    const tag = createHash('sha256').update(this.dataDir).digest('hex').slice(0, 8)
    const found: { pid: number; command: string }[] = []
    for (const name of readdirSync('/proc')) {
      const pid = Number(name)
      if (!Number.isInteger(pid) || pid === this.#child?.pid) continue
      const command = readIfThere(`/proc/${name}/cmdline`).replaceAll('\0', ' ')
      if (command.includes(this.dataDir) || command.includes(`/run/spawnpoint/${tag}`)) found.push({ pid, command })
    }
    return found
  }

  /** In order if that is possible; whatever is then still there is ended by force, and is a failure. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#removeSandboxes()
    } finally {
      const left = this.leftovers()
      for (const { pid } of this.#processes()) endByForce(pid)
      await this.stopServer()
      if (left.length > 0) unmount(join(this.dataDir, 'pool'))
      rmSync(this.dataDir, { recursive: true, force: true })
      // biome-ignore lint/correctness/noUnsafeFinally: what was left behind is the finding, whatever came before it
      if (left.length > 0) throw new Error(`left behind: ${left.join('; ')}`)
    }
  }

  async #removeSandboxes(): Promise<void> {
    if (this.#child === null || this.#child.exitCode !== null || this.#child.signalCode !== null) {
      // The server of a crash test is dead; only a server knows how to remove sandboxes.
      if (existsSync(join(this.dataDir, 'admin.key'))) await this.startServer()
      else return
    }
    for await (const sandbox of this.client.sandboxes.list()) await sandbox.kill()
    // A pool that holds any stays mounted.
    for await (const { id } of this.client.volumes.list()) await this.client.volumes.delete(id)
    await this.stopServer()
  }
}

/** The same file by another name where that can be, which takes no time, or a copy. */
export function placeFile(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
    copyFileSync(from, to)
  }
}

function endByForce(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself meanwhile.
  }
}

function unmount(path: string): void {
  spawnSync('umount', ['--lazy', path]) // fails where nothing is mounted, which is as well
}

/** The call’s own outcome does not matter: its server may be dead. */
function nothing(): void {}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // the process ended meanwhile
  }
}
