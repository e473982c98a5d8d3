import type { Sandbox } from 'spawnpoint'
import { World } from '../e2e/world.ts'

/** A server with the template `base`, and the environment that a user of a vendor's client would set, on one address. */
export class VendorWorld implements AsyncDisposable {
  readonly world: World
  readonly #before = { ...process.env }

  private constructor(world: World) {
    this.world = world
    // Older clients and Python's look for the prefix; any is as good to the server.
    const key = world.key.replace(/^[a-z]+_/, 'e2b_')
    Object.assign(process.env, {
      E2B_API_URL: `${world.url}/e2b`,
      E2B_SANDBOX_URL: world.url,
      E2B_API_KEY: key,
      NOVITA_API_URL: `${world.url}/novita`,
      NOVITA_SANDBOX_URL: world.url,
      NOVITA_API_KEY: key,
    })
  }

  static async start(env: Record<string, string> = {}): Promise<VendorWorld> {
    return new VendorWorld(await World.start({ env }))
  }

  /** The same sandbox through our own client, for what this test is not about. */
  native(sandbox: { sandboxId: string } | string): Promise<Sandbox> {
    return this.world.client.sandboxes.get(typeof sandbox === 'string' ? sandbox : sandbox.sandboxId)
  }

  /** What a shell command in the sandbox prints. */
  async run(sandbox: { sandboxId: string }, command: string): Promise<string> {
    const { stdout } = await (await this.native(sandbox)).run(command, { check: true })
    return stdout.trim()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of Object.keys(process.env)) if (!(name in this.#before)) delete process.env[name]
    Object.assign(process.env, this.#before)
    await this.world[Symbol.asyncDispose]()
  }
}

/** Repeats `look` until it says `true`; the test's own time limit ends it otherwise. */
export async function until(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) await new Promise((next) => setTimeout(next, 100))
}
