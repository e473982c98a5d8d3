import type { Duplex } from 'node:stream'
import type {
  Census,
  Env,
  Guest,
  GuestIdentity,
  GuestMetrics,
  HoldOptions,
  HoldReport,
  IdentityReport,
} from '@spawnpoint/core'
import { SpawnpointError } from '@spawnpoint/core'
import { checkHello, checkHoldReport, checkIdentityReport, checkMetrics, type Hello } from './checks.ts'
import { Files } from './files.ts'
import { whenOverdue } from './overdue.ts'
import { type Checked, checkedBy } from './pieces.ts'
import { PortStream } from './port-stream.ts'
import { Processes } from './processes.ts'
import { Session, type Timeouts } from './session.ts'

export interface OpenGuestOptions {
  /** FIFO that is the agent's standard input */
  toGuest: string
  /** FIFO that is the agent's standard output */
  fromGuest: string
  /** Names the sandbox in errors */
  label: string
  /** Nobody has written to the FIFOs yet, and the agent is between two frames: it begins, or was held when it was captured */
  fresh?: boolean
  timeouts?: Partial<Timeouts>
}

export interface OpenedGuest extends Guest, AsyncDisposable {
  readonly capabilities: readonly string[]
  /** Lets go of the guest without telling it; calls and streams reject `stale_incarnation`. Idempotent. */
  close(): Promise<void>
  /** Milliseconds of one empty round trip */
  ping(): Promise<number>
}

const PROTOCOLS = [1]
/** Open sessions of this process by FIFO: two readers of one FIFO would take each other's bytes. */
const openSessions = new Map<string, Session>()

/**
 * Attaches to the agent behind two FIFOs. Whatever an earlier session left in them is discarded, channels it had in the
 * agent are dropped, a hold ends; an earlier guest of this process on the same FIFOs is closed. Rejects
 * `guest_unresponsive` after `timeouts.attachMs`. Only one process at a time may attach.
 */
export async function openGuest(options: OpenGuestOptions): Promise<OpenedGuest> {
  return await dialGuest(options).answered()
}

/** A guest that has been spoken to but may not run yet. */
export interface DialledGuest {
  /** What is asked of it is answered once it runs; what it can do is not known until it has answered. */
  readonly guest: OpenedGuest
  /** To be called once, when it is due to answer: the time limit of `openGuest` begins then. A rejection closes it. */
  answered(): Promise<OpenedGuest>
}

/** As `openGuest`, for a guest that is yet to be started or restored. Rejects if the FIFOs are not there. */
export function dialGuest(options: OpenGuestOptions): DialledGuest {
  openSessions.get(options.fromGuest)?.close()
  const session = new Session(options)
  openSessions.set(options.fromGuest, session)
  void session.gone.then(() => {
    if (openSessions.get(options.fromGuest) === session) openSessions.delete(options.fromGuest)
  })
  const checked = checkedBy(session)
  const channel = session.open('hello', { protocols: PROTOCOLS }, true)
  const guest = new AttachedGuest(session, checked)
  const answered = async () => {
    using _overdue = whenOverdue(() => {
      const message = `The agent did not answer within ${session.timeouts.attachMs} ms`
      channel.fail(new SpawnpointError('guest_unresponsive', message, { sandboxId: options.label }))
    }, session.timeouts.attachMs)
    try {
      guest.met(checked(await channel.answer, checkHello))
      return guest
    } catch (error) {
      session.close()
      throw error
    }
  }
  return { guest, answered }
}

class AttachedGuest implements OpenedGuest {
  readonly processes: Processes
  readonly #session: Session
  readonly #checked: Checked
  #hello: Hello | null = null
  #files: Files | null = null

  constructor(session: Session, checked: Checked) {
    this.#session = session
    this.#checked = checked
    this.processes = new Processes(session, checked)
  }

  met(hello: Hello): void {
    this.#hello = hello
  }

  get files(): Files {
    this.#files ??= new Files(this.#session, this.#checked, this.capabilities)
    return this.#files
  }

  get #known(): Hello {
    if (this.#hello === null) throw new Error('the guest has not answered yet')
    return this.#hello
  }

  get agentVersion(): string {
    return this.#known.agent
  }

  get protocolVersion(): number {
    return this.#known.protocol
  }

  get capabilities(): readonly string[] {
    return this.#known.capabilities
  }

  get gone(): Promise<void> {
    return this.#session.gone
  }

  async ping(): Promise<number> {
    const began = performance.now()
    await this.#session.call('ping', {})
    return performance.now() - began
  }

  async identify(identity: GuestIdentity): Promise<IdentityReport> {
    const answer = await this.#session.call('identify', identity, { extraMs: identity.hookTimeoutMs })
    return this.#checked(answer, checkIdentityReport)
  }

  async setEnv(env: Env): Promise<void> {
    if (!this.capabilities.includes('env')) {
      const message =
        'The agent in this sandbox is too old to take other variables while it runs; they hold from its next start'
      throw new SpawnpointError('incompatible', message, { needs: 'agent that can set env', has: this.agentVersion })
    }
    await this.#session.call('setEnv', { env })
  }

  async setAuthority(pem: string): Promise<void> {
    if (this.capabilities.includes('authority')) await this.#session.call('setAuthority', { pem })
  }

  async hold(options: HoldOptions): Promise<HoldReport> {
    const { hooks, hookTimeoutMs, sync, findCulprits, census = false } = options
    let report: HoldReport = { hooks: [], culprits: [] }
    if (hooks || sync || findCulprits || census) {
      const params = { hooks, hookTimeoutMs, sync, culprits: findCulprits, census }
      const answer = await this.#session.call('prepare', params, { extraMs: hookTimeoutMs })
      report = this.#checked(answer, checkHoldReport)
      if (census) report.census ??= null
    }
    if (this.#session.held) throw new Error('the guest is held already')
    // From here on nothing is written until release; the agent's answer is its last frame.
    const channel = this.#session.closeGate('hold')
    using _overdue = whenOverdue(() => {
      const message = 'The agent did not hold'
      channel.fail(new SpawnpointError('guest_unresponsive', message, { sandboxId: this.#session.label }))
    }, this.#session.timeouts.silenceMs)
    try {
      await channel.answer
    } catch (error) {
      this.#session.openGate('release')
      throw error
    }
    return report
  }

  async release(): Promise<void> {
    if (!this.#session.held) return
    await this.#session.answerOf(this.#session.openGate('release'), 'release')
  }

  async shutdown(graceMs: number): Promise<void> {
    await this.#session.call('shutdown', { graceMs }, { extraMs: graceMs })
  }

  async metrics(): Promise<GuestMetrics> {
    return this.#checked(await this.#session.call('metrics', {}), checkMetrics)
  }

  async census({ sync }: { sync: boolean }): Promise<Census | null> {
    const params = { hooks: false, hookTimeoutMs: 0, sync, culprits: false, census: true }
    const answer = await this.#session.call('prepare', params)
    return this.#checked(answer, checkHoldReport).census ?? null
  }

  async connectPort(port: number): Promise<Duplex> {
    const channel = this.#session.open('port.connect', { port }, false)
    try {
      await this.#session.answerOf(channel, 'port.connect')
    } catch (error) {
      if (error instanceof SpawnpointError && error.code === 'port_closed') {
        throw new SpawnpointError('port_closed', `Nothing listens on port ${port}`, { port })
      }
      throw error
    }
    return new PortStream(channel)
  }

  async close(): Promise<void> {
    this.#session.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
