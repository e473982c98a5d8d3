import { isDeepStrictEqual } from 'node:util'
import {
  type Guest,
  type IncarnationExit,
  type IncarnationId,
  type IncarnationSpec,
  type NetworkPolicy,
  type OutgoingRule,
  SpawnpointError,
} from '@spawnpoint/core'
import { AgentLine, type Greet } from './agent-line.ts'
import { Container, type LaunchPlan } from './container.ts'
import { ErrorOutput } from './error-output.ts'
import { explainExit } from './explain-exit.ts'
import { errorText, runtimeFailed, staleIncarnation } from './failure.ts'
import type { Host } from './host.ts'
import { hostBootId, isAlive } from './host-process.ts'
import { type IncarnationRecord, writePaused, writeRecord } from './incarnation-record.ts'
import { findControlSocket, type KernelControl } from './kernel-control.ts'
import type { Limiter } from './limiter.ts'
import { egressOf, interceptsOf } from './network/egress/egress.ts'
import { samePolicy } from './network/rules.ts'

const ATTACH_TIMEOUT_MS = 15_000

/**
 * One life of a sandbox.
 *
 *     new ──► launching ──► live ──► ended     by `kill`, or by itself
 *      │        ▲    └─────────────► ended     a launch that fails leaves nothing
 *      └─► preparing ─► prepared ──► ended
 *
 * Control calls (pause, resume, checkpoint) run one after the other; `kill` cuts off whatever is under way.
 */
export class Incarnation {
  readonly id: IncarnationId
  readonly #host: Host
  readonly #container: Container
  readonly #line: AgentLine
  /** Called once if it ends by itself after a launch or an adoption that succeeded */
  readonly #onExit: (exit: IncarnationExit) => void
  readonly #ended = Promise.withResolvers<IncarnationExit | 'killed'>()
  #phase: 'new' | 'prepared' | 'live' | 'ended' = 'new'
  /** Preparation or launch under way */
  #launching: Promise<unknown> | null = null
  #prepared: { spec: IncarnationSpec; plan: LaunchPlan } | null = null
  #killing: Promise<void> | null = null
  #record: IncarnationRecord | null = null
  #madeControl: KernelControl | null = null
  #errors: ErrorOutput | null = null
  /** In memory alone; `null` until an earlier server's are told again */
  #credentials: readonly OutgoingRule[] | null = null
  #turn: Promise<unknown> = Promise.resolve()

  constructor(
    host: Host,
    id: IncarnationId,
    onExit: (exit: IncarnationExit) => void,
    record: IncarnationRecord | null = null,
  ) {
    this.#host = host
    this.id = id
    this.#onExit = onExit
    this.#container = new Container(host, id, record)
    this.#line = new AgentLine(host, id, this.#container.paths.pipes, this.#ended.promise)
    this.#record = record
  }

  /** Takes over what an earlier server left running. */
  static adopt(host: Host, record: IncarnationRecord, onExit: (exit: IncarnationExit) => void): Incarnation {
    const incarnation = new Incarnation(host, record.id, onExit, record)
    incarnation.#phase = 'live'
    incarnation.#watch(record)
    return incarnation
  }

  get record(): IncarnationRecord {
    if (this.#record && this.#phase === 'live') return this.#record
    throw staleIncarnation(this.id)
  }

  get paused(): boolean {
    return this.#record?.paused === true
  }

  get isLive(): boolean {
    return this.#phase === 'live'
  }

  get isPrepared(): boolean {
    return this.#phase === 'prepared' && this.#launching === null
  }

  // -------------------------------------------------------------- launch

  /** Makes the container without setting it going. A rejection leaves nothing behind. */
  prepare(spec: IncarnationSpec, plan: LaunchPlan, limiter: Limiter): Promise<void> {
    return this.#inLaunch(limiter, async () => {
      await this.#container.furnish(spec, plan)
      this.#throwIfKilled()
      await this.#container.create(spec, plan)
      this.#throwIfKilled()
      this.#prepared = { spec, plan }
      this.#phase = 'prepared'
    })
  }

  /** Starts or restores; resolves when the agent answers. A rejection leaves nothing behind. */
  launch(spec: IncarnationSpec, plan: LaunchPlan, limiter: Limiter, greet: Greet): Promise<Guest> {
    return this.#inLaunch(limiter, async () => {
      if (!(await this.#startPrepared(spec, plan, greet))) {
        await this.#container.furnish(spec, plan)
        this.#throwIfKilled()
        this.#line.dial(spec.bootTimeoutMs, greet)
        await this.#container.run(spec, plan)
      }
      this.#throwIfKilled()
      const record = this.#newRecord(spec, plan)
      this.#record = record
      this.#credentials = spec.credentials ?? []
      writeRecord(this.#container.paths, record)
      this.#watch(record)
      const guest = await this.#line.answer()
      this.#throwIfKilled()
      this.#phase = 'live'
      return guest
    })
  }

  /** That of what was prepared, if that is what is wanted now: it was checked then, and is not read again. */
  planFor(spec: IncarnationSpec, imageDir: string | null): LaunchPlan | null {
    const wanted = ({ rootPath, resources, volumes = [] }: IncarnationSpec) => ({ rootPath, resources, volumes })
    const prepared = this.#prepared
    const fits =
      prepared !== null &&
      (prepared.plan.image?.dir ?? null) === imageDir &&
      isDeepStrictEqual(wanted(prepared.spec), wanted(spec))
    return fits ? prepared.plan : null
  }

  /** False if there is nothing prepared that fits; what was prepared is gone then. */
  async #startPrepared(spec: IncarnationSpec, plan: LaunchPlan, greet: Greet): Promise<boolean> {
    const prepared = this.#prepared
    if (!prepared) return false
    this.#prepared = null
    const fits = prepared.plan === plan && this.#container.isReady
    if (fits) {
      try {
        const [ready, wanted] = [egressOf(prepared.spec), egressOf(spec)]
        if (!isDeepStrictEqual(ready, wanted)) await this.#container.setEgress(wanted)
        this.#line.dial(spec.bootTimeoutMs, greet)
        await this.#container.start(plan)
        return true
      } catch (error) {
        // One that died while it waited is no reason to fail: whoever wants it now knows nothing of it.
        if (this.#container.isCutOff || this.#container.processes.every(isAlive)) throw error
      }
    }
    await this.#container.kill()
    await this.#line.close()
    await this.#container.remove()
    return false
  }

  #inLaunch<T>(limiter: Limiter, work: () => Promise<T>): Promise<T> {
    const launching = limiter
      .run(async () => {
        try {
          this.#throwIfKilled()
          return await work()
        } catch (error) {
          throw await this.#undoLaunch(error)
        }
      })
      .finally(() => {
        this.#launching = null
      })
    this.#launching = launching
    return launching
  }

  #newRecord(spec: IncarnationSpec, plan: LaunchPlan): IncarnationRecord {
    const controlSocket = this.#host.givesOrders ? findControlSocket(this.#container.paths.root) : null
    return {
      format: 1,
      bootId: hostBootId(),
      id: this.id,
      processes: this.#container.processes,
      slot: this.#container.slot,
      network: spec.network,
      intercepts: interceptsOf(spec.credentials ?? []),
      resources: spec.resources,
      agentDigest: plan.agentDigest,
      frozen: plan.frozen,
      ...(controlSocket === null ? {} : { controlSocket }),
      paused: false,
    }
  }

  /** Returns what the caller is to be told. */
  async #undoLaunch(error: unknown): Promise<unknown> {
    this.#phase = 'ended'
    this.#host.watch.remove(this.id)
    const oomKills = this.#host.cgroups.hits(this.id).oomKills
    const words = this.#errors?.tail ?? ''
    try {
      await this.#host.survivors.end(this.#container, null)
      await this.#removeTraces()
    } catch (failure) {
      const context = { incarnationId: this.id, error: errorText(failure) }
      this.#host.log.error(context, 'A failed launch left something behind; the next start of the server removes it')
    }
    if (this.#container.isCutOff) return staleIncarnation(this.id)
    if (oomKills > 0) return runtimeFailed('boot', 'the sandbox ran out of memory while it started', error)
    if (error instanceof SpawnpointError && error.code === 'runtime_failed' && words !== '') {
      const { step, detail } = error.context as { step: string; detail: string }
      return runtimeFailed(step, `${detail}; its last words: ${words.slice(-500)}`, error)
    }
    return error
  }

  // -------------------------------------------------------------- guest

  /** The agent's connection, made anew if the last one broke. Rejects `stale_incarnation`, `guest_unresponsive`. */
  async attach(): Promise<Guest> {
    if (!this.isLive) throw staleIncarnation(this.id)
    return await this.#line.attach(ATTACH_TIMEOUT_MS)
  }

  // -------------------------------------------------------------- control

  pause = (): Promise<void> => this.#setPaused(true)
  resume = (): Promise<void> => this.#setPaused(false)

  #setPaused(wanted: boolean): Promise<void> {
    return this.#inTurn(async () => {
      if ((await this.#isPaused()) === wanted) return
      this.#notePaused('unknown')
      try {
        await this.#orStale(() => this.#control.setPaused(wanted))
      } catch (error) {
        // It may have happened all the same; if nobody answers at all, the first error is the one to tell.
        const paused = await this.#control.isPaused().catch(() => 'unknown' as const)
        this.#notePaused(paused)
        if (paused !== wanted) throw error
      }
      this.#notePaused(wanted)
    })
  }

  /** Runs `work` when no other control call does, with what it needs to ask runsc for a checkpoint. */
  whilePaused<T>(work: (call: (args: string[], memoryBytes: number) => Promise<void>) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      if (!(await this.#isPaused())) throw runtimeFailed('checkpoint', 'the sandbox is not paused')
      return await work(async (args, memoryBytes) => {
        const timeoutMs = this.#container.timeFor('controlMs', memoryBytes)
        await this.#orStale(() => this.#container.call('checkpoint', [...args, this.id], timeoutMs))
      })
    })
  }

  /** Has the call started that `whilePaused` may make with these arguments. */
  async expectCheckpoint(args: string[]): Promise<AsyncDisposable> {
    if (!this.isLive) throw staleIncarnation(this.id)
    await this.#container.begin('checkpoint', [...args, this.id])
    return { [Symbol.asyncDispose]: () => this.#container.giveUp() }
  }

  /** Finds out whether a pause or resume that an earlier server began has happened. */
  settle(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.record.paused === 'unknown') this.#notePaused(await this.#isPaused())
    })
  }

  /** Rejects `invalid_argument` for a bad policy, which changes nothing. */
  async setNetwork(policy: NetworkPolicy): Promise<void> {
    // Rejects where there is no slot any more. What is so already is not done again: a server that starts asks for it.
    const { network, intercepts = [] } = this.record
    if (samePolicy(network, policy)) return
    await this.#container.setEgress({ network: policy, intercepts, credentials: this.#credentials })
    if (!this.isLive) return
    this.#record = { ...this.record, network: policy }
    writeRecord(this.#container.paths, this.#record)
  }

  async setCredentials(rules: readonly OutgoingRule[]): Promise<void> {
    const { network, intercepts: before = [] } = this.record
    const intercepts = interceptsOf(rules)
    if (isDeepStrictEqual(this.#credentials, rules) || (rules.length === 0 && before.length === 0)) return
    await this.#container.setEgress({ network, intercepts, credentials: rules })
    this.#credentials = rules
    if (!this.isLive || isDeepStrictEqual(before, intercepts)) return
    this.#record = { ...this.record, intercepts }
    writeRecord(this.#container.paths, this.#record)
  }

  /** As recorded, or else as its kernel says. */
  async #isPaused(): Promise<boolean> {
    const { paused } = this.record
    if (paused !== 'unknown') return paused
    return await this.#orStale(async () => {
      await this.#control.settled()
      return await this.#control.isPaused()
    })
  }

  get #control(): KernelControl {
    this.#madeControl ??= this.#container.controlBy(this.record.controlSocket)
    return this.#madeControl
  }

  async #orStale<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      // A dead sandbox makes every call fail in words of its own: look before the watch does.
      this.#host.watch.check(this.id)
      if (this.#container.isCutOff || !this.#container.processes.every(isAlive)) throw staleIncarnation(this.id, error)
      throw error
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    // Whoever is next does not fail because this one did.
    this.#turn = turn.catch(() => {})
    return turn
  }

  #notePaused(paused: IncarnationRecord['paused']): void {
    if (!this.isLive) return
    this.#record = { ...this.record, paused }
    writePaused(this.#container.paths, paused)
  }

  // -------------------------------------------------------------- end

  /** Resolves when nothing of it runs any more; what is left of it on the host goes behind. */
  kill(): Promise<void> {
    this.#killing ??= this.#kill().catch((error: unknown) => {
      this.#killing = null
      throw error
    })
    return this.#killing
  }

  async #kill(): Promise<void> {
    this.#host.watch.remove(this.id)
    this.#container.cutOff()
    this.#ended.resolve('killed')
    if (this.#launching) {
      // Its caller hears of the failure; here it counts that it has cleaned up, or could not.
      await this.#launching.catch(() => {})
      await this.#host.survivors.kill(this.id)
      return
    }
    this.#phase = 'ended'
    await this.#host.survivors.end(this.#container, null)
    this.#host.behind(this.#removeTraces())
  }

  /** Lets go of what lives without ending it; what does not live yet is not adopted later, so it ends here. */
  async detach(): Promise<void> {
    if (!this.isLive) return await this.kill()
    this.#host.watch.remove(this.id)
    this.#phase = 'ended'
    await this.#container.giveUp()
    await this.#line.close()
    this.#errors?.close()
  }

  #watch(record: IncarnationRecord): void {
    const { watch } = this.#host
    watch.add(this.id, record.processes, () => this.#host.behind(this.#exited(record)))
    this.#errors = new ErrorOutput(this.#container.paths.pipes, () => watch.check(this.id))
  }

  async #exited(record: IncarnationRecord): Promise<void> {
    const exit = explainExit(record, this.#host.cgroups.hits(this.id), this.#errors?.tail ?? '')
    this.#ended.resolve(exit)
    // A launch that is under way does its own cleaning.
    if (!this.isLive) return
    this.#phase = 'ended'
    await this.#host.survivors.end(this.#container, exit)
    this.#onExit(exit)
    await this.#removeTraces()
  }

  /** Preconditions: no process of it runs. */
  async #removeTraces(): Promise<void> {
    await this.#line.close()
    this.#errors?.close()
    await this.#container.remove()
  }

  #throwIfKilled(): void {
    if (this.#container.isCutOff) throw staleIncarnation(this.id)
  }
}
