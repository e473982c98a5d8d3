import {
  type Guest,
  type HostUsage,
  type IncarnationExit,
  type IncarnationId,
  type IncarnationSpec,
  type MemoryImage,
  type NetworkPolicy,
  type OutgoingRule,
  type Requirements,
  type Runtime,
  type RuntimeAgents,
  type RuntimeInfo,
  SpawnpointError,
} from '@spawnpoint/core'
import { FakeGuest, type FakeHooks } from './guest.ts'
import { GuestLink } from './guest-link.ts'
import type { FakeHost } from './host.ts'
import { FakeIncarnation } from './incarnation.ts'
import type { MemoryCapture } from './machine-state.ts'

const realSetImmediate = setImmediate
const AGENT_DIGEST = 'fa'.repeat(32)

type Greet = (guest: Guest) => void

/** In-memory Runtime on a `FakeHost`. Change `info` before use to play an older or a poorer runtime. */
export class FakeRuntime implements Runtime {
  readonly info: RuntimeInfo = {
    name: 'fake',
    version: '1',
    capabilities: { capturesDeletedFiles: true, keepsConnections: true, idleIsFree: true, memorySnapshots: true },
    cpuFeatures: ['fake_a', 'fake_b'],
    authority: 'fake authority',
    host: { cpus: 8, memoryBytes: 64 * 2 ** 30 },
  }
  /** What hooks inside every guest of this runtime answer */
  readonly hooks: FakeHooks = { beforeSnapshot: [], afterRestore: [] }
  readonly #host: FakeHost
  readonly #life
  /** Starts and restores under way, and how to cut each off */
  readonly #launches = new Map<IncarnationId, (reason: Error) => void>()
  readonly #guests = new Map<IncarnationId, { link: GuestLink; guest: FakeGuest }>()
  readonly #exitListeners: ((exit: IncarnationExit) => void)[] = []
  /** By digest, which is also the path of each */
  readonly #agents = new Set([AGENT_DIGEST])
  #open = false

  constructor(host: FakeHost) {
    this.#host = host
    this.#life = host.faults.life
  }

  open(): Promise<void> {
    return this.#host.faults.run(this.#life, 'runtime.open', '', () => {
      this.#open = true
      for (const incarnation of this.#host.incarnations.values()) this.#adopt(incarnation)
    })
  }

  async close(): Promise<void> {
    this.#open = false
    for (const { link } of this.#guests.values()) link.cut()
    this.#guests.clear()
  }

  start(spec: IncarnationSpec, greet: Greet = () => {}): Promise<Guest> {
    return this.#launch('start', spec, greet, spec.id, (half) => this.#boot('start', spec, null, half))
  }

  restore(spec: IncarnationSpec, memory: MemoryImage, greet: Greet = () => {}): Promise<Guest> {
    return this.#launch('restore', spec, greet, `${spec.id} from ${memory.dir}`, (half) => {
      this.#mustMeet(memory.requirements)
      const capture = this.#host.memoryAt(memory.dir).memory
      if (!capture) throw failed('restore', `${memory.dir} holds no memory`)
      const [needs, has] = [capture.volumes.join(), (spec.volumes ?? []).map(({ path }) => path).join()]
      if (needs !== has) throw new SpawnpointError('incompatible', `The memory has volumes at ${needs}`, { needs, has })
      return this.#boot('restore', spec, capture, half)
    })
  }

  checkRestore(needs: Requirements, brings: { agent: boolean }): Promise<void> {
    return this.#call('checkRestore', '', () => this.#mustMeet(needs, brings.agent))
  }

  readonly agents: RuntimeAgents = {
    file: async (digest) => (this.#agents.has(digest) ? digest : null),
    add: async (file) => {
      this.#agents.add(file)
      return file
    },
  }

  pause(id: IncarnationId): Promise<void> {
    return this.#call('pause', id, () => this.#find(id).machine.pause())
  }

  resume(id: IncarnationId): Promise<void> {
    return this.#call('resume', id, () => this.#find(id).machine.resume())
  }

  checkpoint(id: IncarnationId, dir: string): Promise<{ memoryBytes: number; requirements: Requirements }> {
    return this.#call('checkpoint', `${id} to ${dir}`, () => {
      const incarnation = this.#find(id)
      if (!incarnation.paused) throw failed('checkpoint', `${id} is not paused`)
      const { culprits } = incarnation
      if (!this.info.capabilities.capturesDeletedFiles && culprits.length > 0) {
        const reason = 'deleted files are still open'
        throw new SpawnpointError('capture_refused', `The memory cannot be captured: ${reason}`, { reason, culprits })
      }
      const place = this.#host.memoryAt(dir)
      if (place.memoryFiles.below('/').length > 0) throw failed('checkpoint', `${dir} is not empty`)
      place.memory = incarnation.machine.capture()
      place.memoryFiles.writeFile('/pages.img', Buffer.alloc(place.memory.sizeBytes))
      return { memoryBytes: place.memory.sizeBytes, requirements: this.#requirements() }
    })
  }

  kill(id: IncarnationId): Promise<void> {
    return this.#call('kill', id, () => {
      this.#launches.get(id)?.(stale(id))
      this.#host.incarnations.get(id)?.end()
    })
  }

  attach(id: IncarnationId): Promise<Guest> {
    return this.#call('attach', id, () => {
      const incarnation = this.#find(id)
      if (!incarnation.answered) {
        throw new SpawnpointError('guest_unresponsive', 'The agent does not answer', { sandboxId: id })
      }
      return this.#adopt(incarnation)
    })
  }

  list(): Promise<{ id: IncarnationId; paused: boolean }[]> {
    return this.#call('list', '', () =>
      [...this.#host.incarnations].map(([id, incarnation]) => ({ id, paused: incarnation.paused })),
    )
  }

  setNetwork(id: IncarnationId, policy: NetworkPolicy): Promise<void> {
    return this.#call('setNetwork', id, () => {
      this.#find(id).network = structuredClone(policy)
    })
  }

  setCredentials(id: IncarnationId, rules: readonly OutgoingRule[]): Promise<void> {
    return this.#call('setCredentials', id, () => {
      this.#find(id).credentials = structuredClone(rules)
    })
  }

  usage(id: IncarnationId): Promise<HostUsage> {
    return this.#call('usage', id, () => ({
      cpuMs: this.#find(id).machine.cpuMs,
      memoryBytes: 16 * 2 ** 20,
      memoryCacheBytes: 4 * 2 ** 20,
    }))
  }

  onExit(listener: (exit: IncarnationExit) => void): void {
    this.#exitListeners.push(listener)
  }

  /** A call that `kill` cuts off. */
  async #launch(
    name: string,
    { id }: IncarnationSpec,
    greet: Greet,
    detail: string,
    work: (half: () => void) => Guest,
  ): Promise<Guest> {
    const cutOff = Promise.withResolvers<never>()
    let isCutOff = false
    this.#launches.set(id, (reason) => {
      isCutOff = true
      cutOff.reject(reason)
    })
    const launched = this.#call(name, detail, (half) => {
      if (isCutOff) throw stale(id)
      const guest = work(half)
      greet(guest)
      return guest
    })
    try {
      return await Promise.race([launched, cutOff.promise])
    } finally {
      this.#launches.delete(id)
    }
  }

  #boot(step: string, spec: IncarnationSpec, capture: MemoryCapture | null, half: () => void): Guest {
    if (this.#host.incarnations.has(spec.id)) throw failed(step, `${spec.id} runs already`)
    for (const other of this.#host.incarnations.values()) {
      if (other.spec.rootPath === spec.rootPath) throw failed(step, `${spec.rootPath} is in use by ${other.spec.id}`)
    }
    if (!/^fake:\/roots\//.test(spec.rootPath)) throw failed(step, `${spec.rootPath} is no root`)
    let incarnation: FakeIncarnation
    try {
      incarnation = new FakeIncarnation(this.#host, spec, capture)
    } catch (error) {
      throw failed(step, `${spec.rootPath} cannot be used`, error)
    }
    half()
    incarnation.answered = true
    return this.#adopt(incarnation)
  }

  #adopt(incarnation: FakeIncarnation): FakeGuest {
    const { id } = incarnation.spec
    const known = this.#guests.get(id)
    if (known) return known.guest
    const link = new GuestLink(incarnation, this.#host.faults, this.#life)
    const guest = new FakeGuest(link, this.hooks)
    this.#guests.set(id, { link, guest })
    incarnation.onEnd((exit) => {
      this.#guests.delete(id)
      // Told in a turn of its own, as news from another process would be.
      if (exit) realSetImmediate(() => this.#tell(exit))
    })
    return guest
  }

  #tell(exit: IncarnationExit): void {
    if (!this.#open || this.#life.dead) return
    for (const listener of this.#exitListeners) listener(exit)
  }

  #requirements(): Requirements {
    const { name, version, cpuFeatures } = this.info
    return { runtime: name, runtimeVersion: version, agentDigest: AGENT_DIGEST, cpuFeatures: [...cpuFeatures] }
  }

  #mustMeet(needs: Requirements, bringsAgent = false): void {
    const has = this.#requirements()
    const refuse = (wanted: string, got: string) => {
      throw new SpawnpointError('incompatible', `This host lacks ${wanted}`, { needs: wanted, has: got })
    }
    if (needs.runtime !== has.runtime) refuse(`runtime ${needs.runtime}`, has.runtime)
    if (needs.runtimeVersion !== has.runtimeVersion) refuse(`version ${needs.runtimeVersion}`, has.runtimeVersion)
    const missing = needs.cpuFeatures.filter((feature) => !has.cpuFeatures.includes(feature))
    if (missing.length > 0) refuse(`cpu features ${missing.join(' ')}`, has.cpuFeatures.join(' '))
    const { agentDigest } = needs
    if (!bringsAgent && (agentDigest === null || !this.#agents.has(agentDigest)))
      refuse('its agent', 'other agents only')
  }

  #find(id: IncarnationId): FakeIncarnation {
    const incarnation = this.#host.incarnations.get(id)
    if (incarnation) return incarnation
    throw stale(id)
  }

  #call<T>(name: string, detail: string, work: (half: () => void) => T | Promise<T>): Promise<T> {
    return this.#host.faults.run(this.#life, `runtime.${name}`, detail, (half) => {
      if (!this.#open) {
        throw new SpawnpointError('unavailable', 'The runtime is not open', { reason: 'runtime is not open' })
      }
      return work(half)
    })
  }
}

function stale(id: IncarnationId) {
  return new SpawnpointError('stale_incarnation', `No incarnation ${id}`, { sandboxId: id })
}

function failed(step: string, detail: string, cause?: unknown) {
  return new SpawnpointError('runtime_failed', `The runtime failed at ${step}`, { step, detail }, { cause })
}
