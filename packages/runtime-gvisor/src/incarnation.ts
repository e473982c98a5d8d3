import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Guest,
  type IncarnationExit,
  type IncarnationId,
  type IncarnationSpec,
  type NetworkPolicy,
  SpawnpointError,
} from '@spawnpoint/core'
import type { OpenedGuest } from '@spawnpoint/guest'
import { bundleConfig, type FrozenSpec } from './bundle.ts'
import { ErrorOutput } from './error-output.ts'
import { errorText, runtimeFailed } from './failure.ts'
import type { Host } from './host.ts'
import { hostBootId, isAlive } from './host-process.ts'
import { type IncarnationPaths, type IncarnationRecord, incarnationPaths, writeRecord } from './incarnation-record.ts'
import type { Limiter } from './limiter.ts'
import { openForContainer } from './pipes.ts'
import type { RunscStep } from './runsc.ts'
import { findSandboxProcesses, killSandbox } from './sandbox-processes.ts'

const GIB = 1024 ** 3
const ATTACH_TIMEOUT_MS = 15_000
const REMOVAL_TIMEOUT_MS = 10_000

export interface LaunchPlan {
  frozen: FrozenSpec
  agentDigest: string
  /** Memory image to restore; `null` for a cold start */
  image: { dir: string; bytes: number } | null
}

/**
 * One life of a sandbox.
 *
 *     launching ──► live ──► ended        by `kill`, or by itself
 *         └──────────────────► ended      a launch that fails leaves nothing
 *
 * Control calls (pause, resume, checkpoint) run one after the other; `kill` cuts off whatever is under way.
 */
export class Incarnation {
  readonly id: IncarnationId
  readonly #host: Host
  readonly #paths: IncarnationPaths
  readonly #abort = new AbortController()
  /** Called once if it ends by itself after a launch or an adoption that succeeded */
  readonly #onExit: (exit: IncarnationExit) => void
  readonly #ended = Promise.withResolvers<IncarnationExit | 'killed'>()
  #phase: 'launching' | 'live' | 'ended' = 'launching'
  #launching: Promise<Guest> | null = null
  #killing: Promise<void> | null = null
  #record: IncarnationRecord | null = null
  #slot: number | null = null
  #errors: ErrorOutput | null = null
  #guest: Promise<OpenedGuest> | null = null
  #turn: Promise<unknown> = Promise.resolve()

  constructor(host: Host, id: IncarnationId, onExit: (exit: IncarnationExit) => void) {
    this.#host = host
    this.id = id
    this.#paths = incarnationPaths(host.stateDir, id)
    this.#onExit = onExit
  }

  /** Takes over what an earlier server left running. */
  static adopt(host: Host, record: IncarnationRecord, onExit: (exit: IncarnationExit) => void): Incarnation {
    const incarnation = new Incarnation(host, record.id, onExit)
    incarnation.#record = record
    incarnation.#slot = record.slot
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

  // -------------------------------------------------------------- launch

  /** Starts or restores; resolves when the agent answers. A rejection leaves nothing behind. */
  launch(spec: IncarnationSpec, plan: LaunchPlan, limiter: Limiter): Promise<Guest> {
    this.#launching = limiter
      .run(() => this.#launch(spec, plan))
      .finally(() => {
        this.#launching = null
      })
    return this.#launching
  }

  async #launch(spec: IncarnationSpec, plan: LaunchPlan): Promise<Guest> {
    try {
      this.#throwIfKilled()
      await this.#prepare(spec, plan)
      this.#throwIfKilled()
      await this.#run(plan)
      this.#throwIfKilled()
      this.#host.cgroups.addHeadroom(this.id, spec.resources)
      const record: IncarnationRecord = {
        format: 1,
        bootId: hostBootId(),
        id: this.id,
        processes: findSandboxProcesses(this.#paths),
        slot: this.#slot as number,
        network: spec.network,
        resources: spec.resources,
        agentDigest: plan.agentDigest,
        frozen: plan.frozen,
        paused: false,
      }
      this.#record = record
      writeRecord(this.#paths, record)
      this.#watch(record)
      const guest = await this.#connect(spec.bootTimeoutMs)
      this.#throwIfKilled()
      this.#phase = 'live'
      return guest
    } catch (error) {
      throw await this.#undoLaunch(error)
    }
  }

  async #prepare(spec: IncarnationSpec, plan: LaunchPlan): Promise<void> {
    const [host, paths] = [this.#host, this.#paths]
    mkdirSync(paths.bundle, { recursive: true, mode: 0o700 })
    const slot = await host.slots.claim(spec.network)
    this.#slot = slot.number
    host.cgroups.create(this.id, spec.resources)
    await host.pipes.take(paths.pipes)
    const config = bundleConfig({
      frozen: plan.frozen,
      rootPath: spec.rootPath,
      hostname: spec.hostname,
      agentDir: host.agents.dirOf(plan.agentDigest),
      cgroupPath: host.cgroups.pathOf(this.id),
      networkNamespace: slot.namespacePath,
    })
    writeFileSync(`${paths.bundle}/config.json`, JSON.stringify(config), { mode: 0o600 })
  }

  async #run({ image }: LaunchPlan): Promise<void> {
    const { bundle, pidFile, pipes } = this.#paths
    const stdio = openForContainer(pipes)
    try {
      await this.#call(
        image ? 'restore' : 'run',
        ['-detach', '-bundle', bundle, '-pid-file', pidFile, ...(image ? ['-image-path', image.dir] : []), this.id],
        this.#timeFor('launchMs', image?.bytes),
        stdio.fds,
      )
    } finally {
      stdio.close()
    }
  }

  /** Returns what the caller is to be told. */
  async #undoLaunch(error: unknown): Promise<unknown> {
    this.#phase = 'ended'
    this.#host.watch.remove(this.id)
    const oomKills = this.#host.cgroups.hits(this.id).oomKills
    const words = this.#errors?.tail ?? ''
    try {
      await this.#killProcesses()
      await this.#removeTraces()
    } catch (failure) {
      this.#host.log.error(
        { incarnationId: this.id, error: errorText(failure) },
        'A failed launch left something behind',
      )
    }
    if (this.#abort.signal.aborted) return staleIncarnation(this.id)
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
    return await (this.#guest ?? this.#connect(ATTACH_TIMEOUT_MS))
  }

  #connect(timeoutMs: number): Promise<OpenedGuest> {
    const guest = this.#openGuest(timeoutMs)
    this.#guest = guest
    const forget = () => {
      if (this.#guest === guest) this.#guest = null
    }
    guest.then((opened) => opened.gone.then(forget), forget)
    return guest
  }

  async #openGuest(timeoutMs: number): Promise<OpenedGuest> {
    const { pipes } = this.#paths
    const opening = this.#host.openGuest({
      toGuest: `${pipes}/in`,
      fromGuest: `${pipes}/out`,
      label: this.id,
      timeouts: { attachMs: timeoutMs },
    })
    const outcome = await Promise.race([opening, this.#ended.promise])
    if (outcome !== 'killed' && !('reason' in outcome)) return outcome
    // Nobody answers any more: its failure, which comes with the time limit, tells nothing new.
    opening.then((guest) => guest.close()).catch(() => {})
    throw outcome === 'killed' ? staleIncarnation(this.id) : runtimeFailed('boot', outcome.detail)
  }

  // -------------------------------------------------------------- control

  pause(): Promise<void> {
    return this.#setPaused(true)
  }

  resume(): Promise<void> {
    return this.#setPaused(false)
  }

  #setPaused(wanted: boolean): Promise<void> {
    return this.#inTurn(async () => {
      if (this.record.paused === wanted) return
      this.#update({ paused: 'unknown' })
      try {
        await this.#call(wanted ? 'pause' : 'resume', [this.id], this.#timeFor('controlMs'))
      } catch (error) {
        // It may have happened all the same; if runsc does not answer at all, the first error is the one to tell.
        const paused = await this.#askPaused().catch(() => 'unknown' as const)
        this.#updateIfLive({ paused })
        if (paused !== wanted) throw error
      }
      this.#updateIfLive({ paused: wanted })
    })
  }

  /** Runs `work` when no other control call does, with what it needs to ask runsc for a checkpoint. */
  whilePaused<T>(work: (call: (args: string[], memoryBytes: number) => Promise<void>) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      const { paused } = this.record
      if (!(paused === 'unknown' ? await this.#askPaused() : paused)) {
        throw runtimeFailed('checkpoint', 'the sandbox is not paused')
      }
      return await work(async (args, memoryBytes) => {
        await this.#call('checkpoint', [...args, this.id], this.#timeFor('controlMs', memoryBytes))
      })
    })
  }

  /** Finds out whether a pause or resume that an earlier server began has happened. */
  settle(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.record.paused === 'unknown') this.#update({ paused: await this.#askPaused() })
    })
  }

  async setNetwork(policy: NetworkPolicy): Promise<void> {
    const { slot } = this.record
    await this.#host.slots.setPolicy(slot, policy)
    this.#updateIfLive({ network: policy })
  }

  async #askPaused(): Promise<boolean> {
    const { stdout } = await this.#call('state', [this.id], this.#timeFor('controlMs'))
    const status = /"status":\s*"(\w+)"/.exec(stdout)?.[1]
    if (status !== 'paused' && status !== 'running') throw runtimeFailed('state', `unexpected answer: ${stdout}`)
    return status === 'paused'
  }

  async #call(step: RunscStep, args: string[], timeoutMs: number, stdio?: readonly [number, number, number]) {
    const logFile = `${this.#paths.log}.${step}`
    rmSync(logFile, { force: true })
    try {
      return await this.#host.runsc.call({
        step,
        args,
        root: this.#paths.root,
        logFile,
        timeoutMs,
        signal: this.#abort.signal,
        ...(stdio ? { stdio } : {}),
      })
    } catch (error) {
      // A dead sandbox makes every call fail in words of its own: look before the watch does.
      this.#host.watch.check(this.id)
      if (this.#abort.signal.aborted || (this.#record && !this.#record.processes.every(isAlive))) {
        throw staleIncarnation(this.id, error)
      }
      throw error
    }
  }

  #timeFor(limit: 'launchMs' | 'controlMs', memoryBytes = 0): number {
    const { timeouts } = this.#host
    return timeouts[limit] + Math.ceil((memoryBytes / GIB) * timeouts.perGibMs)
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    // Whoever is next does not fail because this one did.
    this.#turn = turn.catch(() => {})
    return turn
  }

  #update(change: Partial<IncarnationRecord>): void {
    this.#record = { ...this.record, ...change }
    writeRecord(this.#paths, this.#record)
  }

  #updateIfLive(change: Partial<IncarnationRecord>): void {
    if (this.isLive) this.#update(change)
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
    this.#abort.abort()
    this.#ended.resolve('killed')
    if (this.#launching) {
      // Its caller hears of the failure; here it counts that it has cleaned up.
      await this.#launching.catch(() => {})
      return
    }
    this.#phase = 'ended'
    await this.#killProcesses()
    this.#host.behind(this.#removeTraces())
  }

  /** Lets go without ending anything. */
  async detach(): Promise<void> {
    this.#host.watch.remove(this.id)
    // A launch under way is not adopted later: it ends here, as it would if the server had been killed.
    if (this.#launching) await this.kill()
    this.#phase = 'ended'
    await this.#closeGuest()
    this.#errors?.close()
  }

  #watch(record: IncarnationRecord): void {
    const { watch } = this.#host
    watch.add(this.id, record.processes, () => this.#host.behind(this.#exited(record)))
    this.#errors = new ErrorOutput(this.#paths.pipes, () => watch.check(this.id))
  }

  async #exited(record: IncarnationRecord): Promise<void> {
    const exit = this.#explain(record)
    const wasLive = this.#phase === 'live'
    this.#ended.resolve(exit)
    // A launch that is under way does its own cleaning.
    if (!wasLive) return
    this.#phase = 'ended'
    await this.#killProcesses()
    this.#onExit(exit)
    await this.#removeTraces()
  }

  #explain(record: IncarnationRecord): IncarnationExit {
    const hits = this.#host.cgroups.hits(this.id)
    const mib = Math.round(record.resources.memoryBytes / 1024 ** 2)
    if (hits.oomKills > 0) {
      return { id: this.id, reason: 'out_of_memory', detail: `the sandbox used more than its ${mib} MiB of memory` }
    }
    const detail =
      hits.processLimit > 0
        ? 'the sandbox used more threads than the host allows it'
        : `the sandbox's kernel ended; its last words: ${this.#errors?.tail.slice(-500) || 'none'}`
    return { id: this.id, reason: 'runtime_exited', detail }
  }

  async #killProcesses(): Promise<void> {
    await killSandbox({
      known: this.#record?.processes ?? [],
      cgroups: this.#host.cgroups,
      id: this.id,
      // Without a record nobody has written down yet what runs.
      ...(this.#record ? {} : { search: this.#paths.dir }),
    })
  }

  async #closeGuest(): Promise<void> {
    // A connection that failed to open is closed already.
    const guest = await this.#guest?.catch(() => null)
    await guest?.close()
  }

  /** Preconditions: no process of it runs. */
  async #removeTraces(): Promise<void> {
    await this.#closeGuest()
    this.#errors?.close()
    if (this.#slot !== null) this.#host.slots.release(this.#slot)
    this.#slot = null
    await removeIncarnation(this.#host, this.id)
  }

  #throwIfKilled(): void {
    if (this.#abort.signal.aborted) throw staleIncarnation(this.id)
  }
}

/** Control group and directory. Preconditions: no process of it runs. */
export async function removeIncarnation(host: Host, id: string): Promise<void> {
  const deadline = performance.now() + REMOVAL_TIMEOUT_MS
  while (!host.cgroups.remove(id)) {
    if (performance.now() > deadline) {
      host.log.warn(
        { incarnationId: id },
        'The control group of a dead sandbox cannot be removed; the next start tries',
      )
      break
    }
    await sleep(20)
  }
  await rm(incarnationPaths(host.stateDir, id as IncarnationId).dir, { recursive: true, force: true })
}

export function staleIncarnation(id: string, cause?: unknown): SpawnpointError<'stale_incarnation'> {
  return new SpawnpointError('stale_incarnation', 'The sandbox does not run any more', { sandboxId: id }, { cause })
}
