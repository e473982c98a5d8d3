import type { Sandbox } from 'spawnpoint'
import { World } from '../e2e/world.ts'
import { Certificates, trustAndFind } from './over-tls.ts'

/** How clients reach the server: on one address without TLS, or by a domain whose names are the API and ports of sandboxes. */
export type Way = 'plain' | 'tls'
export const WAYS: readonly Way[] = ['plain', 'tls']

/** Sets what a user of a vendor's client would set, for a server on one address without TLS; undone when disposed of. */
export function vendorEnvironment(url: string, key: string): Disposable {
  return environment(key, {
    E2B_API_URL: `${url}/e2b`,
    E2B_SANDBOX_URL: url,
    E2B_VOLUME_API_URL: `${url}/e2b`,
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
  /** Of a server with a domain; it serves both ways */
  readonly certificates: Certificates | null
  readonly #undo: DisposableStack
  #way: Way = 'plain'
  #environment: Disposable

  private constructor(world: World, certificates: Certificates | null, undo: DisposableStack) {
    this.world = world
    this.certificates = certificates
    this.#undo = undo
    this.#environment = vendorEnvironment(world.url, world.key)
  }

  /** One address without TLS, and nothing else. */
  static async start(env: Record<string, string> = {}): Promise<VendorWorld> {
    return new VendorWorld(await World.start({ env }), null, new DisposableStack())
  }

  /** Both ways; clients are set to the plain one first. Nothing of the machine is changed, only this process. */
  static async startWithDomain(): Promise<VendorWorld> {
    using undo = new DisposableStack()
    const certificates = undo.use(new Certificates())
    const world = await World.start({ env: certificates.server })
    undo.use(trustAndFind(certificates.authority))
    return new VendorWorld(world, certificates, undo.move())
  }

  /** With certificates that the caller made, and clients set to the domain. */
  static async startOverTls(certificates: Certificates): Promise<VendorWorld> {
    using undo = new DisposableStack()
    const world = await World.start({ env: certificates.server })
    undo.use(trustAndFind(certificates.authority))
    const vendor = new VendorWorld(world, certificates, undo.move())
    vendor.by('tls')
    return vendor
  }

  /** Host and port that names of this server are below. */
  get domain(): string {
    const { domain } = this.world
    if (domain === null) throw new Error('this server has no domain')
    return domain
  }

  /** From here on clients reach the server so. */
  by(way: Way): void {
    this.#environment[Symbol.dispose]()
    this.#way = way
    this.#environment =
      way === 'plain'
        ? vendorEnvironment(this.world.url, this.world.key)
        : environment(this.world.key, { E2B_DOMAIN: this.domain, NOVITA_DOMAIN: this.domain })
  }

  /** Where anybody finds this port of a sandbox, the way clients go: scheme, host and port, no slash. */
  addressOf({ sandboxId }: { sandboxId: string }, port: number): string {
    const name = `${port}-${sandboxId}`
    return this.#way === 'tls'
      ? `https://${name}.${this.domain}`
      : `http://${name}.localhost:${new URL(this.world.url).port}`
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
    this.#undo.dispose()
  }
}

/** Less than a test has: it is to say what it waited for, and not to go on beside the next one */
const WITHIN_MS = 45_000

/** Repeats `look` until it says `true`. */
export async function until(look: () => Promise<boolean>): Promise<void> {
  for (const late = performance.now() + WITHIN_MS; !(await look()); ) {
    if (performance.now() > late) throw new Error(`it never came true: ${look}`)
    await new Promise((next) => setTimeout(next, 100))
  }
}
