import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Code, ConnectError } from '@connectrpc/connect'
import type { Guest, SandboxId } from '@spawnpoint/core'
import { toConnectError } from './errors.ts'
import type { RpcCall } from './rpc-call.ts'
import { type Change, type WatchRequest, watch } from './watch.ts'

/** Changes that wait for a client that does not ask. */
const WAITING_MAX = 10_000
const PER_SANDBOX_MAX = 64

/** Changes on their way while a client asks: it may have made them just now. In milliseconds. */
const SETTLE_MS = 20
const SETTLE_TRIES = 5

interface Watcher {
  sandboxId: SandboxId
  guest: Guest
  waiting: Change[]
  failure: ConnectError | null
  over: AbortController
}

/** Watches that are asked for what happened rather than followed. They end with the sandbox's incarnation, or with the server. */
export class Watchers {
  readonly #watchers = new Map<string, Watcher>()
  /** Guests whose end is waited for. Once for each: what waits for a promise is kept for as long as that is. */
  readonly #awaited = new WeakSet<Guest>()

  async create(request: WatchRequest, call: RpcCall): Promise<string> {
    const { sandbox, guest } = await call.guest()
    const mine = [...this.#watchers.values()].filter(({ sandboxId }) => sandboxId === sandbox.id)
    if (mine.length >= PER_SANDBOX_MAX)
      throw new ConnectError(`more than ${PER_SANDBOX_MAX} watchers`, Code.ResourceExhausted)
    const watcher: Watcher = {
      sandboxId: sandbox.id,
      guest,
      waiting: [],
      failure: null,
      over: new AbortController(),
    }
    const id = `w${randomBytes(12).toString('hex')}`
    // At once, so that those who ask at the same time are counted too.
    this.#watchers.set(id, watcher)
    this.#endWith(guest)
    try {
      void this.#collect(watcher, await watch(request, call, watcher.over.signal))
    } catch (error) {
      this.#forget(id)
      throw error
    }
    return id
  }

  /** What happened since the last time. */
  async events(id: string, sandboxId: SandboxId): Promise<Change[]> {
    const watcher = this.#find(id, sandboxId)
    for (
      let tries = 0, seen = -1;
      tries < SETTLE_TRIES && (seen !== watcher.waiting.length || seen === 0);
      tries += 1
    ) {
      seen = watcher.waiting.length
      await sleep(SETTLE_MS)
    }
    if (watcher.waiting.length === 0 && watcher.failure !== null) throw watcher.failure
    return watcher.waiting.splice(0)
  }

  remove(id: string, sandboxId: SandboxId): void {
    this.#find(id, sandboxId)
    this.#forget(id)
  }

  #endWith(guest: Guest): void {
    if (this.#awaited.has(guest)) return
    this.#awaited.add(guest)
    void guest.gone.then(() => {
      for (const [id, watcher] of this.#watchers) if (watcher.guest === guest) this.#forget(id)
    })
  }

  #find(id: string, sandboxId: SandboxId): Watcher {
    const watcher = this.#watchers.get(id)
    if (watcher?.sandboxId !== sandboxId) throw new ConnectError(`watcher with id ${id} not found`, Code.NotFound)
    return watcher
  }

  #forget(id: string): void {
    this.#watchers.get(id)?.over.abort()
    this.#watchers.delete(id)
  }

  async #collect(watcher: Watcher, changes: AsyncIterable<Change>): Promise<void> {
    try {
      for await (const change of changes) {
        if (watcher.waiting.length >= WAITING_MAX)
          throw new ConnectError('events were lost: they were not asked for in time', Code.ResourceExhausted)
        watcher.waiting.push(change)
      }
    } catch (error) {
      // Told to who asks next.
      watcher.failure = toConnectError(error)
    }
  }
}
