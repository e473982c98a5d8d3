import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Process, Sandbox } from 'spawnpoint'
import { findRunsc } from '../packages/runtime-gvisor/src/find-runsc.ts'
import { probe } from '../packages/runtime-gvisor/src/probe.ts'
import { World as ServerWorld } from '../test/e2e/world.ts'
import { BareHost } from './bare.ts'
import { buildGuestProgram } from './guest-program.ts'

export const PROGRAM = '/home/user/bench'

/** A server with the image `base`, and bare commands beside it on the same pool. */
export class World implements AsyncDisposable {
  readonly server: ServerWorld
  readonly bare: BareHost
  readonly baseRoot: string
  readonly runscVersion: string
  readonly #program: string
  readonly #stack: AsyncDisposableStack

  private constructor(
    server: ServerWorld,
    bare: BareHost,
    baseRoot: string,
    runscVersion: string,
    program: string,
    stack: AsyncDisposableStack,
  ) {
    this.server = server
    this.bare = bare
    this.baseRoot = baseRoot
    this.runscVersion = runscVersion
    this.#program = program
    this.#stack = stack
  }

  static async open(): Promise<World> {
    await using undo = new AsyncDisposableStack()
    const server = undo.use(await ServerWorld.start({ env: { SPAWNPOINT_LOG: 'warn' } }))
    const { dataDir } = server
    const program = buildGuestProgram(join(dataDir, 'bench-program'))
    const runsc = process.env.SPAWNPOINT_RUNSC ?? findRunsc()
    const capabilities = await probe({
      binary: runsc,
      cacheDir: join(dataDir, 'runtime'),
      agentDir: dirname(program),
      scratchDir: join(dataDir, 'bench-trial'),
    })
    const bare = undo.use(
      await BareHost.open({
        runsc,
        capabilities,
        poolDir: join(dataDir, 'pool', `bench-${randomUUID()}`),
        scratchDir: join(dataDir, 'bench-bare'),
        programDir: dirname(program),
      }),
    )
    const image = await server.client.images.get('base')
    const baseRoot = join(dataDir, 'pool/images', image.id, 'rootfs')
    return new World(server, bare, baseRoot, capabilities.version, program, undo.move())
  }

  get client() {
    return this.server.client
  }

  /** Puts the program that measures inside into a sandbox of the server. */
  async install(sandbox: Sandbox): Promise<void> {
    await sandbox.files.write(PROGRAM, readFileSync(this.#program), { mode: 0o755 })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

/** Starts the program in a sandbox of the server and resolves when it says "ready". */
export async function untilReady(sandbox: Sandbox, args: readonly string[]): Promise<Process> {
  const process = await sandbox.processes.start([PROGRAM, ...args])
  let said = ''
  for await (const output of process) {
    if (output.type !== 'data') continue
    if (Buffer.from(output.data).includes('ready')) return process
    said += Buffer.from(output.data).toString().slice(0, 1000)
  }
  throw new Error(`${args.join(' ')} ended before it was ready, with ${JSON.stringify(process.exit)}: ${said}`)
}

/** One command through the API, its output seen. */
export async function runEcho(sandbox: Sandbox): Promise<void> {
  const { stdout } = await sandbox.processes.run(['/bin/echo', 'x'])
  if (stdout !== 'x\n') throw new Error(`the command printed ${JSON.stringify(stdout)}`)
}
