import { Duplex } from 'node:stream'
import type {
  Census,
  Env,
  Guest,
  GuestIdentity,
  GuestMetrics,
  HoldOptions,
  HoldReport,
  HookOutcome,
  IdentityReport,
} from '@spawnpoint/core'
import { CrashSignal } from './faults.ts'
import { FakeGuestFiles } from './guest-files.ts'
import type { GuestLink } from './guest-link.ts'
import { FakeGuestProcesses } from './guest-processes.ts'

const realSetTimeout = setTimeout

/** What hooks inside answer; tests set it on the incarnation's machine through `FakeRuntime.hooks`. */
export interface FakeHooks {
  beforeSnapshot: HookOutcome[]
  afterRestore: HookOutcome[]
}

export class FakeGuest implements Guest {
  readonly agentVersion = 'fake-1'
  readonly protocolVersion = 1
  readonly processes: FakeGuestProcesses
  readonly files: FakeGuestFiles
  readonly #link: GuestLink
  readonly #hooks: FakeHooks

  constructor(link: GuestLink, hooks: FakeHooks) {
    this.#link = link
    this.#hooks = hooks
    this.processes = new FakeGuestProcesses(link)
    this.files = new FakeGuestFiles(link)
  }

  get gone(): Promise<void> {
    return this.#link.gone
  }

  identify(identity: GuestIdentity): Promise<IdentityReport> {
    return this.#link.callHeld('identify', identity.cause, () => {
      this.#link.machine.identify(identity)
      const hooks = identity.cause === 'restore' ? this.#hooks.afterRestore : []
      return { hostname: true, machineId: true, entropy: true, generation: identity.generation, hooks }
    })
  }

  setEnv(env: Env): Promise<void> {
    return this.#link.call('setEnv', '', () => this.#link.machine.setEnv(env))
  }

  setAuthority(pem: string): Promise<void> {
    return this.#link.call('setAuthority', '', () => this.#link.machine.setAuthority(pem))
  }

  hold(options: HoldOptions): Promise<HoldReport> {
    return this.#link.callHeld('hold', '', () => {
      if (this.#link.machine.held) throw new Error('guest.hold: it is held already')
      this.#link.machine.held = true
      const hooks = options.hooks ? this.#hooks.beforeSnapshot : []
      const culprits = options.findCulprits ? this.#link.incarnation.culprits : []
      return { hooks, culprits, ...(options.census ? { census: this.#link.machine.census() } : {}) }
    })
  }

  release(): Promise<void> {
    return this.#link.callHeld('release', '', () => {
      this.#link.machine.held = false
    })
  }

  shutdown(graceMs: number): Promise<void> {
    return this.#link.call('shutdown', `${graceMs} ms`, async () => {
      const { machine } = this.#link
      const alive = () => machine.processes.filter((process) => process.exit === null && process.ending === null)
      for (const process of alive()) machine.signal(process, 'SIGTERM')
      const grace = new AbortController()
      const timer = realSetTimeout(() => grace.abort(), graceMs)
      await this.#link
        .until(() => alive().length === 0, grace.signal)
        .catch((error: unknown) => {
          // Patience has run out: the rest is killed below. Everything else is the caller's.
          if (!grace.signal.aborted) throw error
        })
      clearTimeout(timer)
      for (const process of alive()) machine.signal(process, 'SIGKILL')
    })
  }

  metrics(): Promise<GuestMetrics> {
    return this.#link.call('metrics', '', () => {
      const { machine, incarnation } = this.#link
      return {
        cpuMs: machine.cpuMs,
        memoryUsedBytes: 16 * 2 ** 20,
        memoryTotalBytes: incarnation.spec.resources.memoryBytes,
        diskUsedBytes: machine.files.diskUsedBytes,
        diskTotalBytes: machine.files.diskTotalBytes,
        processes: machine.processes.filter((process) => process.exit === null).length,
      }
    })
  }

  census(): Promise<Census | null> {
    return this.#link.call('census', '', () => this.#link.machine.census())
  }

  connectPort(port: number): Promise<Duplex> {
    return this.#link.call('connectPort', String(port), () => {
      const link = this.#link
      const inbox: (Uint8Array | null)[] = []
      let wanted = false
      const deliver = () => {
        // Frames to the host stop while held or paused; they are neither lost nor doubled.
        if (!wanted || inbox.length === 0 || link.machine.held || !link.machine.running) return
        const next = inbox.shift() as Uint8Array | null
        wanted = stream.push(next === null ? null : Buffer.from(next))
        if (inbox.length > 0) deliver()
      }
      const remote = link.machine.connect(port, {
        received: (data) => {
          inbox.push(data)
          deliver()
        },
        ended: () => {
          inbox.push(null)
          deliver()
        },
      })
      const stream = new Duplex({
        read() {
          wanted = true
          deliver()
        },
        write(data: Buffer, _encoding, done) {
          link
            .flowing()
            .then(() => remote.send(data))
            .then(() => done(), done)
        },
        final(done) {
          link
            .flowing()
            .then(() => remote.hangUp())
            .then(() => done(), done)
        },
        destroy(error, done) {
          remote.hangUp()
          done(error)
        },
      })
      void watchFlow(link, deliver, stream)
      return stream
    })
  }
}

/** Delivers what has waited whenever the guest flows again; breaks the stream when the incarnation is gone. */
async function watchFlow(link: GuestLink, deliver: () => void, stream: Duplex): Promise<void> {
  try {
    while (!stream.destroyed && !stream.readableEnded) {
      await link.machine.changed.wait()
      link.check()
      deliver()
    }
  } catch (error) {
    // A dead server sees nothing of its streams any more.
    stream.destroy(error instanceof CrashSignal ? undefined : (error as Error))
  }
}
