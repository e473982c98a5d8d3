import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { type Blobs, invalidArgument, notFound, SpawnpointError, type TeamId } from '@spawnpoint/core'
import type { FakeHost } from './host.ts'

/** Blobs in memory on a `FakeHost`. Its fault points are `blobs.put`, `blobs.has` and so on. */
export class FakeBlobs implements Blobs {
  readonly #host: FakeHost
  readonly #life

  constructor(host: FakeHost) {
    this.#host = host
    this.#life = host.faults.life
  }

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  put(teamId: TeamId, key: string, body: Readable, maxBytes: number): Promise<{ sizeBytes: number }> {
    return this.#call('put', key, async () => {
      const chunks: Uint8Array[] = []
      let sizeBytes = 0
      for await (const chunk of body) {
        chunks.push(Buffer.from(chunk))
        sizeBytes += chunk.length
        if (sizeBytes > maxBytes)
          throw new SpawnpointError('payload_too_large', `At most ${maxBytes} bytes`, { limitBytes: maxBytes })
      }
      const data = Buffer.concat(chunks)
      if (key.startsWith('sha256:') && key !== `sha256:${createHash('sha256').update(data).digest('hex')}`)
        throw invalidArgument('key', 'the content has another digest')
      this.#host.blobs.set(`${teamId} ${key}`, { data, usedAt: Date.now() })
      return { sizeBytes }
    })
  }

  has(teamId: TeamId, key: string): Promise<boolean> {
    return this.#call('has', key, () => this.#host.blobs.has(`${teamId} ${key}`))
  }

  read(teamId: TeamId, key: string): Promise<{ sizeBytes: number; body: Readable }> {
    return this.#call('read', key, () => {
      const blob = this.#host.blobs.get(`${teamId} ${key}`)
      if (!blob) throw notFound('blob', key)
      blob.usedAt = Date.now()
      return { sizeBytes: blob.data.length, body: Readable.from([blob.data]) }
    })
  }

  delete(teamId: TeamId, key: string): Promise<void> {
    return this.#call('delete', key, () => void this.#host.blobs.delete(`${teamId} ${key}`))
  }

  prune(before: Date): Promise<{ removed: number }> {
    return this.#call('prune', '', () => {
      const old = [...this.#host.blobs].filter(([, blob]) => blob.usedAt < before.getTime())
      for (const [name] of old) this.#host.blobs.delete(name)
      return { removed: old.length }
    })
  }

  #call<T>(name: string, detail: string, work: () => T | Promise<T>): Promise<T> {
    return this.#host.faults.run(this.#life, `blobs.${name}`, detail, work)
  }
}
