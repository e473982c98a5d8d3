import type { IncarnationExit, IncarnationSpec, NetworkPolicy, OutgoingRule } from '@spawnpoint/core'
import type { FileTree } from './file-tree.ts'
import type { FakeHost } from './host.ts'
import { FakeMachine } from './machine.ts'
import type { MemoryCapture } from './machine-state.ts'
import { MountedTree } from './mounted-tree.ts'

/** One incarnation as the host has it. It lives on when the server dies. */
export class FakeIncarnation {
  readonly spec: IncarnationSpec
  readonly root: FileTree
  readonly machine: FakeMachine
  network: NetworkPolicy
  credentials: readonly OutgoingRule[]
  /** False until the agent has answered for the first time */
  answered = false
  /** What `hold` reports; on a runtime that cannot capture deleted files, `checkpoint` refuses because of them */
  culprits: { pid: number; what: string; path: string }[] = []
  readonly #host: FakeHost
  readonly #listeners = new Set<(exit: IncarnationExit | null) => void>()
  #ended = false

  constructor(host: FakeHost, spec: IncarnationSpec, capture: MemoryCapture | null) {
    this.#host = host
    this.spec = structuredClone(spec)
    this.root = host.tree(spec.rootPath)
    this.network = this.spec.network
    this.credentials = this.spec.credentials ?? []
    const mounts = (spec.volumes ?? []).map(
      ({ path, source, readOnly }) => new MountedTree(path, host.tree(source), readOnly),
    )
    for (const { path } of mounts) if (this.root.get(path) === undefined) this.root.makeDirectory(path)
    this.machine = new FakeMachine(this.root, host.programs, capture, mounts)
    host.incarnations.set(spec.id, this)
  }

  get ended(): boolean {
    return this.#ended
  }

  get paused(): boolean {
    return !this.machine.running
  }

  /** The listener is called once at the end, with `null` if it was a `kill`. */
  onEnd(listener: (exit: IncarnationExit | null) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Ends it; without a reason it was killed. Idempotent. */
  end(reason?: IncarnationExit['reason'], detail = ''): void {
    if (this.#ended) return
    this.#ended = true
    this.#host.incarnations.delete(this.spec.id)
    this.machine.stop()
    const exit = reason === undefined ? null : { id: this.spec.id, reason, detail }
    for (const listener of [...this.#listeners]) listener(exit)
    this.#listeners.clear()
  }
}
