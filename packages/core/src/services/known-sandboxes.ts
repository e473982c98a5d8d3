import type { SandboxId, TeamId } from '../ids.ts'
import type { Sandbox } from '../model.ts'
import type { Parts } from '../parts.ts'
import { findSandbox } from './refs.ts'

/** Records remembered; with more, all are forgotten. */
const MAX_RECORDS = 10_000

/** Finds records; those of running sandboxes are remembered, as the ledger has them, until `changed`. */
export class KnownSandboxes {
  readonly #parts: Parts
  readonly #records = new Map<string, Sandbox>()
  #changes = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** To be called after each transaction that may have written this record, before its writer is answered. */
  changed(id: SandboxId): void {
    this.#changes += 1
    this.#records.delete(id)
  }

  /** By id or name, of this team; rejects `not_found`. */
  async find(teamId: TeamId, ref: string): Promise<Sandbox> {
    const known = this.#records.get(ref)
    if (known?.teamId === teamId) return known
    const before = this.#changes
    const sandbox = await findSandbox(this.#parts.ledger.read, teamId, ref)
    // Not by name, which may come to mean another.
    if (ref === sandbox.id) this.#remember(sandbox, before)
    return sandbox
  }

  /** By id, of any team; `null` if there never was such a sandbox. */
  async byId(id: string): Promise<Sandbox | null> {
    const known = this.#records.get(id)
    if (known !== undefined) return known
    const before = this.#changes
    const sandbox = await this.#parts.ledger.read.sandbox(id as SandboxId)
    if (sandbox !== null) this.#remember(sandbox, before)
    return sandbox
  }

  /** It will be asked for next: read while its creator is being answered. */
  expect(id: SandboxId): void {
    this.byId(id).catch(() => {}) // whoever asks for it hears of that
  }

  #remember(sandbox: Sandbox, before: number): void {
    // Not if anything was written while this was read.
    if (sandbox.state !== 'running' || before !== this.#changes) return
    if (this.#records.size >= MAX_RECORDS) this.#records.clear()
    this.#records.set(sandbox.id, sandbox)
  }
}
