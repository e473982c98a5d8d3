import { join } from 'node:path'
import type { RootId } from '@spawnpoint/core'
import type { Accounts, AccountsParts } from './accounts.ts'
import { limitSubvolume } from './btrfs.ts'
import type { Layout } from './layout.ts'
import { QuotaWatch } from './quota-watch.ts'
import type { Quotas } from './quotas.ts'

/**
 * On quota groups that count fully: for every subvolume the kernel knows what it refers to, and what of it alone. For that
 * it walks back references at each commit, and at each deletion, which under load has others wait for seconds.
 */
export class FullAccounts implements Accounts {
  readonly #quotas: Quotas
  readonly #layout: Layout
  readonly #watch: QuotaWatch
  /** What roots held alone at the last flush: the flush itself shares it for a moment. */
  readonly #unsharedAtFlush = new Map<RootId, number>()

  constructor(quotas: Quotas, { layout, log }: AccountsParts) {
    this.#quotas = quotas
    this.#layout = layout
    this.#watch = new QuotaWatch(quotas, log)
  }

  async start(): Promise<void> {
    await this.#watch.look()
    this.#watch.start()
  }

  stop(): Promise<void> {
    return this.#watch.stop()
  }

  async imageMade(holder: string): Promise<number> {
    // The size is told for good, so it must not be of figures that are off.
    await this.#quotas.consistent()
    return this.#sizeOnce(holder)
  }

  /** As right as its source's: a recount would take as long as the pool is large. */
  copied(_source: string, holder: string): Promise<number> {
    return this.#sizeOnce(holder)
  }

  async sizeOf(holder: string): Promise<number> {
    const { referencedBytes } = await this.#quotas.usage(join(holder, 'rootfs'))
    await this.#watch.look()
    return referencedBytes
  }

  forget(holder: string): void {
    this.#quotas.forget(join(holder, 'rootfs'))
  }

  async rootMade(_id: RootId, staged: string, made: { diskBytes: number }): Promise<void> {
    await limitSubvolume(staged, made.diskBytes)
  }

  async rootLimited(id: RootId, { diskBytes }: { diskBytes: number }): Promise<void> {
    await limitSubvolume(this.#path(id), diskBytes)
  }

  async rootGone(id: RootId): Promise<void> {
    this.#unsharedAtFlush.delete(id)
    this.#quotas.forget(this.#path(id))
  }

  async rootUsage(id: RootId): Promise<{ usedBytes: number; exclusiveBytes: number }> {
    const { referencedBytes, exclusiveBytes } = await this.#quotas.usage(this.#path(id))
    return {
      usedBytes: referencedBytes,
      exclusiveBytes: Math.max(exclusiveBytes, this.#unsharedAtFlush.get(id) ?? 0),
    }
  }

  async dirtyBytes(id: RootId): Promise<number> {
    return (await this.#quotas.usage(this.#path(id))).dirtyBytes
  }

  async beforeFlush(id: RootId): Promise<void> {
    this.#unsharedAtFlush.set(id, (await this.rootUsage(id)).exclusiveBytes)
  }

  async capture(
    id: RootId,
    _holder: string,
    take: () => Promise<void>,
  ): Promise<{ bytes: number; takenBytes: number }> {
    const { usedBytes, exclusiveBytes } = await this.rootUsage(id)
    await take()
    this.#unsharedAtFlush.delete(id)
    return { bytes: usedBytes, takenBytes: Math.min(usedBytes, exclusiveBytes) }
  }

  /** Of files that are about to be renamed. */
  async #sizeOnce(holder: string): Promise<number> {
    const size = await this.sizeOf(holder)
    this.forget(holder)
    return size
  }

  #path(id: RootId): string {
    return this.#layout.published('roots', id)
  }
}
