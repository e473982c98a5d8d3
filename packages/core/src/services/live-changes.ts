import { isCode } from '../errors.ts'
import { authorityOf, envOf, type Guests } from '../guests.ts'
import type { SandboxId } from '../ids.ts'
import type { Sandbox } from '../model.ts'
import type { Parts } from '../parts.ts'
import { outgoingRules } from './credentials.ts'

/**
 * Gives the incarnation that runs what is recorded of its sandbox now. One change at a time for each sandbox, or of two
 * the earlier could stay.
 */
export class LiveChanges {
  readonly #parts: Parts
  readonly #guests: Guests
  readonly #turns = new Map<SandboxId, Promise<void>>()

  constructor(parts: Parts, guests: Guests) {
    this.#parts = parts
    this.#guests = guests
  }

  network(id: SandboxId): Promise<void> {
    return this.#apply(id, async ({ incarnationId, network }) => {
      if (incarnationId !== null) await this.#parts.runtime.setNetwork(incarnationId, network)
    })
  }

  /** With what programs inside need to take the server for the hosts. */
  credentials(id: SandboxId): Promise<void> {
    return this.#apply(id, async (sandbox) => {
      const { incarnationId } = sandbox
      if (incarnationId === null) return
      await this.#parts.runtime.setCredentials?.(incarnationId, await outgoingRules(this.#parts, sandbox))
      try {
        await this.#tell(sandbox)
      } catch (error) {
        // Their variables hold from its next start.
        if (!isCode(error, 'incompatible')) throw error
      }
    })
  }

  /** Once a secret that its rules refer to is another. */
  secrets(id: SandboxId): Promise<void> {
    return this.#apply(id, async (sandbox) => {
      if (sandbox.incarnationId !== null)
        await this.#parts.runtime.setCredentials?.(sandbox.incarnationId, await outgoingRules(this.#parts, sandbox))
    })
  }

  env(id: SandboxId): Promise<void> {
    return this.#apply(id, async (sandbox) => {
      if (sandbox.incarnationId !== null) await this.#tell(sandbox)
    })
  }

  /** To be called before an incarnation is used. What an earlier server began may lack what it recorded last. */
  async settle({ id, incarnationId }: Sandbox): Promise<void> {
    if (incarnationId === null || this.#guests.isTold(incarnationId)) return
    try {
      await this.env(id)
    } catch (error) {
      // An agent that cannot be told never was: what is recorded holds from its next start.
      if (!isCode(error, 'incompatible')) throw error
    }
    this.#guests.told(incarnationId)
  }

  async #tell(sandbox: Sandbox): Promise<void> {
    const guest = await this.#guests.of(sandbox)
    await guest.setAuthority(authorityOf(this.#parts, sandbox))
    await guest.setEnv(envOf(sandbox))
  }

  async #apply(id: SandboxId, change: (sandbox: Sandbox) => Promise<void>): Promise<void> {
    const turn = async () => {
      const sandbox = await this.#parts.ledger.read.sandbox(id)
      if (sandbox === null) return
      try {
        await change(sandbox)
      } catch (error) {
        // It has ended meanwhile; the next one begins with what is recorded.
        if (!isCode(error, 'stale_incarnation')) throw error
      }
    }
    const mine = (this.#turns.get(id) ?? Promise.resolve()).then(turn, turn)
    this.#turns.set(id, mine)
    try {
      await mine
    } finally {
      if (this.#turns.get(id) === mine) this.#turns.delete(id)
    }
  }
}
