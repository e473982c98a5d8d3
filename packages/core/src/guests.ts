import { randomBytes } from 'node:crypto'
import { SpawnpointError } from './errors.ts'
import type { Env, FailureReason, IncarnationId, Sandbox } from './model.ts'
import type { Beginning } from './operations/boot.ts'
import type { Parts } from './parts.ts'
import type { Guest, GuestIdentity, IncarnationExit } from './ports/index.ts'
import { standIns } from './services/credential-auth.ts'
import { credentialEnv } from './services/credentials.ts'

/** The agents of the incarnations that run now, one connection each. */
export class Guests {
  readonly #parts: Parts
  readonly #live = new Map<IncarnationId, Guest>()
  /** Set going before their operations were recorded; taken by those, or forgotten */
  readonly #begun = new Map<IncarnationId, Beginning>()
  readonly #attaching = new Map<IncarnationId, Promise<Guest>>()
  readonly #exits = new Map<IncarnationId, IncarnationExit>()
  /** Incarnations that have what is recorded of their sandboxes; see `isTold` */
  readonly #told = new Set<IncarnationId>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** The agent of an incarnation that this server has begun. */
  keep(id: IncarnationId, guest: Guest): void {
    this.#told.add(id)
    this.#hold(id, guest)
  }

  #hold(id: IncarnationId, guest: Guest): void {
    this.#live.set(id, guest)
    void guest.gone.then(() => {
      if (this.#live.get(id) === guest) this.#live.delete(id)
    })
  }

  /** An incarnation that is on its way up already, for the operation that will wait for it. */
  comes(id: IncarnationId, beginning: Beginning): void {
    beginning.guest.catch(() => {}) // told to whoever takes it
    this.#begun.set(id, beginning)
  }

  /** What `comes` was told of, once. */
  begun(id: IncarnationId): Beginning | null {
    const beginning = this.#begun.get(id) ?? null
    this.#begun.delete(id)
    return beginning
  }

  forget(id: IncarnationId): void {
    this.#begun.delete(id)
    this.#live.delete(id)
    this.#told.delete(id)
  }

  /** False for what an earlier server began: it may have died between a record and the effect inside. */
  isTold(id: IncarnationId): boolean {
    return this.#told.has(id)
  }

  told(id: IncarnationId): void {
    this.#told.add(id)
  }

  /** Remembers why an incarnation ended by itself, for whoever finds it gone. */
  noteExit(exit: IncarnationExit): void {
    this.#exits.set(exit.id, exit)
    // Old reasons are dropped once nobody can ask for them any more; ids are time-ordered, the oldest is first.
    if (this.#exits.size > 10_000) this.#exits.delete(this.#exits.keys().next().value as IncarnationId)
  }

  /** How an incarnation ended by itself; `undefined` if it did not, or long ago. */
  exitOf(id: IncarnationId): IncarnationExit | undefined {
    return this.#exits.get(id)
  }

  /** Why this incarnation does not run any more, `null` if it does. */
  async lossOf(id: IncarnationId | null): Promise<{ reason: FailureReason; detail: string } | null> {
    if (id !== null && (await this.#parts.runtime.list()).some((incarnation) => incarnation.id === id)) return null
    const exit = id === null ? undefined : this.#exits.get(id)
    return exit === undefined
      ? { reason: 'runtime_exited', detail: 'The sandbox is not running any more' }
      : { reason: exit.reason, detail: exit.detail }
  }

  /** The live connection, made anew if it was lost. Rejects `stale_incarnation` if nothing of that id runs. */
  async of(sandbox: Pick<Sandbox, 'id' | 'incarnationId'>): Promise<Guest> {
    const id = sandbox.incarnationId
    if (id === null)
      throw new SpawnpointError('stale_incarnation', 'The sandbox is not running', { sandboxId: sandbox.id })
    const live = this.#live.get(id)
    if (live !== undefined) return live
    const attaching =
      this.#attaching.get(id) ??
      this.#parts.runtime
        .attach(id)
        .then((guest) => {
          this.#hold(id, guest)
          return guest
        })
        .finally(() => this.#attaching.delete(id))
    this.#attaching.set(id, attaching)
    return attaching
  }
}

/** Who a new incarnation of this sandbox is. */
export function identityOf(parts: Parts, sandbox: Sandbox, cause: 'boot' | 'restore'): GuestIdentity {
  return {
    sandboxId: sandbox.id,
    hostname: hostnameOf(sandbox),
    env: envOf(sandbox),
    authority: authorityOf(parts, sandbox),
    generation: sandbox.generation,
    seed: randomBytes(32).toString('hex'),
    dns: parts.config.dns,
    limits: { maxProcesses: sandbox.resources.maxProcesses, memoryBytes: sandbox.resources.memoryBytes },
    cause,
    hookTimeoutMs: parts.config.hookTimeoutMs,
    defaults: {
      user: sandbox.defaults.user,
      workdir: sandbox.defaults.workdir,
      startCommand: sandbox.defaults.idle === true ? [] : sandbox.defaults.startCommand,
    },
  }
}

/** For every process that a sandbox starts. */
export function envOf(sandbox: Pick<Sandbox, 'defaults' | 'credentials' | 'env'>): Env {
  const { credentials } = sandbox
  return { ...sandbox.defaults.env, ...credentialEnv(credentials), ...sandbox.env, ...standIns(credentials) }
}

/** Whom programs inside shall trust besides those that their image trusts: where the server takes the place of hosts. */
export function authorityOf({ runtime }: Parts, { credentials }: Pick<Sandbox, 'credentials'>): string {
  return credentials.some(({ enabled }) => enabled) ? (runtime.info.authority ?? '') : ''
}

/** A name where it is a valid host name, else the id. */
export function hostnameOf(sandbox: Pick<Sandbox, 'id' | 'name'>): string {
  return sandbox.name !== null && /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(sandbox.name)
    ? sandbox.name
    : sandbox.id
}
