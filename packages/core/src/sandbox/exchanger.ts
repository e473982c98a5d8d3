import { isDeepStrictEqual } from 'node:util'
import type { Principal } from '../api.ts'
import { isCode, toSpawnpointError } from '../errors.ts'
import { hasBase } from '../exchange/base.ts'
import { type KnownExchange, noneKnown, shownConflicts } from '../exchange/conflicts.ts'
import { type ExchangeRequest, exchange } from '../exchange/exchange.ts'
import { statOf } from '../exchange/inside.ts'
import type { Guests } from '../guests.ts'
import type { IncarnationId, Remote, Sandbox, SandboxId } from '../model.ts'
import { bringWritable } from '../operations/remotes.ts'
import type { Parts } from '../parts.ts'
import { findSandbox } from '../services/refs.ts'
import { isUp } from './lifecycle.ts'

/** Milliseconds that a sandbox waits at most, before it ends or rests, for what was written in it to be in its buckets */
const FLUSH_MS = 60_000

interface Life {
  incarnationId: IncarnationId | null
}

/**
 * Brings what was written in sandboxes into the buckets of their writable remotes, one exchange of each at a time, and records how it
 * went. It all can be done again: nothing of it is an operation.
 */
export class Exchanger {
  readonly #parts: Parts
  readonly #guests: Guests
  /** The last exchange of each remote, by sandbox and name */
  readonly #turns = new Map<SandboxId, Map<string, Promise<unknown>>>()
  readonly #writable = new Set<SandboxId>()
  /** Of the last exchange of each remote, by sandbox and name */
  readonly #known = new Map<SandboxId, Map<string, KnownExchange>>()

  constructor(parts: Parts, guests: Guests) {
    this.#parts = parts
    this.#guests = guests
  }

  /** False where there is no such remote in this life of the sandbox any more. What fails is recorded and logged. */
  async exchange(
    id: SandboxId,
    life: Life,
    name: string,
    request: Omit<ExchangeRequest, 'known'>,
    signal: AbortSignal = this.#parts.closing,
  ): Promise<boolean> {
    const turns = entry(this.#turns, id, () => new Map<string, Promise<unknown>>())
    const before = turns.get(name)
    const turn = (async () => {
      await endedOrAborted(before, signal) // its own caller hears of how that one ended
      return this.#exchange(id, life, name, request, signal)
    })()
    turns.set(name, turn)
    try {
      return await turn
    } catch (error) {
      // Of the ledger, or of a server that closes: what is inside stays, and the next exchange finds it.
      this.#parts.log.warn({ err: error, sandbox: id, remote: name }, 'a bucket was not written')
      return true
    } finally {
      if (turns.get(name) === turn) turns.delete(name)
      if (turns.size === 0 && this.#turns.get(id) === turns) this.#turns.delete(id)
    }
  }

  /**
   * To be called before a sandbox ends or rests, or is to be looked at elsewhere. Resolves when all that was written in it is in its
   * buckets, or cannot be brought there in time, which its record says then.
   */
  async flush({ teamId }: Pick<Principal, 'teamId'>, ref: string): Promise<void> {
    if (this.#writable.size === 0) return
    // What is not there, whoever asks is told next.
    const sandbox = await findSandbox(this.#parts.ledger.read, teamId, ref).catch(() => null)
    if (sandbox === null || !isUp(sandbox)) return
    const late = AbortSignal.timeout(FLUSH_MS)
    await endedOrAborted(this.#all(sandbox, { look: false, last: true }, late), late)
  }

  /** Both ways, at once. */
  now(sandbox: Sandbox): Promise<void> {
    return this.#all(sandbox, { look: true, last: true })
  }

  async #all(sandbox: Sandbox, request: Omit<ExchangeRequest, 'known'>, signal?: AbortSignal): Promise<void> {
    const writable = sandbox.remotes.filter((remote) => remote.writable === true)
    await Promise.all(writable.map(({ name }) => this.exchange(sandbox.id, sandbox, name, request, signal)))
  }

  /** A sandbox that runs and has writable remotes. */
  watch(id: SandboxId): void {
    this.#writable.add(id)
  }

  /** One that does not run, or has none. */
  forget(id: SandboxId): void {
    this.#writable.delete(id)
    this.#known.delete(id)
  }

  async #exchange(
    id: SandboxId,
    { incarnationId }: Life,
    name: string,
    request: Omit<ExchangeRequest, 'known'>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { ledger } = this.#parts
    const present = (sandbox: Sandbox | null): { sandbox: Sandbox; remote: Remote } | null => {
      const remote = sandbox?.remotes.find((one) => one.name === name && one.writable === true)
      const lives = sandbox !== null && isUp(sandbox) && sandbox.incarnationId === incarnationId
      return lives && remote !== undefined ? { sandbox, remote } : null
    }
    const found = present(await ledger.read.sandbox(id))
    if (found === null) return false
    const all = entry(this.#known, id, () => new Map<string, KnownExchange>())
    const known = entry(all, name, noneKnown)
    const came = await this.#outcome(found.sandbox, found.remote, { ...request, known }, signal)
    const { version, writes } = found.remote
    if (isDeepStrictEqual({ version, writes }, came)) return true
    await ledger.transact(async (tx) => {
      const now = present(await tx.lockSandbox(id))
      if (now === null) return
      const remotes = now.sandbox.remotes.map((one) => (one.name === name ? { ...one, ...came } : one))
      await tx.putSandbox({ ...now.sandbox, remotes })
    })
    return true
  }

  async #outcome(
    sandbox: Sandbox,
    remote: Remote,
    request: ExchangeRequest,
    signal: AbortSignal,
  ): Promise<Pick<Remote, 'version' | 'writes'>> {
    try {
      const { files } = await this.#guests.of(sandbox)
      // A directory in memory that has gone with it, and took along what was known of it.
      const isNone = (await statOf(files, remote.path)) === null && !(await hasBase(files, sandbox, remote))
      const made = isNone ? bringWritable : exchangeWith(request)
      const { version, writes } = await made(this.#parts, sandbox, files, remote, signal)
      return { version, writes }
    } catch (error) {
      const known = toSpawnpointError(error)
      if (isCode(known, 'stale_incarnation') || this.#parts.closing.aborted) throw error
      this.#parts.log.warn({ err: error, sandbox: sandbox.id, remote: remote.name }, 'a bucket was not written')
      const { unwritable = 0 } = remote.writes ?? {}
      const failure = signal.aborted ? `Not all could be written within ${FLUSH_MS / 1000} s` : known.message
      return {
        version: remote.version,
        writes: { failure, conflicts: shownConflicts(request.known.conflicts), unwritable },
      }
    }
  }
}

function exchangeWith(request: ExchangeRequest) {
  return (...[parts, sandbox, files, remote, signal]: Parameters<typeof bringWritable>) =>
    exchange(parts, sandbox, files, remote, request, signal)
}

/** Nothing of it stays with the signal: that of the server lasts as long as that. */
async function endedOrAborted(work: Promise<unknown> | undefined, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const over = () => resolve()
  signal.addEventListener('abort', over, { once: true })
  if (work === undefined || signal.aborted) over()
  else work.then(over, over)
  await promise
  signal.removeEventListener('abort', over)
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key) ?? make()
  map.set(key, found)
  return found
}
