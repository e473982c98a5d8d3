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
  openSessions.get(options.fromGuest)?.close()
  const session = new Session(options)
  openSessions.set(options.fromGuest, session)
  void session.gone.then(() => {
    if (openSessions.get(options.fromGuest) === session) openSessions.delete(options.fromGuest)
  })
  const checked = checkedBy(session)
  const channel = session.open('hello', { protocols: PROTOCOLS }, true)
  const timer = setTimeout(() => {
    const message = `The agent did not answer within ${session.timeouts.attachMs} ms`
    channel.fail(new SpawnpointError('guest_unresponsive', message, { sandboxId: options.label }))
  }, session.timeouts.attachMs)
  try {
    const hello = checked(await channel.answer, checkHello)
    return new AttachedGuest(session, checked, hello)
  } catch (error) {
    session.close()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

class AttachedGuest implements OpenedGuest {
  readonly agentVersion: string
  readonly protocolVersion: number
  readonly capabilities: readonly string[]
  readonly processes: Processes
  readonly files: Files
  readonly #session: Session
  readonly #checked: Checked

  constructor(session: Session, checked: Checked, hello: Hello) {
    this.#session = session
    this.#checked = checked
    this.agentVersion = hello.agent
    this.protocolVersion = hello.protocol
    this.capabilities = hello.capabilities
    this.processes = new Processes(session, checked)
    this.files = new Files(session, checked, hello.capabilities)
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
    const timer = setTimeout(() => {
      const message = 'The agent did not hold'
      channel.fail(new SpawnpointError('guest_unresponsive', message, { sandboxId: this.#session.label }))
    }, this.#session.timeouts.silenceMs)
    try {
      await channel.answer
    } catch (error) {
      this.#session.openGate('release')
      throw error
    } finally {
      clearTimeout(timer)
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
