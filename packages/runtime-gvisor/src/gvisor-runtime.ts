import { availableParallelism } from 'node:os'
import type {
  Guest,
  HostUsage,
  IncarnationExit,
  IncarnationId,
  IncarnationSpec,
  MemoryImage,
  NetworkPolicy,
  OutgoingRule,
  Requirements,
  Runtime,
  RuntimeAgents,
  RuntimeInfo,
} from '@spawnpoint/core'
import type { Greet } from './agent-line.ts'
import { freshSpec } from './bundle.ts'
import { checkpoint, expectCheckpoint } from './checkpoint.ts'
import type { LaunchPlan } from './container.ts'
import { errorText, runtimeFailed, staleIncarnation, unavailable } from './failure.ts'
import { Incarnation } from './incarnation.ts'
import { Limiter } from './limiter.ts'
import { silentLog } from './log.ts'
import { checkRequirements, memoryImageBytes, readFrozenSpec } from './memory-image.ts'
import { type OpenedHost, openHost, RUNTIME_NAME } from './open-host.ts'
import type { GvisorOptions } from './options.ts'

/** The Runtime port on gVisor's runsc. */
export class GvisorRuntime implements Runtime {
  readonly #options: GvisorOptions
  readonly #limiter: Limiter
  readonly #incarnations = new Map<IncarnationId, Incarnation>()
  /** Prepared or launched by a call that has not returned */
  readonly #beginning = new Set<IncarnationId>()
  readonly #listeners: ((exit: IncarnationExit) => void)[] = []
  readonly #behind = new Set<Promise<void>>()
  #opened: OpenedHost | null = null

  constructor(options: GvisorOptions) {
    this.#options = options
    this.#limiter = new Limiter(options.restoreConcurrency ?? Math.max(2, availableParallelism()))
  }

  async open(): Promise<void> {
    if (this.#opened) return
    this.#opened = await openHost(this.#options, (work) => this.#runBehind(work))
    const { host, living } = this.#opened
    host.survivors.onExit((exit) => this.#exited(exit))
    for (const record of living) {
      this.#incarnations.set(
        record.id,
        Incarnation.adopt(host, record, (exit) => this.#exited(exit)),
      )
    }
    // One that does not tell is treated as if it had not happened: both calls can be repeated.
    for (const incarnation of this.#incarnations.values()) await incarnation.settle().catch(() => {})
  }

  async close(): Promise<void> {
    if (!this.#opened) return
    const opened = this.#opened
    this.#opened = null
    const incarnations = [...this.#incarnations.values()]
    const { survivors } = opened.host
    const lives = incarnations.some(({ isLive }) => isLive)
    await Promise.all(
      incarnations.filter(({ id }) => !survivors.has(id)).map((incarnation) => this.#leave(incarnation)),
    )
    this.#incarnations.clear()
    // Finishing one piece may begin another.
    while (this.#behind.size > 0) await Promise.all(this.#behind)
    const keep = lives || survivors.ids.length > 0
    survivors.close()
    await opened.close(keep)
  }

  get info(): RuntimeInfo {
    return this.#open.info
  }

  async start(spec: IncarnationSpec, greet?: Greet): Promise<Guest> {
    return await this.#launch(spec, null, greet)
  }

  async restore(spec: IncarnationSpec, memory: MemoryImage, greet?: Greet): Promise<Guest> {
    return await this.#launch(spec, memory, greet)
  }

  async prepare(spec: IncarnationSpec, memory: MemoryImage | null): Promise<void> {
    await this.#begin(spec, memory, (incarnation, plan) => incarnation.prepare(spec, plan, this.#limiter))
  }

  async #launch(spec: IncarnationSpec, memory: MemoryImage | null, greet: Greet = () => {}): Promise<Guest> {
    return await this.#begin(spec, memory, (incarnation, plan) => incarnation.launch(spec, plan, this.#limiter, greet))
  }

  async #begin<T>(
    spec: IncarnationSpec,
    memory: MemoryImage | null,
    begin: (incarnation: Incarnation, plan: LaunchPlan) => Promise<T>,
  ): Promise<T> {
    const { host } = this.#open
    const found = this.#incarnations.get(spec.id)
    if (this.#beginning.has(spec.id) || (found && !found.isPrepared)) {
      throw runtimeFailed('create', `incarnation ${spec.id} exists already`)
    }
    const incarnation = found ?? new Incarnation(host, spec.id, (exit) => this.#exited(exit))
    this.#incarnations.set(spec.id, incarnation)
    this.#beginning.add(spec.id)
    try {
      const plan = incarnation.planFor(spec, memory?.dir ?? null) ?? (await this.#plan(spec, memory))
      return await begin(incarnation, plan)
    } catch (error) {
      // What was prepared and is not wanted any more goes too: its id has failed.
      await incarnation.kill()
      this.#incarnations.delete(spec.id)
      throw error
    } finally {
      this.#beginning.delete(spec.id)
    }
  }

  async #plan(spec: IncarnationSpec, memory: MemoryImage | null): Promise<LaunchPlan> {
    const { agentDigest } = this.#open
    if (!memory) return { frozen: freshSpec(spec.resources, spec.volumes), agentDigest, image: null }
    const needs = memory.requirements
    await this.checkRestore(needs, { agent: false })
    return {
      frozen: await readFrozenSpec(memory.dir, spec.volumes ?? []),
      agentDigest: needs.agentDigest as string,
      image: { dir: memory.dir, bytes: await memoryImageBytes(memory.dir) },
    }
  }

  async checkRestore(needs: Requirements, brings: { agent: boolean }): Promise<void> {
    const { host, info } = this.#open
    const hasAgent = needs.agentDigest !== null && (brings.agent || (await host.agents.has(needs.agentDigest)))
    checkRequirements(needs, {
      runtime: RUNTIME_NAME,
      runtimeVersion: info.version,
      cpuFeatures: new Set(info.cpuFeatures),
      hasAgent,
    })
  }

  get agents(): RuntimeAgents {
    return this.#open.host.agents
  }

  async pause(id: IncarnationId): Promise<void> {
    await this.#find(id).pause()
  }

  async resume(id: IncarnationId): Promise<void> {
    await this.#find(id).resume()
  }

  async expectCheckpoint(id: IncarnationId, dir: string): Promise<AsyncDisposable> {
    return await expectCheckpoint(this.#open.host, this.#find(id), dir)
  }

  async checkpoint(id: IncarnationId, dir: string): Promise<{ memoryBytes: number; requirements: Requirements }> {
    const { host, info } = this.#open
    const { memoryBytes, agentDigest } = await checkpoint(host, this.#find(id), dir)
    const requirements = {
      runtime: RUNTIME_NAME,
      runtimeVersion: info.version,
      agentDigest,
      cpuFeatures: info.cpuFeatures,
    }
    return { memoryBytes, requirements }
  }

  async kill(id: IncarnationId): Promise<void> {
    const incarnation = this.#incarnations.get(id)
    if (!incarnation) return await this.#opened?.host.survivors.kill(id)
    await incarnation.kill()
    this.#incarnations.delete(id)
  }

  async attach(id: IncarnationId): Promise<Guest> {
    return await this.#find(id).attach()
  }

  async list(): Promise<{ id: IncarnationId; paused: boolean }[]> {
    const living = [...this.#incarnations.values()].filter(({ isLive }) => isLive)
    const surviving = this.#opened?.host.survivors.ids ?? []
    return [...living.map(({ id, paused }) => ({ id, paused })), ...surviving.map((id) => ({ id, paused: false }))]
  }

  async setNetwork(id: IncarnationId, policy: NetworkPolicy): Promise<void> {
    await this.#find(id).setNetwork(policy)
  }

  async setCredentials(id: IncarnationId, rules: readonly OutgoingRule[]): Promise<void> {
    await this.#find(id).setCredentials(rules)
  }

  async usage(id: IncarnationId): Promise<HostUsage> {
    this.#find(id)
    return this.#open.host.cgroups.usage(id)
  }

  onExit(listener: (exit: IncarnationExit) => void): void {
    this.#listeners.push(listener)
  }

  get #open(): OpenedHost {
    if (!this.#opened) throw unavailable('The runtime is not open')
    return this.#opened
  }

  #find(id: IncarnationId): Incarnation {
    const { survivors } = this.#open.host
    if (survivors.has(id))
      throw runtimeFailed('kill', 'the sandbox has ended, but some of its processes survive SIGKILL')
    const incarnation = this.#incarnations.get(id)
    if (!incarnation?.isLive) throw staleIncarnation(id)
    return incarnation
  }

  /** What does not die with the others is left to the next server. */
  async #leave(incarnation: Incarnation): Promise<void> {
    try {
      await incarnation.detach()
    } catch (error) {
      this.#log.error({ incarnationId: incarnation.id, error: errorText(error) }, 'A sandbox could not be let go of')
    }
  }

  #exited(exit: IncarnationExit): void {
    this.#incarnations.delete(exit.id)
    for (const listener of this.#listeners) {
      try {
        listener(exit)
      } catch (error) {
        this.#log.error({ incarnationId: exit.id, error: errorText(error) }, 'A listener for exits failed')
      }
    }
  }

  #runBehind(work: Promise<void>): void {
    const task = work
      .catch((error: unknown) => {
        this.#log.error({ error: errorText(error) }, 'Cleaning up after a sandbox failed; the next start tries again')
      })
      .finally(() => this.#behind.delete(task))
    this.#behind.add(task)
  }

  get #log() {
    return this.#options.log ?? silentLog
  }
}
