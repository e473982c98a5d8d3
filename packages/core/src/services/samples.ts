import { invalidArgument, isCode } from '../errors.ts'
import type { Sandbox, SandboxId, SandboxMetrics } from '../model.ts'
import type { Parts } from '../parts.ts'
import { isUp } from '../sandbox/lifecycle.ts'
import type { LiveSandbox } from '../sandbox/records.ts'
import { SampleRing } from './sample-ring.ts'

const INTERVAL_MS = 5_000
const KEPT_MS = 3_600_000
/** Sandboxes that samples are kept of; with more, the longest known go first. About 30 KB each after an hour. */
const MAX_SANDBOXES = 4_000
/** Sandboxes looked at side by side, so that many do not crowd out what users wait for. */
const AT_ONCE = 4

/** A sandbox that is sampled: its record, and its processor time when it was last looked at. */
interface Subject {
  sandbox: LiveSandbox
  last: { atMs: number; cpuMs: number }
  /** A look at it under way */
  looking: Promise<void> | null
}

/** What each sandbox has used in the last hour, seen from the host: nothing inside is asked. One timer for all. */
export class Samples {
  readonly #parts: Parts
  readonly #subjects = new Map<SandboxId, Subject>()
  readonly #kept = new Map<SandboxId, SampleRing>()
  #timer: Disposable | null = null
  #closed = false

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** The record as it is now. */
  seen(sandbox: Sandbox): void {
    const { id, state } = sandbox
    if (state === 'killed') this.#kept.delete(id)
    if (!isUp(sandbox) || sandbox.incarnationId === null || sandbox.rootId === null) {
      this.#subjects.delete(id)
      return
    }
    const known = this.#subjects.get(id)
    const live = sandbox as LiveSandbox
    if (known?.sandbox.incarnationId === live.incarnationId) known.sandbox = live
    else {
      const atMs = sandbox.startedAt?.getTime() ?? this.#now()
      this.#subjects.set(id, { sandbox: live, last: { atMs, cpuMs: 0 }, looking: null })
    }
    this.#arm(INTERVAL_MS)
  }

  /** Samples kept of the sandbox in that time, both ends included, oldest first. */
  async of(sandbox: Sandbox, range: { from?: Date | undefined; to?: Date | undefined }): Promise<SandboxMetrics[]> {
    const [from, to] = [timeOf('from', range.from), timeOf('to', range.to)]
    if (from !== null && to !== null && from > to) throw invalidArgument('from', 'is after to')
    const subject = this.#subjects.get(sandbox.id)
    const { cpus, memoryBytes, diskBytes } = sandbox.resources
    const within = (atMs: number) =>
      atMs > this.#now() - KEPT_MS && (from === null || atMs >= from) && (to === null || atMs <= to)
    if (subject !== undefined && !this.#kept.has(sandbox.id)) await this.#look(subject)
    return [...(this.#kept.get(sandbox.id) ?? [])]
      .filter((sample) => within(sample.atMs))
      .map((sample) => ({
        at: new Date(sample.atMs),
        cpus,
        cpuUsedPercent: sample.cpuUsedPercent,
        memoryUsedBytes: sample.memoryUsedBytes,
        memoryTotalBytes: memoryBytes,
        memoryCacheBytes: sample.memoryCacheBytes,
        diskUsedBytes: sample.diskUsedBytes,
        diskTotalBytes: diskBytes,
      }))
  }

  close(): void {
    this.#closed = true
    this.#timer?.[Symbol.dispose]()
    this.#timer = null
  }

  #arm(ms: number): void {
    if (this.#closed || this.#timer !== null || this.#subjects.size === 0) return
    this.#timer = this.#parts.clock.after(ms, () => void this.#round())
  }

  async #round(): Promise<void> {
    const begun = this.#now()
    const begunUp = this.#parts.clock.uptimeMs()
    for (const [id, ring] of this.#kept) if (ring.newestMs <= begun - KEPT_MS) this.#kept.delete(id)
    const subjects = [...this.#subjects.values()].values()
    const lookAtSome = async () => {
      for (const subject of subjects) {
        if (this.#closed) return
        await this.#look(subject)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lookAtSome))
    this.#timer = null
    this.#arm(Math.max(0, begunUp + INTERVAL_MS - this.#parts.clock.uptimeMs()))
  }

  #look(subject: Subject): Promise<void> {
    subject.looking ??= this.#sample(subject)
      .catch((error: unknown) => {
        const { id } = subject.sandbox
        // One that has ended meanwhile is no news.
        if (!isCode(error, 'stale_incarnation')) this.#parts.log.debug({ err: error, sandbox: id }, 'not sampled')
      })
      .finally(() => {
        subject.looking = null
      })
    return subject.looking
  }

  async #sample(subject: Subject): Promise<void> {
    const { runtime, pool } = this.#parts
    const { id, incarnationId, rootId, resources } = subject.sandbox
    const [host, disk] = await Promise.all([runtime.usage(incarnationId), pool.rootUsage(rootId)])
    if (this.#subjects.get(id) !== subject) return
    const atMs = this.#now()
    const { last } = subject
    const share = (host.cpuMs - last.cpuMs) / (Math.max(1, atMs - last.atMs) * resources.cpus)
    subject.last = { atMs, cpuMs: host.cpuMs }
    this.#ringOf(id).add({
      atMs,
      cpuUsedPercent: Math.round(Math.min(1, Math.max(0, share)) * 10_000) / 100,
      memoryUsedBytes: host.memoryBytes,
      memoryCacheBytes: host.memoryCacheBytes,
      diskUsedBytes: disk.usedBytes,
    })
  }

  #ringOf(id: SandboxId): SampleRing {
    const known = this.#kept.get(id)
    if (known !== undefined) return known
    if (this.#kept.size >= MAX_SANDBOXES) this.#kept.delete(this.#kept.keys().next().value as SandboxId)
    const ring = new SampleRing(KEPT_MS / INTERVAL_MS)
    this.#kept.set(id, ring)
    return ring
  }

  #now(): number {
    return this.#parts.clock.now().getTime()
  }
}

function timeOf(path: string, date: Date | undefined): number | null {
  if (date === undefined) return null
  if (Number.isNaN(date.getTime())) throw invalidArgument(path, 'is not a date')
  return date.getTime()
}
