import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { IncarnationId, IncarnationSpec } from '@spawnpoint/core'
import type { CommandResult } from '@spawnpoint/host-commands'
import { bundleConfig, type FrozenSpec } from './bundle.ts'
import type { Host } from './host.ts'
import { type HostProcess, isAlive } from './host-process.ts'
import { type IncarnationPaths, incarnationPaths } from './incarnation-record.ts'
import { CommandControl, type KernelControl, SocketControl } from './kernel-control.ts'
import { egressOf } from './network/egress/egress.ts'
import type { GuestEgress } from './network/egress/egress-proxy.ts'
import { containerStdio, hasLogPipe, logPipe } from './pipes.ts'
import type { RunscStep, WaitingCall } from './runsc.ts'
import { findSandboxProcesses, killSandbox } from './sandbox-processes.ts'

const GIB = 1024 ** 3
const REMOVAL_TIMEOUT_MS = 10_000

export interface LaunchPlan {
  frozen: FrozenSpec
  agentDigest: string
  /** Memory image to restore; `null` for a cold start */
  image: { dir: string; bytes: number } | null
}

/**
 * What the host holds for one incarnation: its directory, control group, network slot and pipes, and runsc's container
 * that uses them. Knows no states; every step either succeeds or leaves what `kill` and `remove` take away.
 */
export class Container {
  readonly id: IncarnationId
  readonly paths: IncarnationPaths
  readonly #host: Host
  /** Cuts off calls of runsc that are under way */
  readonly #abort = new AbortController()
  #slot: number | null
  /** Sentry and gofer once runsc has made them */
  #processes: HostProcess[]
  /** A call that has been started already: what sets it going, or a checkpoint to come */
  #begun: { what: string; call: WaitingCall } | null = null

  constructor(host: Host, id: IncarnationId, found: { slot: number; processes: HostProcess[] } | null = null) {
    this.#host = host
    this.id = id
    this.paths = incarnationPaths(host.stateDir, id)
    this.#slot = found?.slot ?? null
    this.#processes = found?.processes ?? []
  }

  get processes(): HostProcess[] {
    return this.#processes
  }

  get slot(): number {
    if (this.#slot === null) throw new Error('a container without a network slot was asked for it')
    return this.#slot
  }

  // -------------------------------------------------------------- making it

  /** Everything that runsc needs to find. */
  async furnish(spec: IncarnationSpec, plan: LaunchPlan): Promise<void> {
    const [host, paths] = [this.#host, this.paths]
    mkdirSync(paths.bundle, { recursive: true, mode: 0o700 })
    const slot = await host.slots.claim(egressOf(spec))
    this.#slot = slot.number
    host.cgroups.create(this.id, spec.resources)
    await host.pipes.take(paths.pipes)
    const config = bundleConfig({
      frozen: plan.frozen,
      rootPath: spec.rootPath,
      hostname: spec.hostname,
      agentDir: host.agents.dirOf(plan.agentDigest),
      volumes: spec.volumes ?? [],
      cgroupPath: host.cgroups.pathOf(this.id),
      networkNamespace: slot.namespacePath,
    })
    writeFileSync(`${paths.bundle}/config.json`, JSON.stringify(config), { mode: 0o600 })
  }

  /** Makes the container and sets it going, in one call of runsc. Preconditions: furnished. */
  async run(spec: IncarnationSpec, { image }: LaunchPlan): Promise<void> {
    await this.#make(spec, image ? 'restore' : 'run', ['-detach', ...imageArgs(image)], image?.bytes)
  }

  /** Makes the container; `start` sets it going. Preconditions: furnished. */
  async create(spec: IncarnationSpec, { image }: LaunchPlan): Promise<void> {
    await this.#make(spec, 'create', [])
    await this.begin(...this.#startOf(image))
  }

  /** Created, and nothing has happened to it meanwhile. */
  get isReady(): boolean {
    return this.#begun?.call.waits === true && this.#processes.every(isAlive)
  }

  /** Preconditions: ready, by the same plan. */
  async start({ image }: LaunchPlan): Promise<void> {
    await this.call(...this.#startOf(image), this.timeFor('launchMs', image?.bytes))
  }

  #startOf(image: LaunchPlan['image']): [RunscStep, string[]] {
    return image ? ['restore', ['-detach', ...imageArgs(image), this.id]] : ['start', [this.id]]
  }

  async #make(spec: IncarnationSpec, step: RunscStep, args: string[], memoryBytes?: number): Promise<void> {
    const { bundle, pidFile, pipes } = this.paths
    const all = [...args, '-bundle', bundle, '-pid-file', pidFile, this.id]
    await this.call(step, all, this.timeFor('launchMs', memoryBytes), containerStdio(pipes))
    this.#host.cgroups.addHeadroom(this.id, spec.resources)
    this.#processes = findSandboxProcesses(this.paths)
  }

  // -------------------------------------------------------------- using it

  async setEgress(egress: GuestEgress): Promise<void> {
    await this.#host.slots.setEgress(this.slot, egress)
  }

  /** Starts a call that `call` will be asked for, so that it is quicker then; in the place of one that nobody has asked for. */
  async begin(step: RunscStep, args: string[]): Promise<void> {
    await this.giveUp()
    const { root, pipes } = this.paths
    // An earlier version made none, and without it the call would not wait.
    if (!hasLogPipe(pipes)) return
    const { signal } = this.#abort
    const call = this.#host.runsc.begin({ step, args, root, logFile: logPipe(pipes), signal })
    this.#begun = { what: nameOf(step, args), call }
  }

  /** What was begun will not be asked for. */
  async giveUp(): Promise<void> {
    const begun = this.#begun
    this.#begun = null
    await begun?.call.end()
  }

  async call(
    step: RunscStep,
    args: string[],
    timeoutMs: number,
    stdio?: readonly [string, string, string],
  ): Promise<CommandResult> {
    const begun = this.#begun
    if (begun?.call.waits === true && begun.what === nameOf(step, args)) {
      this.#begun = null
      return await begun.call.go(timeoutMs)
    }
    const logFile = `${this.paths.log}.${step}`
    rmSync(logFile, { force: true })
    return await this.#host.runsc.call({
      step,
      args,
      root: this.paths.root,
      logFile,
      timeoutMs,
      signal: this.#abort.signal,
      ...(stdio ? { stdio } : {}),
    })
  }

  /** How its kernel is stopped and set going; by orders where `controlSocket` is given. */
  controlBy(controlSocket: string | undefined): KernelControl {
    if (controlSocket === undefined) return new CommandControl(this)
    return new SocketControl(controlSocket, this.timeFor('controlMs'), this.#abort.signal)
  }

  /** Milliseconds that a step may take that moves so much memory. */
  timeFor(limit: 'launchMs' | 'controlMs', memoryBytes = 0): number {
    const { timeouts } = this.#host
    return timeouts[limit] + Math.ceil((memoryBytes / GIB) * timeouts.perGibMs)
  }

  // -------------------------------------------------------------- ending it

  get isCutOff(): boolean {
    return this.#abort.signal.aborted
  }

  /** Calls of runsc end now, and none begins any more. */
  cutOff(): void {
    this.#abort.abort()
  }

  /** Resolves when nothing of it runs. Rejects `runtime_failed` if something survives. */
  async kill(timeoutMs = this.#host.timeouts.deathMs): Promise<void> {
    await this.giveUp()
    await killSandbox({
      known: this.#processes,
      cgroups: this.#host.cgroups,
      id: this.id,
      timeoutMs,
      // Until runsc has told what runs, it may be anything.
      ...(this.#processes.length > 0 ? {} : { search: this.paths.dir }),
    })
  }

  /** Preconditions: nothing of it runs. */
  async remove(): Promise<void> {
    if (this.#slot !== null) this.#host.slots.release(this.#slot)
    this.#slot = null
    this.#processes = []
    await removeRemains(this.#host, this.id)
  }
}

/** Control group and directory of an incarnation that nothing runs of. */
export async function removeRemains(host: Host, id: IncarnationId): Promise<void> {
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
  await rm(incarnationPaths(host.stateDir, id).dir, { recursive: true, force: true })
}

function imageArgs(image: LaunchPlan['image']): string[] {
  return image ? ['-image-path', image.dir] : []
}

function nameOf(step: RunscStep, args: readonly string[]): string {
  return JSON.stringify([step, ...args])
}
