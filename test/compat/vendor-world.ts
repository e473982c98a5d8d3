import type { Sandbox } from 'spawnpoint'
import { World } from '../e2e/world.ts'
import { type Certificates, trustAndFind } from './over-tls.ts'

/** Sets what a user of a vendor's client would set, for a server on one address without TLS; undone when disposed of. */
export function vendorEnvironment(url: string, key: string): Disposable {
  return environment(key, {
    E2B_API_URL: `${url}/e2b`,
    E2B_SANDBOX_URL: url,
    NOVITA_API_URL: `${url}/novita`,
    NOVITA_SANDBOX_URL: url,
    LANGSMITH_ENDPOINT: `${url}/langsmith`,
  })
}

function environment(key: string, addresses: Record<string, string>): Disposable {
  const before = { ...process.env }
  // Older clients and Python's look for the prefix; any is as good to the server.
  const apiKey = key.replace(/^[a-z]+_/, 'e2b_')
  Object.assign(process.env, { ...addresses, E2B_API_KEY: apiKey, NOVITA_API_KEY: apiKey, LANGSMITH_API_KEY: key })
  return {
    [Symbol.dispose]() {
      for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
      Object.assign(process.env, before)
    },
  }
}

/** A server with the template `base`, and the vendors' clients set to it. */
export class VendorWorld implements AsyncDisposable {
  readonly world: World
  readonly #environment: Disposable

  private constructor(world: World, environment: Disposable) {
    this.world = world
    this.#environment = environment
  }

  static async start(env: Record<string, string> = {}): Promise<VendorWorld> {
    const world = await World.start({ env })
    return new VendorWorld(world, vendorEnvironment(world.url, world.key))
  }

  /** The clients are given a domain, and this process what it takes to use it: nothing of the machine is changed. */
  static async startOverTls(certificates: Certificates): Promise<VendorWorld> {
    const world = await World.start({ env: certificates.server })
    const domain = world.domain ?? ''
    const undo = new DisposableStack()
    undo.use(trustAndFind(certificates.authority))
    undo.use(environment(world.key, { E2B_DOMAIN: domain, NOVITA_DOMAIN: domain }))
    return new VendorWorld(world, undo)
  }

  /** The same sandbox through our own client, for what a test is not about. */
  native({ sandboxId }: { sandboxId: string }): Promise<Sandbox> {
    return this.world.client.sandboxes.get(sandboxId)
  }

  /** What a shell command in the sandbox prints. */
  async run(sandbox: { sandboxId: string }, command: string): Promise<string> {
    const { stdout } = await (await this.native(sandbox)).run(command, { check: true })
    return stdout.trim()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#environment[Symbol.dispose]()
    await this.world[Symbol.asyncDispose]()
  }
}

/** Repeats `look` until it says `true`; the test's own time limit ends it otherwise. */
export async function until(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) await new Promise((next) => setTimeout(next, 100))
}
